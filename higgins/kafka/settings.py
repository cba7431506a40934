"""What a user tunes about Kafka's own behaviour, under Kafka's names; the defaults are Kafka's."""

from typing import Literal

import msgspec

INT64_MAX = (1 << 63) - 1


class BrokerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of topics and bounds of records."""

    partitions_default: int = 1
    """num.partitions: of a topic made without a number."""
    replication_factor_default: int = 1
    """default.replication.factor: what is echoed; the store replicates, not the broker."""
    auto_create_topics: bool = True
    """auto.create.topics.enable"""
    message_bytes_max: int = 1_048_588
    """message.max.bytes: the largest record batch, of topics that do not say otherwise."""
    message_timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    """log.message.timestamp.type"""
    message_timestamp_before_max_ms: int = INT64_MAX
    message_timestamp_after_max_ms: int = 3_600_000
    """log.message.timestamp.before.max.ms and .after.max.ms: how far a record's own time may be from the node's."""
