# ruff: noqa: E501 - a table is read by its lines, one an entry.
"""The config entries of topics: those of Kafka 4.2, and one of Higgins. Data only."""

from higgins.config.broker import CREATE_TIME, LOG_APPEND_TIME
from higgins.config.entries.entry import (
    ANY,
    ENFORCED,
    IN_PART,
    TRUE_OR_FALSE,
    ConfigType,
    Domain,
    Entry,
    Table,
    at_least,
    between,
    between_or,
    list_of,
    matching,
    no_effect,
    one_of,
)

MAX_MESSAGE_BYTES = "max.message.bytes"
TIMESTAMP_TYPE = "message.timestamp.type"
TIMESTAMP_BEFORE = "message.timestamp.before.max.ms"
TIMESTAMP_AFTER = "message.timestamp.after.max.ms"
CLEANUP_POLICY = "cleanup.policy"
LINGER = "higgins.linger.ms"

BOOLEAN, STRING, INT, LONG, DOUBLE, LIST = (
    ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.INT, ConfigType.LONG, ConfigType.DOUBLE, ConfigType.LIST,
)  # fmt: skip
NEVER = "9223372036854775807"
REPLICAS = matching(r"\*||\d+:\d+(,\d+:\d+)*", "* or a list of PARTITION:BROKER,PARTITION:BROKER")
ONE_TIER = Domain("false", lambda value: None if value == "false" else "is not supported: all data is in object storage and there is no second tier; leave the entry out")
CODECS = one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")

STORED_AS_SENT = no_effect("batches are stored as they were sent, with the producer's compression")
NOT_DELETED = no_effect("retention is not implemented yet; nothing is deleted")
NOT_COMPACTED = no_effect("compaction is not implemented yet; every record is kept")
NO_SEGMENTS = no_effect("partitions have no segment files; they share objects, whose size the broker chooses")
DURABLE = no_effect("an acknowledged record is already in the store")
NO_REPLICAS = no_effect("there are no replicas; the store provides durability")
NO_TIERS = no_effect("all data is in object storage; there is no second tier")
KEYS_ONLY = f"{IN_PART}: with compact, records without a key are refused; nothing is deleted or compacted yet"


def _entry(name: str, kind: ConfigType, default: str, domain: Domain, effect: str, documentation: str, *synonyms: str) -> Entry:
    return Entry(name, kind, default, domain, effect, documentation, synonyms)


