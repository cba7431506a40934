# ruff: noqa: E501 - a table is read by its lines, one an entry.
"""The config entries of brokers that clients, tools and ready-made deployments read or set. Nothing is resolved here.

Not among them: keystores, passwords and what else belongs to encryption, tiers and controllers, none of which is here.
"""

from higgins.kafka.configs.entry import (
    ANY,
    ENFORCED,
    TRUTH,
    ConfigType,
    Domain,
    Entry,
    Table,
    at_least,
    one_of,
    some_of,
    within,
    within_or,
    without,
)
from higgins.kafka.configs.topic_entries import (
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

SHOWN = "enforced, and shown as it is; given at the start by other means"
NO_THREADS = without("one loop does this work; a second core is a second node")
NO_CONTROLLER = without("there is no controller; the ledger in the store is the cluster")
NO_RACKS = without("any node serves any partition; racks are not looked at yet")
NO_SECURITY = without("this version has no authentication or encryption")
NO_TRANSACTIONS = without("transactions are not served yet")
NO_LEDGER_TOPIC = without("groups and offsets are facts in the ledger, not records of a topic")
NOT_EXPIRED = without("committed offsets are kept until they are deleted")
NEXT_PROTOCOL = without("the new consumer group protocol is not served yet")
NO_SHARE_GROUPS = without("share groups are not served yet")
NO_STREAMS_GROUPS = without("streams groups are not served yet")
NO_BROKER_TRAFFIC = without("nodes meet in the store and have no connections among themselves")
NO_SESSIONS = without("fetch sessions are not served yet; every fetch is whole")
NO_RATES = without("connections are bounded in number, not in rate or by a list of addresses")
NO_PAGES = without("descriptions of topics have bounds of their own")
NO_JVM = without("no Java class can be loaded here")
OWN_QUEUES = without("requests are bounded for each connection, by number and by bytes")
OWN_SOCKETS = without("the system sizes the buffers of connections")
OWN_BACKLOG = without("it is set as server.backlog")
NO_TELEMETRY = without("metrics that clients push are not collected")
OWN_IDS = without("how long a producer is remembered is the same for all")
NO_QUOTAS = without("quotas are not served yet")
OWN_METRICS = without("metrics are told to Prometheus, as --metrics says")
ALWAYS_DELETABLE = without("topics may always be deleted")


def _live(name: str, kind: ConfigType, default: str | None, domain: Domain, effect: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, effect, documentation)


def _start(name: str, kind: ConfigType, default: str | None, domain: Domain, effect: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, effect, documentation, is_fixed=True)


def _setting(name: str, kind: ConfigType, default: str, domain: Domain, sets: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, ENFORCED, documentation, sets=sets)


def _fixed(name: str, kind: ConfigType, default: str | None, domain: Domain, sets: str, documentation: str) -> Entry:
    return Entry(name, kind, default, domain, ENFORCED, documentation, sets=sets, is_fixed=True)


BROKER_ENTRIES: Table = {entry.name: entry for entry in (
    _start("add.partitions.to.txn.retry.backoff.max.ms", INT, "100", at_least(0), NO_TRANSACTIONS, "How long to wait at most before a transaction's partitions are offered again."),
    _start("add.partitions.to.txn.retry.backoff.ms", INT, "20", at_least(1), NO_TRANSACTIONS, "How long to wait before a transaction's partitions are offered again."),
    _start("advertised.listeners", LIST, None, ANY, SHOWN, "The addresses that clients are told; set with --advertise."),
    _setting("auto.create.topics.enable", BOOLEAN, "true", TRUTH, "broker.auto_create_topics", "Whether a topic that a client asks for is made where it does not exist."),
    _start("auto.leader.rebalance.enable", BOOLEAN, "true", TRUTH, NO_REPLICAS, "Whether leadership moves back to the first replica by itself."),
    _live("background.threads", INT, "10", at_least(1), NO_THREADS, "How many threads do what may wait."),
    _start("broker.heartbeat.interval.ms", INT, "2000", ANY, NO_CONTROLLER, "How often a broker tells the controller that it lives."),
    _fixed("broker.id", INT, "-1", ANY, "ledger.node_id", "The node's id; set as node.id, or given out by the cluster."),
    _start("broker.rack", STRING, None, ANY, NO_RACKS, "The rack a broker stands in."),
    _start("broker.session.timeout.ms", INT, "9000", ANY, NO_CONTROLLER, "After what silence the controller takes a broker for gone."),
    _live("compression.gzip.level", INT, "-1", within_or(-1, 1, 9), STORED_AS_SENT, "The level of gzip for topics that do not say."),
    _live("compression.lz4.level", INT, "9", within(1, 17), STORED_AS_SENT, "The level of lz4 for topics that do not say."),
    _live("compression.type", STRING, "producer", CODECS, STORED_AS_SENT, "The codec of topics that do not say."),
    _live("compression.zstd.level", INT, "3", within(-131072, 22), STORED_AS_SENT, "The level of zstd for topics that do not say."),
    _start("connection.failed.authentication.delay.ms", INT, "100", at_least(0), NO_SECURITY, "How long a connection whose authentication failed stays open."),
    _fixed("connections.max.idle.ms", LONG, "600000", at_least(1), "server.connection_idle_ms", "After what silence a connection is closed."),
    _start("connections.max.reauth.ms", LONG, "0", ANY, NO_SECURITY, "How long a connection may last before it must authenticate again; 0: for ever."),
    _start("controlled.shutdown.enable", BOOLEAN, "true", TRUTH, NO_REPLICAS, "Whether leaders move away before a broker stops."),
    _start("controller.quota.window.num", INT, "11", at_least(1), NO_QUOTAS, "How many samples the quota of changes to topics is measured by."),
    _start("controller.quota.window.size.seconds", INT, "1", at_least(1), NO_QUOTAS, "How long each sample of the quota of changes to topics is."),
    _setting("default.replication.factor", INT, "1", at_least(1), "broker.replication_factor_default", "The replication factor of topics that do not say; echoed, since durability is the store's."),
    _start("delete.records.purgatory.purge.interval.requests", INT, "1", ANY, OWN_QUEUES, "After how many requests waiting deletions are cleared up."),
    _start("delete.topic.enable", BOOLEAN, "true", TRUTH, ALWAYS_DELETABLE, "Whether topics may be deleted at all."),
    _setting("fetch.max.bytes", INT, "57671680", at_least(1024), "broker.fetch_bytes_max", "The most one answer to a fetch holds."),
    _start("fetch.purgatory.purge.interval.requests", INT, "1000", ANY, OWN_QUEUES, "After how many requests waiting fetches are cleared up."),
    _live("follower.replication.throttled.rate", LONG, NEVER, at_least(0), NO_REPLICAS, "How many bytes a second throttled followers fetch."),
    _start("group.consumer.assignors", LIST, "uniform,range", ANY, NEXT_PROTOCOL, "Assignors of the new consumer group protocol."),
    _start("group.consumer.heartbeat.interval.ms", INT, "5000", at_least(1), NEXT_PROTOCOL, "How often members of new consumer groups tell that they live."),
    _start("group.consumer.max.heartbeat.interval.ms", INT, "15000", at_least(1), NEXT_PROTOCOL, "The longest heartbeat interval that a group may be given."),
    _start("group.consumer.max.session.timeout.ms", INT, "60000", at_least(1), NEXT_PROTOCOL, "The longest session timeout that a group may be given."),
    _start("group.consumer.max.size", INT, NO_BOUND, at_least(1), NEXT_PROTOCOL, "How many members a new consumer group may have."),
    _start("group.consumer.migration.policy", STRING, "bidirectional", one_of("disabled", "downgrade", "upgrade", "bidirectional"), NEXT_PROTOCOL, "Whether groups may move between the old and the new protocol."),
    _start("group.consumer.min.heartbeat.interval.ms", INT, "5000", at_least(1), NEXT_PROTOCOL, "The shortest heartbeat interval that a group may be given."),
    _start("group.consumer.min.session.timeout.ms", INT, "45000", at_least(1), NEXT_PROTOCOL, "The shortest session timeout that a group may be given."),
    _start("group.consumer.session.timeout.ms", INT, "45000", at_least(1), NEXT_PROTOCOL, "After what silence a member of a new consumer group is removed."),
    _start("group.coordinator.append.linger.ms", INT, "-1", at_least(-1), NO_LEDGER_TOPIC, "How long a coordinator gathers writes."),
    _start("group.coordinator.rebalance.protocols", LIST, "classic,consumer,streams", some_of("consumer", "classic", "share", "streams"), NEXT_PROTOCOL, "Which group protocols are served."),
    _start("group.coordinator.threads", INT, "4", at_least(1), NO_THREADS, "How many threads coordinate groups."),
    _setting("group.initial.rebalance.delay.ms", INT, "3000", at_least(0), "groups.initial_rebalance_delay_ms", "How long the first rebalance of an empty group waits for company."),
    _setting("group.max.session.timeout.ms", INT, "1800000", at_least(1), "groups.max_session_timeout_ms", "The longest session timeout a member may ask for."),
    _setting("group.max.size", INT, "10000", at_least(1), "groups.group_members_max", "How many members a group may have."),
    _setting("group.min.session.timeout.ms", INT, "6000", at_least(1), "groups.min_session_timeout_ms", "The shortest session timeout a member may ask for."),
    _start("group.share.assignors", LIST, "simple", ANY, NO_SHARE_GROUPS, "Assignors of share groups."),
    _start("group.share.delivery.count.limit", INT, "5", within(2, 10), NO_SHARE_GROUPS, "How often a record is handed out before it is given up."),
    _start("group.share.heartbeat.interval.ms", INT, "5000", at_least(1), NO_SHARE_GROUPS, "How often members of share groups tell that they live."),
    _start("group.share.max.heartbeat.interval.ms", INT, "15000", at_least(1), NO_SHARE_GROUPS, "The longest heartbeat interval a share group may be given."),
    _start("group.share.max.record.lock.duration.ms", INT, "60000", within(30000, 3600000), NO_SHARE_GROUPS, "The longest lock of a record that a share group may be given."),
    _start("group.share.max.session.timeout.ms", INT, "60000", at_least(1), NO_SHARE_GROUPS, "The longest session timeout a share group may be given."),
    _start("group.share.max.share.sessions", INT, "2000", at_least(1), NO_SHARE_GROUPS, "How many share sessions are kept."),
    _start("group.share.max.size", INT, "200", within(1, 1000), NO_SHARE_GROUPS, "How many members a share group may have."),
    _start("group.share.min.heartbeat.interval.ms", INT, "5000", at_least(1), NO_SHARE_GROUPS, "The shortest heartbeat interval a share group may be given."),
    _start("group.share.min.record.lock.duration.ms", INT, "15000", within(1000, 30000), NO_SHARE_GROUPS, "The shortest lock of a record that a share group may be given."),
    _start("group.share.min.session.timeout.ms", INT, "45000", at_least(1), NO_SHARE_GROUPS, "The shortest session timeout a share group may be given."),
    _start("group.share.partition.max.record.locks", INT, "2000", within(100, 10000), NO_SHARE_GROUPS, "How many records of a partition may be locked at once."),
    _start("group.share.record.lock.duration.ms", INT, "30000", within(1000, 3600000), NO_SHARE_GROUPS, "How long a record stays locked for the member that has it."),
    _start("group.share.session.timeout.ms", INT, "45000", at_least(1), NO_SHARE_GROUPS, "After what silence a member of a share group is removed."),
    _start("group.streams.heartbeat.interval.ms", INT, "5000", at_least(1), NO_STREAMS_GROUPS, "How often members of streams groups tell that they live."),
    _start("group.streams.initial.rebalance.delay.ms", INT, "3000", at_least(0), NO_STREAMS_GROUPS, "How long the first rebalance of a streams group waits for company."),
    _start("group.streams.max.heartbeat.interval.ms", INT, "15000", at_least(1), NO_STREAMS_GROUPS, "The longest heartbeat interval a streams group may be given."),
    _start("group.streams.max.session.timeout.ms", INT, "60000", at_least(1), NO_STREAMS_GROUPS, "The longest session timeout a streams group may be given."),
    _start("group.streams.max.size", INT, NO_BOUND, at_least(1), NO_STREAMS_GROUPS, "How many members a streams group may have."),
    _start("group.streams.max.standby.replicas", INT, "2", at_least(0), NO_STREAMS_GROUPS, "How many standby copies a streams group may be given."),
    _start("group.streams.min.heartbeat.interval.ms", INT, "5000", at_least(1), NO_STREAMS_GROUPS, "The shortest heartbeat interval a streams group may be given."),
    _start("group.streams.min.session.timeout.ms", INT, "45000", at_least(1), NO_STREAMS_GROUPS, "The shortest session timeout a streams group may be given."),
    _start("group.streams.num.standby.replicas", INT, "0", at_least(0), NO_STREAMS_GROUPS, "How many standby copies each task of a streams group has."),
    _start("group.streams.session.timeout.ms", INT, "45000", at_least(1), NO_STREAMS_GROUPS, "After what silence a member of a streams group is removed."),
    _start("initial.broker.registration.timeout.ms", INT, "60000", ANY, NO_CONTROLLER, "How long a broker tries to register when it starts."),
    _start("inter.broker.listener.name", STRING, None, ANY, NO_BROKER_TRAFFIC, "The listener that brokers use among themselves."),
    _start("kafka.metrics.polling.interval.secs", INT, "10", at_least(1), OWN_METRICS, "How often metrics are polled for reporters."),
    _start("kafka.metrics.reporters", LIST, "", ANY, OWN_METRICS, "Classes that report metrics of old."),
    _start("leader.imbalance.check.interval.seconds", LONG, "300", at_least(1), NO_REPLICAS, "How often the balance of leaders is looked at."),
    _live("leader.replication.throttled.rate", LONG, NEVER, at_least(0), NO_REPLICAS, "How many bytes a second leaders send to throttled followers."),
    _live("listener.security.protocol.map", STRING, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", ANY, NO_SECURITY, "Which security protocol each listener speaks."),
    _start("listeners", LIST, "PLAINTEXT://:9092", ANY, SHOWN, "The addresses that are listened on; set with --listen."),
    _live("log.cleaner.backoff.ms", LONG, "15000", at_least(0), NOT_COMPACTED, "How long compaction rests when it finds nothing."),
    _live("log.cleaner.dedupe.buffer.size", LONG, "134217728", ANY, NOT_COMPACTED, "The memory compaction has for keys."),
    _live("log.cleaner.delete.retention.ms", LONG, "86400000", at_least(0), NOT_COMPACTED, "How long tombstones stay in topics that do not say."),
    _start("log.cleaner.enable", BOOLEAN, "true", TRUTH, NOT_COMPACTED, "Whether compaction runs at all."),
    _live("log.cleaner.io.buffer.load.factor", DOUBLE, "0.9", ANY, NOT_COMPACTED, "How full compaction's table of keys may get."),
    _live("log.cleaner.io.buffer.size", INT, "524288", at_least(0), NOT_COMPACTED, "The memory compaction has for reading and writing."),
    _live("log.cleaner.io.max.bytes.per.second", DOUBLE, "1.7976931348623157E308", ANY, NOT_COMPACTED, "How fast compaction may read and write."),
    _live("log.cleaner.max.compaction.lag.ms", LONG, NEVER, at_least(1), NOT_COMPACTED, "After how long compaction must have looked at a record, in topics that do not say."),
    _live("log.cleaner.min.cleanable.ratio", DOUBLE, "0.5", within(0, 1), NOT_COMPACTED, "What share must be uncompacted before compaction begins, in topics that do not say."),
    _live("log.cleaner.min.compaction.lag.ms", LONG, "0", at_least(0), NOT_COMPACTED, "How long compaction leaves a record alone, in topics that do not say."),
    _live("log.cleaner.threads", INT, "1", at_least(0), NOT_COMPACTED, "How many threads compact."),
    _live("log.cleanup.policy", LIST, "delete", some_of("compact", "delete"), KEYS_ONLY, "What becomes of old records in topics that do not say."),
    _start("log.dir", LIST, "/tmp/kafka-logs", ANY, SHOWN, "Where the broker keeps its data; set with --store."),
    _start("log.dir.failure.timeout.ms", LONG, "30000", at_least(1), NO_SEGMENTS, "How long a broker with a failed directory may go on."),
    _start("log.dirs", LIST, None, ANY, SHOWN, "Where the broker keeps its data; set with --store."),
    _live("log.flush.interval.messages", LONG, NEVER, at_least(1), DURABLE, "After how many records a partition is forced to disk, in topics that do not say."),
    _live("log.flush.interval.ms", LONG, None, at_least(0), DURABLE, "After how long a partition is forced to disk, in topics that do not say."),
    _start("log.flush.offset.checkpoint.interval.ms", INT, "60000", at_least(0), DURABLE, "How often the point up to which all is on disk is noted."),
    _start("log.flush.scheduler.interval.ms", LONG, NEVER, ANY, DURABLE, "How often is looked whether a partition must be forced to disk."),
    _start("log.flush.start.offset.checkpoint.interval.ms", INT, "60000", at_least(0), DURABLE, "How often the offsets that partitions begin at are noted."),
    _live("log.index.interval.bytes", INT, "4096", at_least(0), NO_SEGMENTS, "How many bytes lie between two entries of an offset index, in topics that do not say."),
    _live("log.index.size.max.bytes", INT, "10485760", at_least(4), NO_SEGMENTS, "The size of an index, in topics that do not say."),
    _live("log.local.retention.bytes", LONG, "-2", at_least(-2), NO_TIERS, "How many bytes of a tiered partition stay local, in topics that do not say."),
    _live("log.local.retention.ms", LONG, "-2", at_least(-2), NO_TIERS, "How long records of a tiered partition stay local, in topics that do not say."),
    _setting("log.message.timestamp.after.max.ms", LONG, "3600000", at_least(0), "broker.message_timestamp_after_max_ms", "How far a timestamp may lie ahead, in topics that do not say."),
    _setting("log.message.timestamp.before.max.ms", LONG, NEVER, at_least(0), "broker.message_timestamp_before_max_ms", "How far a timestamp may lie behind, in topics that do not say."),
    _setting("log.message.timestamp.type", STRING, "CreateTime", one_of("CreateTime", "LogAppendTime"), "broker.message_timestamp_type", "Whose timestamps records bear, in topics that do not say."),
    _live("log.preallocate", BOOLEAN, "false", TRUTH, NO_SEGMENTS, "Whether a segment's file gets its full size at once, in topics that do not say."),
    _live("log.retention.bytes", LONG, "-1", ANY, NOT_DELETED, "How many bytes a partition keeps, in topics that do not say."),
    _start("log.retention.check.interval.ms", LONG, "300000", at_least(1), NOT_DELETED, "How often is looked for records that are too old."),
    _start("log.retention.hours", INT, "168", at_least(-1), NOT_DELETED, "How long records are kept, in topics that do not say and where neither milliseconds nor minutes are given."),
    _start("log.retention.minutes", INT, None, at_least(-1), NOT_DELETED, "How long records are kept, in topics that do not say and where no milliseconds are given."),
    _live("log.retention.ms", LONG, None, at_least(-1), NOT_DELETED, "How long records are kept, in topics that do not say; -1: for ever."),
    _start("log.roll.hours", INT, "168", at_least(1), NO_SEGMENTS, "After how long a file is closed, in topics that do not say and where no milliseconds are given."),
    _start("log.roll.jitter.hours", INT, "0", at_least(0), NO_SEGMENTS, "How much earlier a file may be closed, where no milliseconds are given."),
    _live("log.roll.jitter.ms", LONG, None, at_least(0), NO_SEGMENTS, "How much earlier, at random, a file may be closed, in topics that do not say."),
    _live("log.roll.ms", LONG, None, at_least(1), NO_SEGMENTS, "After how long a file is closed, in topics that do not say."),
    _live("log.segment.bytes", INT, "1073741824", at_least(1048576), NO_SEGMENTS, "At what size a file is closed, in topics that do not say."),
    _live("log.segment.delete.delay.ms", LONG, "60000", at_least(0), NO_SEGMENTS, "How long a file that is not needed stays, in topics that do not say."),
    _live("max.connection.creation.rate", INT, NO_BOUND, at_least(0), NO_RATES, "How many connections may be made in a second."),
    _setting("max.connections", INT, "10000", at_least(1), "server.connections_max", "How many connections a node has at most."),
    _setting("max.connections.per.ip", INT, "0", at_least(0), "server.connections_per_address_max", "How many connections one address may have; 0: as many as the node may."),
    _live("max.connections.per.ip.overrides", STRING, "", ANY, NO_RATES, "Addresses with a bound of their own."),
    _start("max.incremental.fetch.session.cache.slots", INT, "1000", at_least(0), NO_SESSIONS, "How many fetch sessions are kept."),
    _start("max.request.partition.size.limit", INT, "2000", at_least(1), NO_PAGES, "How many partitions one page of a description of topics holds."),
    _setting("message.max.bytes", INT, "1048588", at_least(64), "broker.message_bytes_max", "The largest batch that is taken, in topics that do not say."),
    _start("metadata.log.dir", STRING, None, ANY, NO_CONTROLLER, "Where the controller keeps its log."),
    _live("metric.reporters", LIST, "org.apache.kafka.common.metrics.JmxReporter", ANY, NO_JVM, "Classes that report metrics."),
    _start("metrics.num.samples", INT, "2", at_least(1), OWN_METRICS, "How many samples a metric is computed from."),
    _start("metrics.recording.level", STRING, "INFO", ANY, OWN_METRICS, "From which level on metrics are recorded."),
    _start("metrics.sample.window.ms", LONG, "30000", at_least(1), OWN_METRICS, "How long a sample of a metric is."),
    _live("min.insync.replicas", INT, "1", at_least(1), NO_REPLICAS, "How many replicas must have a record before acks=all is answered, in topics that do not say."),
    _fixed("node.id", INT, None, at_least(0), "ledger.node_id", "The node's id; set at the start, or given out by the cluster."),
    _live("num.io.threads", INT, "8", at_least(1), NO_THREADS, "How many threads handle requests."),
    _live("num.network.threads", INT, "3", at_least(1), NO_THREADS, "How many threads serve connections."),
    _setting("num.partitions", INT, "1", at_least(1), "broker.partitions_default", "How many partitions a topic has that does not say."),
    _live("num.recovery.threads.per.data.dir", INT, "2", at_least(1), NO_THREADS, "How many threads read a disk at the start."),
    _start("num.replica.alter.log.dirs.threads", INT, None, ANY, NO_REPLICAS, "How many threads move replicas between directories."),
    _live("num.replica.fetchers", INT, "1", at_least(1), NO_REPLICAS, "How many threads copy from a leader."),
    _setting("offset.metadata.max.bytes", INT, "4096", at_least(0), "groups.offset_metadata_characters_max", "How long the note beside a committed offset may be."),
    _start("offsets.commit.timeout.ms", INT, "5000", at_least(1), NO_LEDGER_TOPIC, "How long a commit of offsets waits for its replicas."),
    _start("offsets.load.buffer.size", INT, "5242880", at_least(1), NO_LEDGER_TOPIC, "How much is read at once when a coordinator loads offsets."),
    _start("offsets.retention.check.interval.ms", LONG, "600000", at_least(1), NOT_EXPIRED, "How often is looked for offsets that are too old."),
    _start("offsets.retention.minutes", INT, "10080", at_least(1), NOT_EXPIRED, "How long offsets of a group without members are kept."),
    _start("offsets.topic.compression.codec", INT, "0", ANY, NO_LEDGER_TOPIC, "The codec of the topic that holds offsets."),
    _start("offsets.topic.num.partitions", INT, "50", at_least(1), NO_LEDGER_TOPIC, "How many partitions the topic that holds offsets has."),
    _start("offsets.topic.replication.factor", SHORT, "3", at_least(1), NO_LEDGER_TOPIC, "How many replicas the topic that holds offsets has."),
    _start("offsets.topic.segment.bytes", INT, "104857600", at_least(1), NO_LEDGER_TOPIC, "The size of a file of the topic that holds offsets."),
    _start("process.roles", LIST, None, some_of("broker", "controller"), NO_CONTROLLER, "Whether a process is broker, controller or both."),
    _live("producer.id.expiration.ms", INT, "86400000", at_least(1), OWN_IDS, "How long the sequence of an idempotent producer is remembered."),
    _start("producer.purgatory.purge.interval.requests", INT, "1000", ANY, OWN_QUEUES, "After how many requests waiting produces are cleared up."),
    _start("queued.max.request.bytes", LONG, "-1", ANY, OWN_QUEUES, "How many bytes of requests may wait."),
    _start("queued.max.requests", INT, "500", at_least(1), OWN_QUEUES, "How many requests may wait."),
    _start("quota.window.num", INT, "11", at_least(1), NO_QUOTAS, "How many samples clients' quotas are measured by."),
    _start("quota.window.size.seconds", INT, "1", at_least(1), NO_QUOTAS, "How long each sample of clients' quotas is."),
    _live("replica.alter.log.dirs.io.max.bytes.per.second", LONG, NEVER, at_least(0), NO_REPLICAS, "How fast a replica moves from one directory to another."),
    _start("replica.fetch.backoff.ms", INT, "1000", at_least(0), NO_REPLICAS, "How long a follower waits after a failed fetch."),
    _start("replica.fetch.max.bytes", INT, "1048576", at_least(0), NO_REPLICAS, "How much a follower asks of a partition at once."),
    _start("replica.fetch.min.bytes", INT, "1", ANY, NO_REPLICAS, "How little a follower's fetch waits for."),
    _start("replica.fetch.response.max.bytes", INT, "10485760", at_least(0), NO_REPLICAS, "How much a follower asks for at once."),
    _start("replica.fetch.wait.max.ms", INT, "500", ANY, NO_REPLICAS, "How long a follower's fetch may wait."),
    _start("replica.high.watermark.checkpoint.interval.ms", LONG, "5000", ANY, NO_REPLICAS, "How often the high watermark is noted."),
    _start("replica.lag.time.max.ms", LONG, "30000", ANY, NO_REPLICAS, "After how long a follower that lags is out of sync."),
    _start("replica.selector.class", STRING, None, ANY, NO_RACKS, "What chooses the replica a consumer reads from."),
    _start("replica.socket.receive.buffer.bytes", INT, "65536", ANY, NO_REPLICAS, "The receive buffer of a follower's connection."),
    _start("replica.socket.timeout.ms", INT, "30000", ANY, NO_REPLICAS, "How long a follower waits for an answer."),
    _start("replication.quota.window.num", INT, "11", at_least(1), NO_REPLICAS, "How many samples the quota of replication is measured by."),
    _start("replication.quota.window.size.seconds", INT, "1", at_least(1), NO_REPLICAS, "How long each sample of the quota of replication is."),
    _start("request.timeout.ms", INT, "30000", ANY, NO_BROKER_TRAFFIC, "How long brokers wait for each other."),
    _live("sasl.enabled.mechanisms", LIST, "GSSAPI", ANY, NO_SECURITY, "Which SASL mechanisms are offered."),
    _live("sasl.kerberos.min.time.before.relogin", LONG, "60000", ANY, NO_SECURITY, "How long to wait at least before a Kerberos ticket is renewed."),
    _live("sasl.kerberos.service.name", STRING, None, ANY, NO_SECURITY, "The Kerberos name that brokers run under."),
    _live("sasl.kerberos.ticket.renew.jitter", DOUBLE, "0.05", ANY, NO_SECURITY, "How much the renewal of a Kerberos ticket is spread at random."),
    _live("sasl.kerberos.ticket.renew.window.factor", DOUBLE, "0.8", ANY, NO_SECURITY, "After what share of its life a Kerberos ticket is renewed."),
    _live("sasl.login.refresh.buffer.seconds", SHORT, "300", ANY, NO_SECURITY, "How long before its end a login is renewed."),
    _live("sasl.login.refresh.min.period.seconds", SHORT, "60", ANY, NO_SECURITY, "How long a login is left alone at least."),
    _live("sasl.login.refresh.window.factor", DOUBLE, "0.8", ANY, NO_SECURITY, "After what share of its life a login is renewed."),
    _live("sasl.login.refresh.window.jitter", DOUBLE, "0.05", ANY, NO_SECURITY, "How much the renewal of a login is spread at random."),
    _start("security.inter.broker.protocol", STRING, "PLAINTEXT", one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), NO_BROKER_TRAFFIC, "The security protocol that brokers use among themselves."),
    _start("share.fetch.purgatory.purge.interval.requests", INT, "1000", ANY, NO_SHARE_GROUPS, "After how many requests waiting share fetches are cleared up."),
    _start("socket.connection.setup.timeout.max.ms", LONG, "30000", ANY, NO_BROKER_TRAFFIC, "How long a broker waits at most for a connection to another."),
    _start("socket.connection.setup.timeout.ms", LONG, "10000", ANY, NO_BROKER_TRAFFIC, "How long a broker waits for a connection to another."),
    _start("socket.listen.backlog.size", INT, "50", at_least(1), OWN_BACKLOG, "How many connections may wait to be accepted."),
    _start("socket.receive.buffer.bytes", INT, "102400", ANY, OWN_SOCKETS, "The receive buffer of a connection."),
    _fixed("socket.request.max.bytes", INT, "104857600", at_least(1_024), "server.frame_bytes_max", "The largest request that is read."),
    _start("socket.send.buffer.bytes", INT, "102400", ANY, OWN_SOCKETS, "The send buffer of a connection."),
    _start("telemetry.max.bytes", INT, "1048576", at_least(1), NO_TELEMETRY, "The most metrics a client may push at once."),
    _start("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", at_least(1), NO_TRANSACTIONS, "How often transactions that took too long are aborted."),
    _start("transaction.max.timeout.ms", INT, "900000", at_least(1), NO_TRANSACTIONS, "The longest timeout a transaction may ask for."),
    _live("transaction.partition.verification.enable", BOOLEAN, "true", TRUTH, NO_TRANSACTIONS, "Whether a partition is checked to be part of its transaction."),
    _start("transaction.remove.expired.transaction.cleanup.interval.ms", INT, "3600000", at_least(1), NO_TRANSACTIONS, "How often transactional ids that expired are removed."),
    _start("transaction.state.log.load.buffer.size", INT, "5242880", at_least(1), NO_TRANSACTIONS, "How much is read at once when a coordinator loads transactions."),
    _start("transaction.state.log.min.isr", INT, "2", at_least(1), NO_TRANSACTIONS, "How many replicas of the topic that holds transactions must be in sync."),
    _start("transaction.state.log.num.partitions", INT, "50", at_least(1), NO_TRANSACTIONS, "How many partitions the topic that holds transactions has."),
    _start("transaction.state.log.replication.factor", SHORT, "3", at_least(1), NO_TRANSACTIONS, "How many replicas the topic that holds transactions has."),
    _start("transaction.state.log.segment.bytes", INT, "104857600", at_least(1), NO_TRANSACTIONS, "The size of a file of the topic that holds transactions."),
    _start("transaction.two.phase.commit.enable", BOOLEAN, "false", TRUTH, NO_TRANSACTIONS, "Whether transactions may be prepared by an outside coordinator."),
    _start("transactional.id.expiration.ms", INT, "604800000", at_least(1), NO_TRANSACTIONS, "How long a transactional id that is not used is remembered."),
    _live("unclean.leader.election.enable", BOOLEAN, "false", TRUTH, NO_REPLICAS, "Whether a replica that lags may become leader, in topics that do not say."),
)}  # fmt: skip
"""By name, sorted."""

BY_FIELD: dict[str, Entry] = {entry.sets: entry for entry in BROKER_ENTRIES.values() if entry.sets}
"""The entries that are a field of our own settings, by `room.field`."""

assert list(BROKER_ENTRIES) == sorted(BROKER_ENTRIES)
