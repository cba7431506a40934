"""Which of Kafka's broker configs a node can be started with: those with a setting, and those without effect.

A config without effect is accepted, because ready-made deployments pass it, and a warning names it.
"""

from collections.abc import Mapping

from higgins.config.entries.brokers import BROKER_ENTRIES

REPLACED: Mapping[str, str] = {
    "listeners": "use --listen HOST:PORT, or listen = [\"HOST:PORT\"] in higgins.toml",
    "advertised.listeners": "use --advertise HOST:PORT, or advertise = [\"HOST:PORT\"] in higgins.toml",
    "log.dirs": "use --store DIRECTORY, or url under [store] in higgins.toml",
    "log.dir": "use --store DIRECTORY, or url under [store] in higgins.toml",
}
"""Configs that Higgins has under another name. They are refused: ignoring one would start a broker that listens at
another address or stores its data in another place than the user wrote."""

OUTDATED = frozenset(
    {
        "inter.broker.protocol.version",
        "leader.imbalance.per.broker.percentage",
        "log.message.format.version",
        "zookeeper.connect",
    }
)
"""Configs that Kafka has removed, and that old deployments still pass."""

WITH_SETTING: Mapping[str, str] = {entry.name: entry.setting for entry in BROKER_ENTRIES.values() if entry.setting}
"""The setting, as `room.field`, that each config sets."""

WITHOUT_EFFECT = frozenset({*BROKER_ENTRIES, *OUTDATED} - {*WITH_SETTING, *REPLACED})


def environment_variable(name: str) -> str:
    """The environment variable that sets a config."""
    return "HIGGINS_KAFKA_" + name.upper().replace(".", "_")


def normalized(name: str, value: object) -> str:
    """A value from a file, a variable or a flag, in its only spelling. Raises: ValueError with what is wrong."""
    entry = BROKER_ENTRIES.get(name)
    return _as_text(value) if entry is None else entry.normalize(_as_text(value))


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(_as_text(one) for one in value) if isinstance(value, list) else str(value)
