"""Which of Kafka's broker configs a node may be started with: what each sets, what does nothing, what goes elsewhere.

A config that does nothing here is accepted, because ready-made deployments pass it, and is named in a warning.
"""

from collections.abc import Mapping

from higgins.kafka.configs.broker_entries import BROKER_ENTRIES

REPLACED: Mapping[str, str] = {
    "listeners": "use --listen HOST:PORT, or listen = [\"HOST:PORT\"] in higgins.toml",
    "advertised.listeners": "use --advertise HOST:PORT, or advertise = [\"HOST:PORT\"] in higgins.toml",
    "log.dirs": "use --store DIRECTORY, or url under [store] in higgins.toml",
    "log.dir": "use --store DIRECTORY, or url under [store] in higgins.toml",
}
"""Configs whose meaning we have under another name; taking them silently would start the wrong broker."""

OUTDATED = frozenset(
    {
        "inter.broker.protocol.version",
        "leader.imbalance.per.broker.percentage",
        "log.message.format.version",
        "zookeeper.connect",
    }
)
"""Configs that Kafka itself has given up, and that old deployments still pass."""

SERVED: Mapping[str, str] = {entry.name: entry.sets for entry in BROKER_ENTRIES.values() if entry.sets}
"""The field of our settings, as `room.field`, that a config is."""

WITHOUT_EFFECT = frozenset({*BROKER_ENTRIES, *OUTDATED} - {*SERVED, *REPLACED})


def variable_of(name: str) -> str:
    """The environment variable that sets a config."""
    return "HIGGINS_KAFKA_" + name.upper().replace(".", "_")


def text_of(value: object) -> str:
    """A value from a file, a variable or a flag as Kafka would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(text_of(one) for one in value) if isinstance(value, list) else str(value)


def normal_text(name: str, value: object) -> str:
    """The value in its one spelling. Raises: ValueError with what is wrong."""
    entry = BROKER_ENTRIES.get(name)
    return text_of(value) if entry is None else entry.normal(text_of(value))
