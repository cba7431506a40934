"""What a user tunes about the Kafka surface, by Kafka's broker configs."""

import msgspec

CREATE_TIME = "CreateTime"
LOG_APPEND_TIME = "LogAppendTime"


class BrokerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of topics, and bounds of answers."""

    partitions_default: int = 1
    replication_factor_default: int = 1
    auto_create_topics: bool = True
    message_bytes_max: int = 1_048_588
    message_timestamp_type: str = CREATE_TIME
    message_timestamp_before_max_ms: int = (1 << 63) - 1
    message_timestamp_after_max_ms: int = 3_600_000
    fetch_bytes_max: int = 55 << 20
    """One fetch answer."""
    unsent_bytes_max: int = 128 << 20
    """Fetch answers of the whole node that clients have not taken yet; past it answers get smaller."""
    fetch_bytes_min: int = 1 << 20
    """What an answer may hold however much is unsent, so that every client makes progress."""
    fetch_wait_ms_max: int = 3_600_000
