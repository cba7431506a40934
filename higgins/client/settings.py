"""How a client behaves: deadlines, limits and back-off. Every wait has an end and every buffer a bound."""

from typing import Literal

import msgspec

from higgins_protocol.records.compression import Codec


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every client of a cluster shares."""

    client_id: str = "higgins"
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 30.0
    operation_timeout_s: float = 60.0
    creation_timeout_s: float = 3.0
    backoff_ms: int = 50
    backoff_ms_max: int = 1_000
    frame_bytes_max: int = 100 * 1024 * 1024
    in_flight_max: int = 16
    connections_max: int = 256


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are batched, sent and sent again.

    An idempotent producer keeps up to `in_flight_max` batches of a partition under way and repeats one whose outcome
    is unknown; a plain one keeps a single batch under way and never repeats what may have been stored.
    """

    acks: Literal[0, 1, -1] = -1
    idempotent: bool = True
    linger_ms: int = 0
    batch_bytes_max: int = 256 * 1024
    batch_records_max: int = 10_000
    buffer_bytes_max: int = 32 * 1024 * 1024
    in_flight_max: int = 5
    delivery_timeout_ms: int = 120_000
    request_timeout_ms: int = 30_000
    codec: Codec = Codec.NONE
    partitions_max: int = 10_000


class ConsumerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are fetched. `reset` says where to go when the position has fallen out of the log."""

    max_wait_ms: int = 500
    min_bytes: int = 1
    fetch_bytes_max: int = 8 * 1024 * 1024
    partition_bytes_max: int = 1024 * 1024
    batch_output_bytes_max: int = 64 * 1024 * 1024
    poll_records_max: int = 2_000
    reset: Literal["earliest", "latest", "error"] = "earliest"


class MemberSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a member takes part in its group."""

    session_timeout_ms: int = 10_000
    rebalance_timeout_ms: int = 60_000
    heartbeat_interval_ms: int = 3_000
    instance_id: str | None = None
