"""Kafka's broker configs that are understood by their Kafka names: which of ours each one sets, and which do nothing.

A config that does nothing here is accepted, because ready-made deployments pass it, and is named in a warning.
"""

import msgspec


class Target(msgspec.Struct, frozen=True):
    """The room and field of ours that a config sets, and the least value that makes sense."""

    room: str
    field: str
    least: int = 0


SERVED: dict[str, Target] = {
    "num.partitions": Target("broker", "partitions_default", 1),
    "default.replication.factor": Target("broker", "replication_factor_default", 1),
    "auto.create.topics.enable": Target("broker", "auto_create_topics"),
    "message.max.bytes": Target("broker", "message_bytes_max", 64),
    "log.message.timestamp.type": Target("broker", "message_timestamp_type"),
    "log.message.timestamp.before.max.ms": Target("broker", "message_timestamp_before_max_ms"),
    "log.message.timestamp.after.max.ms": Target("broker", "message_timestamp_after_max_ms"),
    "fetch.max.bytes": Target("broker", "fetch_bytes_max", 1_024),
    "group.initial.rebalance.delay.ms": Target("groups", "initial_rebalance_delay_ms"),
    "group.min.session.timeout.ms": Target("groups", "min_session_timeout_ms", 1),
    "group.max.session.timeout.ms": Target("groups", "max_session_timeout_ms", 1),
    "group.max.size": Target("groups", "group_members_max", 1),
    "offset.metadata.max.bytes": Target("groups", "offset_metadata_characters_max"),
    "socket.request.max.bytes": Target("server", "frame_bytes_max", 1_024),
    "connections.max.idle.ms": Target("server", "connection_idle_ms", 1),
    "max.connections": Target("server", "connections_max", 1),
    "max.connections.per.ip": Target("server", "connections_per_address_max", 1),
    "broker.id": Target("ledger", "node_id"),
    "node.id": Target("ledger", "node_id"),
}

REPLACED = {
    "listeners": "use --listen HOST:PORT, or listen = [\"HOST:PORT\"] in higgins.toml",
    "advertised.listeners": "use --advertise HOST:PORT, or advertise = [\"HOST:PORT\"] in higgins.toml",
    "log.dirs": "use --store DIRECTORY, or url under [store] in higgins.toml",
    "log.dir": "use --store DIRECTORY, or url under [store] in higgins.toml",
}
"""Configs whose meaning we have under another name; taking them silently would start the wrong broker."""

WITHOUT_EFFECT = frozenset(
    {
        "auto.leader.rebalance.enable",
        "background.threads",
        "compression.type",
        "controlled.shutdown.enable",
        "delete.topic.enable",
        "group.coordinator.rebalance.protocols",
        "inter.broker.listener.name",
        "inter.broker.protocol.version",
        "leader.imbalance.check.interval.seconds",
        "leader.imbalance.per.broker.percentage",
        "listener.security.protocol.map",
        "log.cleaner.enable",
        "log.cleanup.policy",
        "log.flush.interval.messages",
        "log.flush.interval.ms",
        "log.flush.scheduler.interval.ms",
        "log.message.format.version",
        "log.retention.bytes",
        "log.retention.check.interval.ms",
        "log.retention.hours",
        "log.retention.minutes",
        "log.retention.ms",
        "log.roll.hours",
        "log.roll.ms",
        "log.segment.bytes",
        "min.insync.replicas",
        "num.io.threads",
        "num.network.threads",
        "num.recovery.threads.per.data.dir",
        "num.replica.fetchers",
        "offsets.commit.timeout.ms",
        "offsets.retention.minutes",
        "offsets.topic.num.partitions",
        "offsets.topic.replication.factor",
        "process.roles",
        "queued.max.requests",
        "replica.fetch.max.bytes",
        "replica.lag.time.max.ms",
        "socket.receive.buffer.bytes",
        "socket.send.buffer.bytes",
        "transaction.state.log.min.isr",
        "transaction.state.log.num.partitions",
        "transaction.state.log.replication.factor",
        "unclean.leader.election.enable",
        "zookeeper.connect",
    }
)


def variable_of(name: str) -> str:
    """The environment variable that sets a config."""
    return "HIGGINS_KAFKA_" + name.upper().replace(".", "_")
