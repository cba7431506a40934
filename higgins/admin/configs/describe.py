"""Describe the configs of a resource: each entry with its effective value and where the value comes from."""

from collections.abc import Collection, Mapping

import msgspec
import structlog

from higgins.admin.configs.live import ConfigSource, LiveConfigs, normalized_or_raw
from higgins.admin.configs.resources import Resource, find_resource, resource_type
from higgins.config.entries.entry import ConfigType, Entry, ResourceType, SourceKind
from higgins.ledger.state.state import State
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

ROOT_LOGGER = "root"
LOG_LEVELS = ((10, "DEBUG"), (20, "INFO"), (30, "WARN"), (40, "ERROR"))
"""The highest of Python's level numbers that Kafka's name stands for."""


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a resource as it is now. Values of sensitive entries are None."""

    name: str
    value: str | None
    kind: SourceKind
    type: ConfigType = ConfigType.UNKNOWN
    is_read_only: bool = False
    is_sensitive: bool = False
    sources: tuple[ConfigSource, ...] = ()
    """Every place where the entry has a value, in order of precedence; empty for sensitive entries."""
    documentation: str | None = None


def describe_configs(
    state: State, live: LiveConfigs, type_code: int, name: str, names: Collection[str] = ()
) -> list[ConfigValue]:
    """The entries of a resource with these names, or all of them when there are no names; unknown names are left out.

    A broker answers only for itself: it alone knows what it was started with. The defaults of all brokers (the broker
    resource "") are known to every broker.

    Raises: Refused.
    """
    kind = resource_type(type_code)
    is_own = name == live.node_id
    if kind is ResourceType.BROKER_LOGGER:
        if not is_own:
            raise Refused(
                ErrorCode.INVALID_REQUEST, f"This is broker {live.node_id}; ask each broker for its own loggers."
            )
        return [row for row in (_root_logger(),) if not names or row.name in names]
    resource = find_resource(state, live, kind, name)
    if kind is ResourceType.BROKER and not is_own and not resource.is_cluster_default:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"This is broker {live.node_id}; ask broker {name} for its configs, or pass '' for those of all brokers.",
        )
    entries = [entry for entry in resource.table.values() if not names or entry.name in names]
    shown = [entry for entry in entries if entry.name in resource.own or not resource.is_cluster_default]
    return [_value(resource, entry) for entry in shown]


def describe_topic_configs(live: LiveConfigs, own: Mapping[str, str]) -> list[ConfigValue]:
    """Every entry of a topic with these configs of its own, which need not exist."""
    resource = Resource(ResourceType.TOPIC, "", own, live)
    return [_value(resource, entry) for entry in resource.table.values()]


def _value(resource: Resource, entry: Entry) -> ConfigValue:
    sources = resource.sources(entry)
    return ConfigValue(
        name=entry.name,
        value=None if entry.is_sensitive else resource.value(entry),
        kind=sources[0].kind if sources else SourceKind.DEFAULT,
        type=entry.type,
        is_read_only=entry.is_read_only,
        is_sensitive=entry.is_sensitive,
        sources=() if entry.is_sensitive else tuple(_shown(entry, source) for source in sources),
        documentation=f"{entry.documentation} In Higgins: {entry.effect}.",
    )


def _shown(entry: Entry, source: ConfigSource) -> ConfigSource:
    """A synonym's value is shown as it was set: it may have another unit and type than the entry."""
    if source.name != entry.name:
        return source
    return ConfigSource(source.name, normalized_or_raw(entry, source.value), source.kind)


def _root_logger() -> ConfigValue:
    number = structlog.get_logger().bind().get_effective_level()
    level = next((name for limit, name in LOG_LEVELS if number <= limit), "ERROR")
    return ConfigValue(name=ROOT_LOGGER, value=level, kind=SourceKind.DYNAMIC_BROKER_LOGGER, is_read_only=True)
