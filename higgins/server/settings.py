"""Settings of listeners and connections."""

from enum import StrEnum

import msgspec


class SecurityProtocol(StrEnum):
    """How a listener protects bytes and authenticates clients, by Kafka's names."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class Listener(msgspec.Struct, frozen=True):
    """Where the node listens, and the address that clients connect to. Port 0: the system chooses a free port."""

    name: str
    host: str
    port: int
    advertised_host: str
    advertised_port: int
    """0: the port that is bound."""
    security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Listeners, and the limits of their connections."""

    listeners: tuple[Listener, ...] = (Listener("127.0.0.1:9092", "127.0.0.1", 9092, "127.0.0.1", 9092),)
    frame_bytes_max: int = 100 * 1024 * 1024
    """Largest request that is accepted."""
    other_frame_bytes_max: int = 16 * 1024 * 1024
    """Largest request that carries no records, that is, of any API but Produce."""
    arriving_bytes_max: int = 128 * 1024 * 1024
    """Memory of requests that have not arrived completely, over all connections; then slow ones give way."""
    requests_in_flight_max: int = 1_000
    """Requests of one connection in flight before reading from it stops."""
    tasks_in_flight_max: int = 16
    """Of these, requests that need a task of their own (long polls, JoinGroup, SyncGroup)."""
    request_bytes_in_flight_max: int = 8 * 1024 * 1024
    """Bytes of the requests of one connection in flight before reading from it stops."""
    connections_max: int = 10_000
    """Largest number of connections of the node."""
    connections_per_address_max: int = 0
    """Largest number of connections from one address; 0: an address may have all places that no other needs."""
    connection_idle_ms: int = 600_000
    """How long a connection may be idle before it is closed."""
    unsent_bytes_max: int = 1024 * 1024
    """Responses that a client has not read yet before reading from its connection stops."""
    frame_patience_ms: int = 30_000
    """How long a request may take to arrive, in addition to its size divided by `frame_bytes_per_s_min`."""
    frame_bytes_per_s_min: int = 64 * 1024
    """Slowest rate at which a request may arrive."""
    write_patience_ms: int = 60_000
    """How long a client may read nothing of a response before its connection is closed."""
    busy_poll_us: int = 100
    """How long to poll for the next request of a client that sends it right after a response; 0: never."""
    backlog: int = 1_024
    """Largest number of connections waiting to be accepted."""
    drain_ms: int = 8_000
    """How long requests in flight may take to finish when the node shuts down."""
