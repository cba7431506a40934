"""Settings of the client: deadlines, limits and back-off. Every wait has a deadline and every buffer a limit."""

from typing import Literal

import msgspec

from higgins_protocol.records.compression import Codec


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that every user of one `Cluster` shares."""

    client_id: str = "higgins"
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 30.0
    operation_timeout_s: float = 60.0
    """For one operation with all of its retries."""
    creation_timeout_s: float = 3.0
    """For a topic that the broker creates automatically to get its leaders."""
    backoff_ms: int = 50
    backoff_ms_max: int = 1_000
    frame_bytes_max: int = 100 * 1024 * 1024
    in_flight_max: int = 16
    """Requests on one connection without a response."""
    connections_max: int = 256


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are batched, sent and retried; the defaults are those of Kafka's producer where it has them.

    An idempotent producer keeps up to `in_flight_max` batches of a partition in flight and retries a batch whose
    outcome is unknown. Without idempotence it keeps one batch in flight, because a retry of the first of several would
    reorder them, and it does not retry a batch that may have been stored, because that could store it twice.
    """

    acks: Literal[0, 1, -1] = -1
    idempotent: bool = True
    linger_ms: int = 0
    batch_bytes_max: int = 256 * 1024
    batch_records_max: int = 10_000
    buffer_bytes_max: int = 32 * 1024 * 1024
    in_flight_max: int = 5
    """Batches of one partition. Kafka's brokers remember the last five batches of a producer id (KIP-98), so a retry
    of a sixth could not be recognised as a duplicate."""
    delivery_timeout_ms: int = 120_000
    request_timeout_ms: int = 30_000
    codec: Codec = Codec.NONE
    partitions_max: int = 10_000


class ConsumerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are fetched. `reset` is Kafka's `auto.offset.reset`: what to do when the position is out of range."""

    max_wait_ms: int = 500
    min_bytes: int = 1
    fetch_bytes_max: int = 8 * 1024 * 1024
    partition_bytes_max: int = 1024 * 1024
    batch_output_bytes_max: int = 64 * 1024 * 1024
    """The largest size that one compressed batch may decompress to."""
    poll_records_max: int = 2_000
    reset: Literal["earliest", "latest", "error"] = "earliest"


class MemberSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The timeouts of a group member, and its `group.instance.id` where it is a static member (KIP-345)."""

    session_timeout_ms: int = 10_000
    rebalance_timeout_ms: int = 60_000
    heartbeat_interval_ms: int = 3_000
    instance_id: str | None = None
