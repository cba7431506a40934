"""Topic configs: which there are, what a value may be, and what a topic's effective value is.

Values are kept as the strings that clients send. A config that is accepted is listed here; what has an effect today is
read by the functions at the end.
"""

from collections.abc import Callable, Mapping

import msgspec

from higgins.kafka.settings import CREATE_TIME, LOG_APPEND_TIME, BrokerConfig

INT32_MAX = (1 << 31) - 1
INT64_MAX = (1 << 63) - 1

MAX_MESSAGE_BYTES = "max.message.bytes"
TIMESTAMP_TYPE = "message.timestamp.type"
TIMESTAMP_BEFORE = "message.timestamp.before.max.ms"
TIMESTAMP_AFTER = "message.timestamp.after.max.ms"
CLEANUP_POLICY = "cleanup.policy"
LINGER = "higgins.linger.ms"


class TopicConfig(msgspec.Struct, frozen=True):
    """One config: its default, and a function that says what is wrong with a value, or None."""

    default: str
    fault: Callable[[str], str | None]


def _number(least: int, greatest: int) -> Callable[[str], str | None]:
    def fault(value: str) -> str | None:
        try:
            number = int(value)
        except ValueError:
            return "is not a whole number"
        return None if least <= number <= greatest else f"is not within {least} and {greatest}"

    return fault


def _ratio(value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "is not a number"
    return None if 0 <= number <= 1 else "is not within 0 and 1"


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda value: None if value in words else f"is none of {', '.join(words)}"


def _some_of(*words: str) -> Callable[[str], str | None]:
    def fault(value: str) -> str | None:
        unknown = {word.strip() for word in value.split(",")} - {"", *words}
        return f"knows no {', '.join(sorted(unknown))}; only {', '.join(words)}" if unknown else None

    return fault


_BOOLEAN = _one_of("true", "false")


def _anything(value: str) -> None:
    return None


TOPIC_CONFIGS: Mapping[str, TopicConfig] = {
    CLEANUP_POLICY: TopicConfig("delete", _some_of("delete", "compact")),
    "compression.gzip.level": TopicConfig("-1", _number(-1, 9)),
    "compression.lz4.level": TopicConfig("9", _number(1, 17)),
    "compression.type": TopicConfig(
        "producer", _one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
    ),
    "compression.zstd.level": TopicConfig("3", _number(-131072, 22)),
    "delete.retention.ms": TopicConfig("86400000", _number(0, INT64_MAX)),
    "file.delete.delay.ms": TopicConfig("60000", _number(0, INT64_MAX)),
    "flush.messages": TopicConfig(str(INT64_MAX), _number(1, INT64_MAX)),
    "flush.ms": TopicConfig(str(INT64_MAX), _number(0, INT64_MAX)),
    "follower.replication.throttled.replicas": TopicConfig("", _anything),
    LINGER: TopicConfig("", _number(0, 60_000)),
    "index.interval.bytes": TopicConfig("4096", _number(0, INT32_MAX)),
    "leader.replication.throttled.replicas": TopicConfig("", _anything),
    "local.retention.bytes": TopicConfig("-2", _number(-2, INT64_MAX)),
    "local.retention.ms": TopicConfig("-2", _number(-2, INT64_MAX)),
    "max.compaction.lag.ms": TopicConfig(str(INT64_MAX), _number(1, INT64_MAX)),
    MAX_MESSAGE_BYTES: TopicConfig("1048588", _number(0, INT32_MAX)),
    TIMESTAMP_AFTER: TopicConfig("3600000", _number(0, INT64_MAX)),
    TIMESTAMP_BEFORE: TopicConfig(str(INT64_MAX), _number(0, INT64_MAX)),
    TIMESTAMP_TYPE: TopicConfig(CREATE_TIME, _one_of(CREATE_TIME, LOG_APPEND_TIME)),
    "min.cleanable.dirty.ratio": TopicConfig("0.5", _ratio),
    "min.compaction.lag.ms": TopicConfig("0", _number(0, INT64_MAX)),
    "min.insync.replicas": TopicConfig("1", _number(1, INT32_MAX)),
    "preallocate": TopicConfig("false", _BOOLEAN),
    "remote.storage.enable": TopicConfig("false", _BOOLEAN),
    "retention.bytes": TopicConfig("-1", _number(-1, INT64_MAX)),
    "retention.ms": TopicConfig("604800000", _number(-1, INT64_MAX)),
    "segment.bytes": TopicConfig("1073741824", _number(14, INT32_MAX)),
    "segment.index.bytes": TopicConfig("10485760", _number(4, INT32_MAX)),
    "segment.jitter.ms": TopicConfig("0", _number(0, INT64_MAX)),
    "segment.ms": TopicConfig("604800000", _number(1, INT64_MAX)),
    "unclean.leader.election.enable": TopicConfig("false", _BOOLEAN),
}


def fault_in_configs(configs: Mapping[str, str | None]) -> str | None:
    """A sentence about the first config that cannot be, or None."""
    for name, value in configs.items():
        known = TOPIC_CONFIGS.get(name)
        if known is None:
            return f"Unknown topic config '{name}'."
        if value is None:
            return f"Topic config '{name}' has no value; leave it out to have the default '{known.default}'."
        fault = known.fault(value)
        if fault:
            return f"Topic config '{name}': '{value}' {fault}."
    return None


def defaults(broker: BrokerConfig) -> dict[str, str]:
    """What a topic has where it says nothing, on this broker."""
    values = {name: config.default for name, config in TOPIC_CONFIGS.items()}
    values[MAX_MESSAGE_BYTES] = str(broker.message_bytes_max)
    values[TIMESTAMP_TYPE] = broker.message_timestamp_type
    values[TIMESTAMP_BEFORE] = str(broker.message_timestamp_before_max_ms)
    values[TIMESTAMP_AFTER] = str(broker.message_timestamp_after_max_ms)
    return values


class AppendRules(msgspec.Struct, frozen=True):
    """What a topic's configs mean for a produce."""

    batch_bytes_max: int
    stamps: bool
    timestamp_before_max_ms: int
    timestamp_after_max_ms: int
    wants_keys: bool
    linger_ms: int | None


def append_rules(configs: Mapping[str, str], broker: BrokerConfig) -> AppendRules:
    """The rules of a topic with these configs."""
    linger = configs.get(LINGER, "")
    return AppendRules(
        batch_bytes_max=int(configs.get(MAX_MESSAGE_BYTES, broker.message_bytes_max)),
        stamps=configs.get(TIMESTAMP_TYPE, broker.message_timestamp_type) == LOG_APPEND_TIME,
        timestamp_before_max_ms=int(configs.get(TIMESTAMP_BEFORE, broker.message_timestamp_before_max_ms)),
        timestamp_after_max_ms=int(configs.get(TIMESTAMP_AFTER, broker.message_timestamp_after_max_ms)),
        wants_keys="compact" in configs.get(CLEANUP_POLICY, ""),
        linger_ms=int(linger) if linger else None,
    )
