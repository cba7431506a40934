"""Settings that are Kafka's broker configs and belong to no single room: defaults of topics, limits of responses."""

import msgspec

CREATE_TIME = "CreateTime"
LOG_APPEND_TIME = "LogAppendTime"


class BrokerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of topics, and limits of responses."""

    partitions_default: int = 1
    """Partitions of a new topic that does not say how many it has."""
    replication_factor_default: int = 1
    """Replication factor of a new topic that does not say; it is reported and has no other effect."""
    auto_create_topics: bool = True
    """Whether a topic that does not exist is created when a client asks for its metadata."""
    message_bytes_max: int = 1_048_588
    """Largest record batch that is accepted, as compressed by the producer."""
    message_timestamp_type: str = CREATE_TIME
    """Whether a record's timestamp is set by its producer (`CreateTime`) or by the broker (`LogAppendTime`)."""
    message_timestamp_before_max_ms: int = (1 << 63) - 1
    """How far a record's timestamp may be behind the broker's clock."""
    message_timestamp_after_max_ms: int = 3_600_000
    """How far a record's timestamp may be ahead of the broker's clock."""
    fetch_bytes_max: int = 55 << 20
    """Largest Fetch response."""
    unsent_bytes_max: int = 128 << 20
    """Fetch responses of the whole node that clients have not read yet; above this, responses get smaller."""
    fetch_bytes_min: int = 1 << 20
    """What a Fetch response may hold however much is unsent, so that every client makes progress."""
    fetch_wait_ms_max: int = 3_600_000
    """Longest wait of a Fetch request for new records."""