TOPIC_ENTRIES: Table = {entry.name: entry for entry in (
    _entry(CLEANUP_POLICY, LIST, "delete", list_of("compact", "delete"), KEYS_ONLY, "Whether old records are deleted by age and size, compacted to the newest of each key, or both.", "log.cleanup.policy"),
    _entry("compression.gzip.level", INT, "-1", between_or(-1, 1, 9), STORED_AS_SENT, "Level at which the broker compresses with gzip.", "compression.gzip.level"),
    _entry("compression.lz4.level", INT, "9", between(1, 17), STORED_AS_SENT, "Level at which the broker compresses with lz4.", "compression.lz4.level"),
    _entry("compression.type", STRING, "producer", CODECS, STORED_AS_SENT, "Codec that batches are stored with; producer keeps the producer's.", "compression.type"),
    _entry("compression.zstd.level", INT, "3", between(-131072, 22), STORED_AS_SENT, "Level at which the broker compresses with zstd.", "compression.zstd.level"),
    _entry("delete.retention.ms", LONG, "86400000", at_least(0), NOT_COMPACTED, "How long compaction keeps a tombstone, so that slow consumers still see the deletion.", "log.cleaner.delete.retention.ms"),
    _entry("file.delete.delay.ms", LONG, "60000", at_least(0), NO_SEGMENTS, "How long a deleted segment stays on disk.", "log.segment.delete.delay.ms"),
    _entry("flush.messages", LONG, NEVER, at_least(1), DURABLE, "Number of records after which a partition is synced to disk.", "log.flush.interval.messages"),
    _entry("flush.ms", LONG, NEVER, at_least(0), DURABLE, "Time after which a partition is synced to disk.", "log.flush.interval.ms"),
    _entry("follower.replication.throttled.replicas", LIST, "", REPLICAS, NO_REPLICAS, "Replicas that fetch from their leader at a limited rate."),
    _entry(LINGER, STRING, "", matching(r"|[0-5]?\d{1,4}|60000", "empty, or a whole number from 0 to 60000"), ENFORCED, "How long records wait, in milliseconds, so that more records share a flush; empty: the setting store.linger_ms. Known only to Higgins."),
    _entry("index.interval.bytes", INT, "4096", at_least(0), NO_SEGMENTS, "Bytes between two entries of an offset index.", "log.index.interval.bytes"),
    _entry("leader.replication.throttled.replicas", LIST, "", REPLICAS, NO_REPLICAS, "Replicas to which their leader sends at a limited rate."),
    _entry("local.retention.bytes", LONG, "-2", at_least(-2), NO_TIERS, "Bytes of a tiered partition that stay on local disk; -2: the same as retention.bytes.", "log.local.retention.bytes"),
    _entry("local.retention.ms", LONG, "-2", at_least(-2), NO_TIERS, "How long records of a tiered partition stay on local disk; -2: the same as retention.ms.", "log.local.retention.ms"),
    _entry("max.compaction.lag.ms", LONG, NEVER, at_least(1), NOT_COMPACTED, "How long a record may stay uncompacted.", "log.cleaner.max.compaction.lag.ms"),
    _entry(MAX_MESSAGE_BYTES, INT, "1048588", at_least(0), ENFORCED, "Largest record batch that is accepted, as compressed by the producer.", "message.max.bytes"),
    _entry(TIMESTAMP_AFTER, LONG, "3600000", at_least(0), ENFORCED, "How far a record's timestamp may be ahead of the broker's clock.", "log.message.timestamp.after.max.ms"),
    _entry(TIMESTAMP_BEFORE, LONG, NEVER, at_least(0), ENFORCED, "How far a record's timestamp may be behind the broker's clock.", "log.message.timestamp.before.max.ms"),
    _entry(TIMESTAMP_TYPE, STRING, CREATE_TIME, one_of(CREATE_TIME, LOG_APPEND_TIME), ENFORCED, "Whether a record's timestamp is set by its producer or by the broker when it is appended.", "log.message.timestamp.type"),
    _entry("min.cleanable.dirty.ratio", DOUBLE, "0.5", between(0, 1), NOT_COMPACTED, "Share of a partition that must be uncompacted before compaction starts.", "log.cleaner.min.cleanable.ratio"),
    _entry("min.compaction.lag.ms", LONG, "0", at_least(0), NOT_COMPACTED, "How long a record is protected from compaction.", "log.cleaner.min.compaction.lag.ms"),
    _entry("min.insync.replicas", INT, "1", at_least(1), NO_REPLICAS, "Replicas that must have a record before a produce with acks=all is acknowledged.", "min.insync.replicas"),
    _entry("preallocate", BOOLEAN, "false", TRUE_OR_FALSE, NO_SEGMENTS, "Whether a segment file is created with its full size.", "log.preallocate"),
    _entry("remote.log.copy.disable", BOOLEAN, "false", TRUE_OR_FALSE, NO_TIERS, "Whether copying to the remote tier is stopped."),
    _entry("remote.log.delete.on.disable", BOOLEAN, "false", TRUE_OR_FALSE, NO_TIERS, "Whether the copy in the remote tier is deleted when tiering is turned off."),
    _entry("remote.storage.enable", BOOLEAN, "false", ONE_TIER, NO_TIERS, "Whether the topic is tiered to remote storage."),
    _entry("retention.bytes", LONG, "-1", ANY, NOT_DELETED, "Bytes that a partition keeps before its oldest records are deleted; -1: no limit.", "log.retention.bytes"),
    _entry("retention.ms", LONG, "604800000", at_least(-1), NOT_DELETED, "How long records are kept; -1: no limit.", "log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    _entry("segment.bytes", INT, "1073741824", at_least(1_048_576), NO_SEGMENTS, "Size at which a segment is closed.", "log.segment.bytes"),
    _entry("segment.index.bytes", INT, "10485760", at_least(4), NO_SEGMENTS, "Size of an offset index.", "log.index.size.max.bytes"),
    _entry("segment.jitter.ms", LONG, "0", at_least(0), NO_SEGMENTS, "How much earlier, at random, a segment is closed.", "log.roll.jitter.ms", "log.roll.jitter.hours"),
    _entry("segment.ms", LONG, "604800000", at_least(1), NO_SEGMENTS, "Time after which a segment is closed.", "log.roll.ms", "log.roll.hours"),
    _entry("unclean.leader.election.enable", BOOLEAN, "false", TRUE_OR_FALSE, NO_REPLICAS, "Whether a replica that is out of sync can become leader, at the price of lost records.", "unclean.leader.election.enable"),
)}  # fmt: skip
"""By name, in alphabetical order."""

assert list(TOPIC_ENTRIES) == sorted(TOPIC_ENTRIES)
