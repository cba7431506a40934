# ruff: noqa: E501 - a table is read by its lines, one an entry.
"""The config entries of brokers that clients, tools and ready-made deployments read or set. Data only.

Left out: the entries for encryption (keystores, passwords), tiered storage and controllers, which Higgins does not have.
"""

from higgins.config.entries.entry import (
    ANY,
    ENFORCED,
    TRUE_OR_FALSE,
    ConfigType,
    Domain,
    Entry,
    Table,
    at_least,
    between,
    between_or,
    list_of,
    no_effect,
    one_of,
)
from higgins.config.entries.topics import (
    CODECS,
    DURABLE,
    KEYS_ONLY,
    NEVER,
    NO_REPLICAS,
    NO_SEGMENTS,
    NO_TIERS,
    NOT_COMPACTED,
    NOT_DELETED,
    STORED_AS_SENT,
)

BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST = (
    ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.INT, ConfigType.SHORT, ConfigType.LONG, ConfigType.DOUBLE, ConfigType.LIST,
)  # fmt: skip
NO_BOUND = "2147483647"

SHOWN = "enforced; it shows the value in use, which another flag or setting sets"
NO_THREADS = no_effect("a node runs on one core; start a second node to use a second core")
NO_CONTROLLER = no_effect("there is no controller; nodes coordinate through the store")
NO_RACKS = no_effect("any node serves any partition; racks are not supported yet")
NO_SECURITY = no_effect("this version has no authentication or encryption")
NO_TRANSACTIONS = no_effect("transactions are not supported yet")
NO_LEDGER_TOPIC = no_effect("groups and offsets are stored in the ledger, not in a topic")
NOT_EXPIRED = no_effect("committed offsets are kept until they are deleted")
NEXT_PROTOCOL = no_effect("the new consumer group protocol is not supported yet")
NO_SHARE_GROUPS = no_effect("share groups are not supported yet")
NO_STREAMS_GROUPS = no_effect("streams groups are not supported yet")
NO_BROKER_TRAFFIC = no_effect("nodes coordinate through the store and do not connect to one another")
NO_SESSIONS = no_effect("fetch sessions are not supported yet; every request names all its partitions")
NO_RATES = no_effect("the number of connections is limited, but neither their rate nor single addresses")
NO_PAGES = no_effect("descriptions of topics have limits of their own")
NO_JVM = no_effect("no Java class can be loaded here")
OWN_QUEUES = no_effect("requests are limited for each connection, by number and by bytes")
OWN_SOCKETS = no_effect("the operating system sizes the buffers of connections")
OWN_BACKLOG = no_effect("the setting server.backlog takes its place")
NO_TELEMETRY = no_effect("metrics that clients send are not collected")
OWN_IDS = no_effect("all idempotent producers are remembered for the same time")
NO_QUOTAS = no_effect("quotas are not supported yet")
OWN_METRICS = no_effect("metrics are exposed to Prometheus; see --metrics")
ALWAYS_DELETABLE = no_effect("topics can always be deleted")


def _dynamic(name: str, kind: ConfigType, default: str | None, domain: Domain, effect: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, effect, documentation)


def _at_start(name: str, kind: ConfigType, default: str | None, domain: Domain, effect: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, effect, documentation, is_read_only=True)


def _setting(name: str, kind: ConfigType, default: str, domain: Domain, setting: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, ENFORCED, documentation, setting=setting)


def _setting_at_start(name: str, kind: ConfigType, default: str | None, domain: Domain, setting: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, ENFORCED, documentation, setting=setting, is_read_only=True)


