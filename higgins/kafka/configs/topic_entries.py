# ruff: noqa: E501 - a table is read by its lines, one an entry.
"""The config entries of topics, as Kafka 4.2 has them, and our own. Nothing is resolved or changed here."""

from higgins.kafka.configs.entry import (
    ANY,
    ENFORCED,
    TRUTH,
    ConfigType,
    Domain,
    Entry,
    Table,
    at_least,
    matching,
    one_of,
    some_of,
    within,
    within_or,
    without,
)
from higgins.kafka.settings import CREATE_TIME, LOG_APPEND_TIME

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
ONE_TIER = Domain("false", lambda value: None if value == "false" else "asks for a second tier; everything lies in object storage, leave it out")
CODECS = one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")

STORED_AS_SENT = without("batches are stored as they were sent, in the producer's own compression")
NOT_DELETED = without("retention is not carried out yet; nothing is deleted")
NOT_COMPACTED = without("compaction is not carried out yet; every record is kept")
NO_SEGMENTS = without("a partition has no files of its own; objects are shared and sized by the broker")
DURABLE = without("an acknowledged record is in the store already; there is nothing to flush")
NO_REPLICAS = without("there are no replicas; durability is the store's")
NO_TIERS = without("everything lies in object storage; there is no second tier")
KEYS_ONLY = "enforced where records without a key are refused under compact; nothing is deleted or compacted yet"


def _entry(name: str, kind: ConfigType, default: str, domain: Domain, effect: str, documentation: str, *synonyms: str) -> Entry:
    return Entry(name, kind, default, domain, effect, documentation, synonyms)


