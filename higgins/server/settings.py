"""What a user tunes about listeners and connections."""

import msgspec


class Listener(msgspec.Struct, frozen=True):
    """A door: where it is bound, and the address that clients are told. Port 0 is drawn when bound."""

    name: str
    host: str
    port: int
    advertised_host: str
    advertised_port: int
    """0 means the port that was bound."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Doors, and the limits of whoever comes through them."""

    listeners: tuple[Listener, ...] = (Listener("127.0.0.1:9092", "127.0.0.1", 9092, "127.0.0.1", 9092),)
    frame_bytes_max: int = 100 * 1024 * 1024
    """socket.request.max.bytes"""
    requests_in_flight_max: int = 1_000
    """Requests of one connection under way before reading stops: as many single records as arrive in a linger."""
    tasks_in_flight_max: int = 16
    """Of these, the ones that cost a task (long polls, joins)."""
    request_bytes_in_flight_max: int = 8 * 1024 * 1024
    connections_max: int = 10_000
    connections_per_address_max: int = 0
    """0: no bound of its own."""
    connection_idle_ms: int = 600_000
    unsent_bytes_max: int = 1024 * 1024
    """Answers that a client has not taken yet before its next request is read."""
    frame_patience_ms: int = 30_000
    """How long a frame once begun may take, beside its size at `frame_bytes_per_s_min`."""
    frame_bytes_per_s_min: int = 64 * 1024
    write_patience_ms: int = 60_000
    """How long a write may make no progress."""
    awake_us: int = 100
    """How long to stay awake for a client that asks again as soon as it is answered; 0: never."""
    backlog: int = 1_024
    """Connections that wait to be accepted."""
    drain_ms: int = 8_000
    """How long requests in flight may take to finish when the broker shuts down."""