BROKER_ENTRIES: Table = {entry.name: entry for entry in (
    _at_start("add.partitions.to.txn.retry.backoff.max.ms", INT, "100", at_least(0), NO_TRANSACTIONS, "Longest wait before partitions are added to a transaction again."),
    _at_start("add.partitions.to.txn.retry.backoff.ms", INT, "20", at_least(1), NO_TRANSACTIONS, "Wait before partitions are added to a transaction again."),
    _at_start("advertised.listeners", LIST, None, ANY, SHOWN, "The addresses that clients connect to; set with --advertise."),
    _setting("auto.create.topics.enable", BOOLEAN, "true", TRUE_OR_FALSE, "broker.auto_create_topics", "Whether a topic that does not exist is created when a client asks for its metadata."),
    _at_start("auto.leader.rebalance.enable", BOOLEAN, "true", TRUE_OR_FALSE, NO_REPLICAS, "Whether leadership moves back to the first replica by itself."),
    _dynamic("background.threads", INT, "10", at_least(1), NO_THREADS, "Threads for background work."),
    _at_start("broker.heartbeat.interval.ms", INT, "2000", ANY, NO_CONTROLLER, "How often a broker sends a heartbeat to the controller."),
    _setting_at_start("broker.id", INT, "-1", ANY, "ledger.node_id", "The node's id; set with node.id, or assigned by the cluster."),
    _at_start("broker.rack", STRING, None, ANY, NO_RACKS, "The rack of the broker."),
    _at_start("broker.session.timeout.ms", INT, "9000", ANY, NO_CONTROLLER, "How long a broker may be silent before the controller removes it."),
    _dynamic("compression.gzip.level", INT, "-1", between_or(-1, 1, 9), STORED_AS_SENT, "Level at which the broker compresses with gzip."),
    _dynamic("compression.lz4.level", INT, "9", between(1, 17), STORED_AS_SENT, "Level at which the broker compresses with lz4."),
    _dynamic("compression.type", STRING, "producer", CODECS, STORED_AS_SENT, "Codec that batches are stored with; producer keeps the producer's."),
    _dynamic("compression.zstd.level", INT, "3", between(-131072, 22), STORED_AS_SENT, "Level at which the broker compresses with zstd."),
    _at_start("connection.failed.authentication.delay.ms", INT, "100", at_least(0), NO_SECURITY, "How long a connection whose authentication failed stays open."),
    _setting_at_start("connections.max.idle.ms", LONG, "600000", at_least(1), "server.connection_idle_ms", "How long a connection may be idle before it is closed."),
    _at_start("connections.max.reauth.ms", LONG, "0", ANY, NO_SECURITY, "How long a connection may last before it must authenticate again; 0: no limit."),
    _at_start("controlled.shutdown.enable", BOOLEAN, "true", TRUE_OR_FALSE, NO_REPLICAS, "Whether partitions get new leaders before a broker stops."),
    _at_start("controller.quota.window.num", INT, "11", at_least(1), NO_QUOTAS, "Samples that the quota on topic changes is measured with."),
    _at_start("controller.quota.window.size.seconds", INT, "1", at_least(1), NO_QUOTAS, "Length of a sample of the quota on topic changes."),
    _setting("default.replication.factor", INT, "1", at_least(1), "broker.replication_factor_default", "Replication factor of new topics that do not specify one; it is reported and has no other effect, because the store provides durability."),
    _at_start("delete.records.purgatory.purge.interval.requests", INT, "1", ANY, OWN_QUEUES, "After how many requests finished deletions are purged from the purgatory."),
    _at_start("delete.topic.enable", BOOLEAN, "true", TRUE_OR_FALSE, ALWAYS_DELETABLE, "Whether topics may be deleted at all."),
    _setting("fetch.max.bytes", INT, "57671680", at_least(1024), "broker.fetch_bytes_max", "Largest Fetch response."),
    _at_start("fetch.purgatory.purge.interval.requests", INT, "1000", ANY, OWN_QUEUES, "After how many requests finished fetches are purged from the purgatory."),
    _dynamic("follower.replication.throttled.rate", LONG, NEVER, at_least(0), NO_REPLICAS, "Bytes per second that throttled followers fetch."),
    _at_start("group.consumer.assignors", LIST, "uniform,range", ANY, NEXT_PROTOCOL, "Assignors of the new consumer group protocol."),
    _at_start("group.consumer.heartbeat.interval.ms", INT, "5000", at_least(1), NEXT_PROTOCOL, "How often members of new consumer groups send a heartbeat."),
    _at_start("group.consumer.max.heartbeat.interval.ms", INT, "15000", at_least(1), NEXT_PROTOCOL, "Longest heartbeat interval that a group can set."),
    _at_start("group.consumer.max.session.timeout.ms", INT, "60000", at_least(1), NEXT_PROTOCOL, "Longest session timeout that a group can set."),
    _at_start("group.consumer.max.size", INT, NO_BOUND, at_least(1), NEXT_PROTOCOL, "Largest number of members of a new consumer group."),
    _at_start("group.consumer.migration.policy", STRING, "bidirectional", one_of("disabled", "downgrade", "upgrade", "bidirectional"), NEXT_PROTOCOL, "Whether groups can migrate between the classic and the new protocol."),
    _at_start("group.consumer.min.heartbeat.interval.ms", INT, "5000", at_least(1), NEXT_PROTOCOL, "Shortest heartbeat interval that a group can set."),
    _at_start("group.consumer.min.session.timeout.ms", INT, "45000", at_least(1), NEXT_PROTOCOL, "Shortest session timeout that a group can set."),
    _at_start("group.consumer.session.timeout.ms", INT, "45000", at_least(1), NEXT_PROTOCOL, "How long a member of a new consumer group may be silent before it is removed."),
    _at_start("group.coordinator.append.linger.ms", INT, "-1", at_least(-1), NO_LEDGER_TOPIC, "How long a coordinator collects writes before it appends them."),
    _at_start("group.coordinator.rebalance.protocols", LIST, "classic,consumer,streams", list_of("consumer", "classic", "share", "streams"), NEXT_PROTOCOL, "Which group protocols are supported."),
    _at_start("group.coordinator.threads", INT, "4", at_least(1), NO_THREADS, "Threads of the group coordinator."),
    _setting("group.initial.rebalance.delay.ms", INT, "3000", at_least(0), "groups.initial_rebalance_delay_ms", "How long the first rebalance of an empty group waits for more members."),
    _setting("group.max.session.timeout.ms", INT, "1800000", at_least(1), "groups.max_session_timeout_ms", "Longest session timeout that a member can request."),
    _setting("group.max.size", INT, "10000", at_least(1), "groups.group_members_max", "Largest number of members of a group."),
    _setting("group.min.session.timeout.ms", INT, "6000", at_least(1), "groups.min_session_timeout_ms", "Shortest session timeout that a member can request."),
    _at_start("group.share.assignors", LIST, "simple", ANY, NO_SHARE_GROUPS, "Assignors of share groups."),
    _at_start("group.share.delivery.count.limit", INT, "5", between(2, 10), NO_SHARE_GROUPS, "How often a record is delivered before it is given up."),
    _at_start("group.share.heartbeat.interval.ms", INT, "5000", at_least(1), NO_SHARE_GROUPS, "How often members of share groups send a heartbeat."),
    _at_start("group.share.max.heartbeat.interval.ms", INT, "15000", at_least(1), NO_SHARE_GROUPS, "Longest heartbeat interval that a share group can set."),
    _at_start("group.share.max.record.lock.duration.ms", INT, "60000", between(30000, 3600000), NO_SHARE_GROUPS, "Longest record lock that a share group can set."),
    _at_start("group.share.max.session.timeout.ms", INT, "60000", at_least(1), NO_SHARE_GROUPS, "Longest session timeout that a share group can set."),
    _at_start("group.share.max.share.sessions", INT, "2000", at_least(1), NO_SHARE_GROUPS, "Largest number of share sessions."),
    _at_start("group.share.max.size", INT, "200", between(1, 1000), NO_SHARE_GROUPS, "Largest number of members of a share group."),
    _at_start("group.share.min.heartbeat.interval.ms", INT, "5000", at_least(1), NO_SHARE_GROUPS, "Shortest heartbeat interval that a share group can set."),
    _at_start("group.share.min.record.lock.duration.ms", INT, "15000", between(1000, 30000), NO_SHARE_GROUPS, "Shortest record lock that a share group can set."),
    _at_start("group.share.min.session.timeout.ms", INT, "45000", at_least(1), NO_SHARE_GROUPS, "Shortest session timeout that a share group can set."),
    _at_start("group.share.partition.max.record.locks", INT, "2000", between(100, 10000), NO_SHARE_GROUPS, "Largest number of locked records of a partition."),
    _at_start("group.share.record.lock.duration.ms", INT, "30000", between(1000, 3600000), NO_SHARE_GROUPS, "How long a record stays locked for the member it was delivered to."),
    _at_start("group.share.session.timeout.ms", INT, "45000", at_least(1), NO_SHARE_GROUPS, "How long a member of a share group may be silent before it is removed."),
    _at_start("group.streams.heartbeat.interval.ms", INT, "5000", at_least(1), NO_STREAMS_GROUPS, "How often members of streams groups send a heartbeat."),
    _at_start("group.streams.initial.rebalance.delay.ms", INT, "3000", at_least(0), NO_STREAMS_GROUPS, "How long the first rebalance of a streams group waits for more members."),
    _at_start("group.streams.max.heartbeat.interval.ms", INT, "15000", at_least(1), NO_STREAMS_GROUPS, "Longest heartbeat interval that a streams group can set."),
    _at_start("group.streams.max.session.timeout.ms", INT, "60000", at_least(1), NO_STREAMS_GROUPS, "Longest session timeout that a streams group can set."),
    _at_start("group.streams.max.size", INT, NO_BOUND, at_least(1), NO_STREAMS_GROUPS, "Largest number of members of a streams group."),
    _at_start("group.streams.max.standby.replicas", INT, "2", at_least(0), NO_STREAMS_GROUPS, "Largest number of standby replicas that a streams group can set."),
    _at_start("group.streams.min.heartbeat.interval.ms", INT, "5000", at_least(1), NO_STREAMS_GROUPS, "Shortest heartbeat interval that a streams group can set."),
    _at_start("group.streams.min.session.timeout.ms", INT, "45000", at_least(1), NO_STREAMS_GROUPS, "Shortest session timeout that a streams group can set."),
    _at_start("group.streams.num.standby.replicas", INT, "0", at_least(0), NO_STREAMS_GROUPS, "Standby replicas of each task of a streams group."),
    _at_start("group.streams.session.timeout.ms", INT, "45000", at_least(1), NO_STREAMS_GROUPS, "How long a member of a streams group may be silent before it is removed."),
    _at_start("initial.broker.registration.timeout.ms", INT, "60000", ANY, NO_CONTROLLER, "How long a broker tries to register when it starts."),
    _at_start("inter.broker.listener.name", STRING, None, ANY, NO_BROKER_TRAFFIC, "The listener that brokers use to connect to one another."),
    _at_start("kafka.metrics.polling.interval.secs", INT, "10", at_least(1), OWN_METRICS, "How often metrics are polled for the reporters."),
    _at_start("kafka.metrics.reporters", LIST, "", ANY, OWN_METRICS, "Classes that report Yammer metrics."),
    _at_start("leader.imbalance.check.interval.seconds", LONG, "300", at_least(1), NO_REPLICAS, "How often the distribution of leaders is checked."),
    _dynamic("leader.replication.throttled.rate", LONG, NEVER, at_least(0), NO_REPLICAS, "Bytes per second that leaders send to throttled followers."),
    _dynamic("listener.security.protocol.map", STRING, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", ANY, NO_SECURITY, "The security protocol of each listener."),
    _at_start("listeners", LIST, "PLAINTEXT://:9092", ANY, SHOWN, "The addresses that the node listens on; set with --listen."),
    _dynamic("log.cleaner.backoff.ms", LONG, "15000", at_least(0), NOT_COMPACTED, "How long compaction sleeps when it has nothing to do."),
    _dynamic("log.cleaner.dedupe.buffer.size", LONG, "134217728", ANY, NOT_COMPACTED, "Memory of compaction for its table of keys."),
    _dynamic("log.cleaner.delete.retention.ms", LONG, "86400000", at_least(0), NOT_COMPACTED, "How long compaction keeps tombstones."),
    _at_start("log.cleaner.enable", BOOLEAN, "true", TRUE_OR_FALSE, NOT_COMPACTED, "Whether compaction runs."),
    _dynamic("log.cleaner.io.buffer.load.factor", DOUBLE, "0.9", ANY, NOT_COMPACTED, "Load factor of compaction's table of keys."),
    _dynamic("log.cleaner.io.buffer.size", INT, "524288", at_least(0), NOT_COMPACTED, "Memory of compaction for reading and writing."),
    _dynamic("log.cleaner.io.max.bytes.per.second", DOUBLE, "1.7976931348623157E308", ANY, NOT_COMPACTED, "Bytes per second that compaction may read and write."),
    _dynamic("log.cleaner.max.compaction.lag.ms", LONG, NEVER, at_least(1), NOT_COMPACTED, "How long a record may stay uncompacted."),
    _dynamic("log.cleaner.min.cleanable.ratio", DOUBLE, "0.5", between(0, 1), NOT_COMPACTED, "Share of a partition that must be uncompacted before compaction starts."),
    _dynamic("log.cleaner.min.compaction.lag.ms", LONG, "0", at_least(0), NOT_COMPACTED, "How long a record is protected from compaction."),
    _dynamic("log.cleaner.threads", INT, "1", at_least(0), NOT_COMPACTED, "Threads of compaction."),
    _dynamic("log.cleanup.policy", LIST, "delete", list_of("compact", "delete"), KEYS_ONLY, "Whether old records are deleted, compacted by key, or both."),
    _at_start("log.dir", LIST, "/tmp/kafka-logs", ANY, SHOWN, "Where the broker stores its data; set with --store."),
    _at_start("log.dir.failure.timeout.ms", LONG, "30000", at_least(1), NO_SEGMENTS, "How long a broker may run with a failed directory."),
    _at_start("log.dirs", LIST, None, ANY, SHOWN, "Where the broker stores its data; set with --store."),
    _dynamic("log.flush.interval.messages", LONG, NEVER, at_least(1), DURABLE, "Number of records after which a partition is synced to disk."),
    _dynamic("log.flush.interval.ms", LONG, None, at_least(0), DURABLE, "Time after which a partition is synced to disk."),
    _at_start("log.flush.offset.checkpoint.interval.ms", INT, "60000", at_least(0), DURABLE, "How often the offset up to which everything is on disk is stored."),
    _at_start("log.flush.scheduler.interval.ms", LONG, NEVER, ANY, DURABLE, "How often partitions are checked for data to sync to disk."),
    _at_start("log.flush.start.offset.checkpoint.interval.ms", INT, "60000", at_least(0), DURABLE, "How often the log start offsets are stored."),
    _dynamic("log.index.interval.bytes", INT, "4096", at_least(0), NO_SEGMENTS, "Bytes between two entries of an offset index."),
    _dynamic("log.index.size.max.bytes", INT, "10485760", at_least(4), NO_SEGMENTS, "Size of an offset index."),
    _dynamic("log.local.retention.bytes", LONG, "-2", at_least(-2), NO_TIERS, "Bytes of a tiered partition that stay on local disk."),
    _dynamic("log.local.retention.ms", LONG, "-2", at_least(-2), NO_TIERS, "How long records of a tiered partition stay on local disk."),
    _setting("log.message.timestamp.after.max.ms", LONG, "3600000", at_least(0), "broker.message_timestamp_after_max_ms", "How far a record's timestamp may be ahead of the broker's clock."),
    _setting("log.message.timestamp.before.max.ms", LONG, NEVER, at_least(0), "broker.message_timestamp_before_max_ms", "How far a record's timestamp may be behind the broker's clock."),
    _setting("log.message.timestamp.type", STRING, "CreateTime", one_of("CreateTime", "LogAppendTime"), "broker.message_timestamp_type", "Whether a record's timestamp is set by its producer or by the broker."),
    _dynamic("log.preallocate", BOOLEAN, "false", TRUE_OR_FALSE, NO_SEGMENTS, "Whether a segment file is created with its full size."),
    _dynamic("log.retention.bytes", LONG, "-1", ANY, NOT_DELETED, "Bytes that a partition keeps before its oldest records are deleted; -1: no limit."),
    _at_start("log.retention.check.interval.ms", LONG, "300000", at_least(1), NOT_DELETED, "How often the broker looks for records to delete."),
    _at_start("log.retention.hours", INT, "168", at_least(-1), NOT_DELETED, "How long records are kept, where neither log.retention.ms nor log.retention.minutes is set."),
    _at_start("log.retention.minutes", INT, None, at_least(-1), NOT_DELETED, "How long records are kept, where log.retention.ms is not set."),
    _dynamic("log.retention.ms", LONG, None, at_least(-1), NOT_DELETED, "How long records are kept; -1: no limit."),
    _at_start("log.roll.hours", INT, "168", at_least(1), NO_SEGMENTS, "Time after which a segment is closed, where log.roll.ms is not set."),
    _at_start("log.roll.jitter.hours", INT, "0", at_least(0), NO_SEGMENTS, "How much earlier, at random, a segment is closed, where log.roll.jitter.ms is not set."),
    _dynamic("log.roll.jitter.ms", LONG, None, at_least(0), NO_SEGMENTS, "How much earlier, at random, a segment is closed."),
    _dynamic("log.roll.ms", LONG, None, at_least(1), NO_SEGMENTS, "Time after which a segment is closed."),
    _dynamic("log.segment.bytes", INT, "1073741824", at_least(1048576), NO_SEGMENTS, "Size at which a segment is closed."),
    _dynamic("log.segment.delete.delay.ms", LONG, "60000", at_least(0), NO_SEGMENTS, "How long a deleted segment stays on disk."),
    _dynamic("max.connection.creation.rate", INT, NO_BOUND, at_least(0), NO_RATES, "New connections per second."),
    _setting("max.connections", INT, "10000", at_least(1), "server.connections_max", "Largest number of connections of a node."),
    _setting("max.connections.per.ip", INT, "0", at_least(0), "server.connections_per_address_max", "Largest number of connections from one address; 0: no limit of its own."),
    _dynamic("max.connections.per.ip.overrides", STRING, "", ANY, NO_RATES, "Addresses with a limit of their own."),
    _at_start("max.incremental.fetch.session.cache.slots", INT, "1000", at_least(0), NO_SESSIONS, "Largest number of fetch sessions."),
    _at_start("max.request.partition.size.limit", INT, "2000", at_least(1), NO_PAGES, "Largest number of partitions in one page of a description of topics."),
    _setting("message.max.bytes", INT, "1048588", at_least(64), "broker.message_bytes_max", "Largest record batch that is accepted, as compressed by the producer."),
    _at_start("metadata.log.dir", STRING, None, ANY, NO_CONTROLLER, "Where the controller stores its log."),
    _dynamic("metric.reporters", LIST, "org.apache.kafka.common.metrics.JmxReporter", ANY, NO_JVM, "Classes that report metrics."),
    _at_start("metrics.num.samples", INT, "2", at_least(1), OWN_METRICS, "Samples that a metric is computed from."),
    _at_start("metrics.recording.level", STRING, "INFO", ANY, OWN_METRICS, "Level from which metrics are recorded."),
    _at_start("metrics.sample.window.ms", LONG, "30000", at_least(1), OWN_METRICS, "Length of a sample of a metric."),
    _dynamic("min.insync.replicas", INT, "1", at_least(1), NO_REPLICAS, "Replicas that must have a record before a produce with acks=all is acknowledged."),
    _setting_at_start("node.id", INT, None, at_least(0), "ledger.node_id", "The node's id; set when the node starts, or assigned by the cluster."),
    _dynamic("num.io.threads", INT, "8", at_least(1), NO_THREADS, "Threads that handle requests."),
    _dynamic("num.network.threads", INT, "3", at_least(1), NO_THREADS, "Threads that serve connections."),
    _setting("num.partitions", INT, "1", at_least(1), "broker.partitions_default", "Partitions of new topics that do not specify a number."),
    _dynamic("num.recovery.threads.per.data.dir", INT, "2", at_least(1), NO_THREADS, "Threads that recover a data directory at the start."),
    _at_start("num.replica.alter.log.dirs.threads", INT, None, ANY, NO_REPLICAS, "Threads that move replicas between directories."),
    _dynamic("num.replica.fetchers", INT, "1", at_least(1), NO_REPLICAS, "Threads that replicate from a leader."),
    _setting("offset.metadata.max.bytes", INT, "4096", at_least(0), "groups.offset_metadata_characters_max", "Largest size of the metadata of a committed offset."),
    _at_start("offsets.commit.timeout.ms", INT, "5000", at_least(1), NO_LEDGER_TOPIC, "How long an offset commit waits for its replicas."),
    _at_start("offsets.load.buffer.size", INT, "5242880", at_least(1), NO_LEDGER_TOPIC, "Bytes read at once when a coordinator loads offsets."),
    _at_start("offsets.retention.check.interval.ms", LONG, "600000", at_least(1), NOT_EXPIRED, "How often the broker looks for offsets to delete."),
    _at_start("offsets.retention.minutes", INT, "10080", at_least(1), NOT_EXPIRED, "How long the offsets of a group without members are kept."),
    _at_start("offsets.topic.compression.codec", INT, "0", ANY, NO_LEDGER_TOPIC, "Compression codec of the offsets topic."),
    _at_start("offsets.topic.num.partitions", INT, "50", at_least(1), NO_LEDGER_TOPIC, "Partitions of the offsets topic."),
    _at_start("offsets.topic.replication.factor", SHORT, "3", at_least(1), NO_LEDGER_TOPIC, "Replication factor of the offsets topic."),
    _at_start("offsets.topic.segment.bytes", INT, "104857600", at_least(1), NO_LEDGER_TOPIC, "Segment size of the offsets topic."),
    _at_start("process.roles", LIST, None, list_of("broker", "controller"), NO_CONTROLLER, "Whether the process is a broker, a controller or both."),
    _dynamic("producer.id.expiration.ms", INT, "86400000", at_least(1), OWN_IDS, "How long the sequence numbers of an idempotent producer are kept."),
    _at_start("producer.purgatory.purge.interval.requests", INT, "1000", ANY, OWN_QUEUES, "After how many requests finished produces are purged from the purgatory."),
    _at_start("queued.max.request.bytes", LONG, "-1", ANY, OWN_QUEUES, "Largest size of queued requests."),
    _at_start("queued.max.requests", INT, "500", at_least(1), OWN_QUEUES, "Largest number of queued requests."),
    _at_start("quota.window.num", INT, "11", at_least(1), NO_QUOTAS, "Samples that client quotas are measured with."),
    _at_start("quota.window.size.seconds", INT, "1", at_least(1), NO_QUOTAS, "Length of a sample of client quotas."),
    _dynamic("replica.alter.log.dirs.io.max.bytes.per.second", LONG, NEVER, at_least(0), NO_REPLICAS, "Bytes per second at which a replica moves between directories."),
    _at_start("replica.fetch.backoff.ms", INT, "1000", at_least(0), NO_REPLICAS, "How long a follower waits after a failed fetch."),
    _at_start("replica.fetch.max.bytes", INT, "1048576", at_least(0), NO_REPLICAS, "Bytes that a follower fetches of one partition at once."),
    _at_start("replica.fetch.min.bytes", INT, "1", ANY, NO_REPLICAS, "Bytes that a follower's fetch waits for."),
    _at_start("replica.fetch.response.max.bytes", INT, "10485760", at_least(0), NO_REPLICAS, "Bytes that a follower fetches at once."),
    _at_start("replica.fetch.wait.max.ms", INT, "500", ANY, NO_REPLICAS, "Longest wait of a follower's fetch."),
    _at_start("replica.high.watermark.checkpoint.interval.ms", LONG, "5000", ANY, NO_REPLICAS, "How often the high watermark is stored."),
    _at_start("replica.lag.time.max.ms", LONG, "30000", ANY, NO_REPLICAS, "How long a follower may lag before it is out of sync."),
    _at_start("replica.selector.class", STRING, None, ANY, NO_RACKS, "The class that selects the replica a consumer reads from."),
    _at_start("replica.socket.receive.buffer.bytes", INT, "65536", ANY, NO_REPLICAS, "Receive buffer of a follower's connection."),
    _at_start("replica.socket.timeout.ms", INT, "30000", ANY, NO_REPLICAS, "How long a follower waits for a response."),
    _at_start("replication.quota.window.num", INT, "11", at_least(1), NO_REPLICAS, "Samples that the replication quota is measured with."),
    _at_start("replication.quota.window.size.seconds", INT, "1", at_least(1), NO_REPLICAS, "Length of a sample of the replication quota."),
    _at_start("request.timeout.ms", INT, "30000", ANY, NO_BROKER_TRAFFIC, "How long a broker waits for a response of another broker."),
    _dynamic("sasl.enabled.mechanisms", LIST, "GSSAPI", ANY, NO_SECURITY, "SASL mechanisms that clients can use."),
    _dynamic("sasl.kerberos.min.time.before.relogin", LONG, "60000", ANY, NO_SECURITY, "Shortest time between two renewals of a Kerberos ticket."),
    _dynamic("sasl.kerberos.service.name", STRING, None, ANY, NO_SECURITY, "The Kerberos principal that brokers run as."),
    _dynamic("sasl.kerberos.ticket.renew.jitter", DOUBLE, "0.05", ANY, NO_SECURITY, "Random share added to the renewal time of a Kerberos ticket."),
    _dynamic("sasl.kerberos.ticket.renew.window.factor", DOUBLE, "0.8", ANY, NO_SECURITY, "Share of its lifetime after which a Kerberos ticket is renewed."),
    _dynamic("sasl.login.refresh.buffer.seconds", SHORT, "300", ANY, NO_SECURITY, "How long before its expiry a login is renewed."),
    _dynamic("sasl.login.refresh.min.period.seconds", SHORT, "60", ANY, NO_SECURITY, "Shortest time between two renewals of a login."),
    _dynamic("sasl.login.refresh.window.factor", DOUBLE, "0.8", ANY, NO_SECURITY, "Share of its lifetime after which a login is renewed."),
    _dynamic("sasl.login.refresh.window.jitter", DOUBLE, "0.05", ANY, NO_SECURITY, "Random share added to the renewal time of a login."),
    _at_start("security.inter.broker.protocol", STRING, "PLAINTEXT", one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), NO_BROKER_TRAFFIC, "The security protocol that brokers use to connect to one another."),
    _at_start("share.fetch.purgatory.purge.interval.requests", INT, "1000", ANY, NO_SHARE_GROUPS, "After how many requests finished share fetches are purged from the purgatory."),
    _at_start("socket.connection.setup.timeout.max.ms", LONG, "30000", ANY, NO_BROKER_TRAFFIC, "Longest wait for a connection to another broker."),
    _at_start("socket.connection.setup.timeout.ms", LONG, "10000", ANY, NO_BROKER_TRAFFIC, "Wait for a connection to another broker."),
    _at_start("socket.listen.backlog.size", INT, "50", at_least(1), OWN_BACKLOG, "Largest number of connections waiting to be accepted."),
    _at_start("socket.receive.buffer.bytes", INT, "102400", ANY, OWN_SOCKETS, "Receive buffer of a connection."),
    _setting_at_start("socket.request.max.bytes", INT, "104857600", at_least(1_024), "server.frame_bytes_max", "Largest request that is accepted."),
    _at_start("socket.send.buffer.bytes", INT, "102400", ANY, OWN_SOCKETS, "Send buffer of a connection."),
    _at_start("telemetry.max.bytes", INT, "1048576", at_least(1), NO_TELEMETRY, "Largest size of the metrics that a client sends at once."),
    _at_start("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", at_least(1), NO_TRANSACTIONS, "How often transactions past their timeout are aborted."),
    _at_start("transaction.max.timeout.ms", INT, "900000", at_least(1), NO_TRANSACTIONS, "Longest timeout that a transaction can request."),
    _dynamic("transaction.partition.verification.enable", BOOLEAN, "true", TRUE_OR_FALSE, NO_TRANSACTIONS, "Whether the broker verifies that a partition was added to the transaction."),
    _at_start("transaction.remove.expired.transaction.cleanup.interval.ms", INT, "3600000", at_least(1), NO_TRANSACTIONS, "How often expired transactional ids are removed."),
    _at_start("transaction.state.log.load.buffer.size", INT, "5242880", at_least(1), NO_TRANSACTIONS, "Bytes read at once when a coordinator loads transactions."),
    _at_start("transaction.state.log.min.isr", INT, "2", at_least(1), NO_TRANSACTIONS, "Replicas of the transaction topic that must be in sync."),
    _at_start("transaction.state.log.num.partitions", INT, "50", at_least(1), NO_TRANSACTIONS, "Partitions of the transaction topic."),
    _at_start("transaction.state.log.replication.factor", SHORT, "3", at_least(1), NO_TRANSACTIONS, "Replication factor of the transaction topic."),
    _at_start("transaction.state.log.segment.bytes", INT, "104857600", at_least(1), NO_TRANSACTIONS, "Segment size of the transaction topic."),
    _at_start("transaction.two.phase.commit.enable", BOOLEAN, "false", TRUE_OR_FALSE, NO_TRANSACTIONS, "Whether transactions can take part in two-phase commit."),
    _at_start("transactional.id.expiration.ms", INT, "604800000", at_least(1), NO_TRANSACTIONS, "How long an unused transactional id is kept."),
    _dynamic("unclean.leader.election.enable", BOOLEAN, "false", TRUE_OR_FALSE, NO_REPLICAS, "Whether a replica that is out of sync can become leader, at the price of lost records."),
)}  # fmt: skip
"""By name, in alphabetical order."""

BY_SETTING: dict[str, Entry] = {entry.setting: entry for entry in BROKER_ENTRIES.values() if entry.setting}
"""The entries that set a setting of Higgins, by `room.field`."""

assert list(BROKER_ENTRIES) == sorted(BROKER_ENTRIES)