TOPIC_ENTRIES: Table = {entry.name: entry for entry in (
    _entry(CLEANUP_POLICY, LIST, "delete", some_of("compact", "delete"), KEYS_ONLY, "What becomes of old records: deleted by age and size, compacted to the newest of each key, or both.", "log.cleanup.policy"),
    _entry("compression.gzip.level", INT, "-1", within_or(-1, 1, 9), STORED_AS_SENT, "The level at which a broker that compresses with gzip does so.", "compression.gzip.level"),
    _entry("compression.lz4.level", INT, "9", within(1, 17), STORED_AS_SENT, "The level at which a broker that compresses with lz4 does so.", "compression.lz4.level"),
    _entry("compression.type", STRING, "producer", CODECS, STORED_AS_SENT, "The codec batches are stored in; producer keeps the one they came in.", "compression.type"),
    _entry("compression.zstd.level", INT, "3", within(-131072, 22), STORED_AS_SENT, "The level at which a broker that compresses with zstd does so.", "compression.zstd.level"),
    _entry("delete.retention.ms", LONG, "86400000", at_least(0), NOT_COMPACTED, "How long compaction keeps a tombstone, so that slow readers still see the deletion.", "log.cleaner.delete.retention.ms"),
    _entry("file.delete.delay.ms", LONG, "60000", at_least(0), NO_SEGMENTS, "How long a file that is no longer needed stays on disk.", "log.segment.delete.delay.ms"),
    _entry("flush.messages", LONG, NEVER, at_least(1), DURABLE, "After how many records a partition is forced to disk.", "log.flush.interval.messages"),
    _entry("flush.ms", LONG, NEVER, at_least(0), DURABLE, "After how long a partition is forced to disk.", "log.flush.interval.ms"),
    _entry("follower.replication.throttled.replicas", LIST, "", REPLICAS, NO_REPLICAS, "Replicas whose fetching from their leader is slowed."),
    _entry(LINGER, STRING, "", matching(r"|[0-5]?\d{1,4}|60000", "empty, or a whole number from 0 to 60000"), ENFORCED, "How long, in milliseconds, data waits for company before it is flushed; empty: as the store has it. Known to Higgins only."),
    _entry("index.interval.bytes", INT, "4096", at_least(0), NO_SEGMENTS, "How many bytes lie between two entries of a segment's offset index.", "log.index.interval.bytes"),
    _entry("leader.replication.throttled.replicas", LIST, "", REPLICAS, NO_REPLICAS, "Replicas to which their leader sends slowly."),
    _entry("local.retention.bytes", LONG, "-2", at_least(-2), NO_TIERS, "How many bytes of a tiered partition stay on local disk; -2: as retention.bytes.", "log.local.retention.bytes"),
    _entry("local.retention.ms", LONG, "-2", at_least(-2), NO_TIERS, "How long records of a tiered partition stay on local disk; -2: as retention.ms.", "log.local.retention.ms"),
    _entry("max.compaction.lag.ms", LONG, NEVER, at_least(1), NOT_COMPACTED, "After how long a record must have been looked at by compaction.", "log.cleaner.max.compaction.lag.ms"),
    _entry(MAX_MESSAGE_BYTES, INT, "1048588", at_least(0), ENFORCED, "The largest batch, as compressed, that is taken.", "message.max.bytes"),
    _entry(TIMESTAMP_AFTER, LONG, "3600000", at_least(0), ENFORCED, "How far a record's timestamp may lie ahead of the broker's clock.", "log.message.timestamp.after.max.ms"),
    _entry(TIMESTAMP_BEFORE, LONG, NEVER, at_least(0), ENFORCED, "How far a record's timestamp may lie behind the broker's clock.", "log.message.timestamp.before.max.ms"),
    _entry(TIMESTAMP_TYPE, STRING, CREATE_TIME, one_of(CREATE_TIME, LOG_APPEND_TIME), ENFORCED, "Whether a record's timestamp is its producer's or the time at which it was appended.", "log.message.timestamp.type"),
    _entry("min.cleanable.dirty.ratio", DOUBLE, "0.5", within(0, 1), NOT_COMPACTED, "What share of a partition must be uncompacted before compaction begins.", "log.cleaner.min.cleanable.ratio"),
    _entry("min.compaction.lag.ms", LONG, "0", at_least(0), NOT_COMPACTED, "How long a record is left alone by compaction.", "log.cleaner.min.compaction.lag.ms"),
    _entry("min.insync.replicas", INT, "1", at_least(1), NO_REPLICAS, "How many replicas must have a record before acks=all is answered.", "min.insync.replicas"),
    _entry("preallocate", BOOLEAN, "false", TRUTH, NO_SEGMENTS, "Whether a segment's file is given its full size when it is made.", "log.preallocate"),
    _entry("remote.log.copy.disable", BOOLEAN, "false", TRUTH, NO_TIERS, "Whether nothing more is copied to the remote tier."),
    _entry("remote.log.delete.on.disable", BOOLEAN, "false", TRUTH, NO_TIERS, "Whether the remote tier's copy goes when tiering is turned off."),
    _entry("remote.storage.enable", BOOLEAN, "false", ONE_TIER, NO_TIERS, "Whether a topic is tiered to remote storage."),
    _entry("retention.bytes", LONG, "-1", ANY, NOT_DELETED, "How many bytes a partition keeps before its oldest records go; -1: no limit.", "log.retention.bytes"),
    _entry("retention.ms", LONG, "604800000", at_least(-1), NOT_DELETED, "How long records are kept; -1: for ever.", "log.retention.ms", "log.retention.minutes", "log.retention.hours"),
    _entry("segment.bytes", INT, "1073741824", at_least(1_048_576), NO_SEGMENTS, "At what size a partition's file is closed and the next begun.", "log.segment.bytes"),
    _entry("segment.index.bytes", INT, "10485760", at_least(4), NO_SEGMENTS, "The size of a segment's index.", "log.index.size.max.bytes"),
    _entry("segment.jitter.ms", LONG, "0", at_least(0), NO_SEGMENTS, "How much earlier, at random, a partition's file may be closed.", "log.roll.jitter.ms", "log.roll.jitter.hours"),
    _entry("segment.ms", LONG, "604800000", at_least(1), NO_SEGMENTS, "After how long a partition's file is closed and the next begun.", "log.roll.ms", "log.roll.hours"),
    _entry("unclean.leader.election.enable", BOOLEAN, "false", TRUTH, NO_REPLICAS, "Whether a replica that lags may become leader, at the price of lost records.", "unclean.leader.election.enable"),
)}  # fmt: skip
"""By name, sorted."""

assert list(TOPIC_ENTRIES) == sorted(TOPIC_ENTRIES)
