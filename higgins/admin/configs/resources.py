"""Resources that have config entries: topics, brokers, groups and subscriptions to client metrics.

A resource knows its table, its own values, where each value in effect comes from, and the proposal that changes it.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from higgins.admin.configs.live import CLUSTER_DEFAULT, ConfigSource, LiveConfigs, effective_value
from higgins.config.entries.brokers import BROKER_ENTRIES
from higgins.config.entries.changes import check_topic_configs
from higgins.config.entries.entry import Entry, ResourceType, SourceKind, Table
from higgins.config.entries.groups import BOUNDS
from higgins.config.entries.tables import TABLES, WORDS
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.configs import ConfigureResource
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import ConfigureTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId, error_in_topic_name
from higgins_protocol.errors import ErrorCode

NAME_CHARACTERS_MAX = 1_024


class Resource(msgspec.Struct, frozen=True):
    """One resource as it is now."""

    kind: ResourceType
    name: str
    own: Mapping[str, str]
    live: LiveConfigs
    topic_id: TopicId | None = None

    @property
    def table(self) -> Table:
        return TABLES[self.kind]

    @property
    def word(self) -> str:
        """The word for this type of resource."""
        return WORDS[self.kind]

    @property
    def is_cluster_default(self) -> bool:
        return self.kind is ResourceType.BROKER and self.name == CLUSTER_DEFAULT

    def sources(self, entry: Entry) -> list[ConfigSource]:
        """Where an entry has a value, in order of precedence."""
        match self.kind:
            case ResourceType.TOPIC:
                return self.live.topic_sources(entry, self.own)
            case ResourceType.GROUP:
                return self.live.group_sources(entry, self.own)
            case ResourceType.BROKER if not self.is_cluster_default:
                return self.live.broker_sources(entry)
            case ResourceType.BROKER:
                return self._own_source(entry, SourceKind.DYNAMIC_DEFAULT_BROKER)
            case ResourceType.BROKER_LOGGER | ResourceType.CLIENT_METRICS:
                return self._own_source(entry, SourceKind.CLIENT_METRICS)
            case _:
                assert_never(self.kind)

    def _own_source(self, entry: Entry, kind: SourceKind) -> list[ConfigSource]:
        """The value that the resource itself has, if any."""
        return [ConfigSource(entry.name, self.own[entry.name], kind)] if entry.name in self.own else []

    def value(self, entry: Entry) -> str | None:
        """The effective value, or None where an entry of a broker has none."""
        sources = self.sources(entry)
        if entry.default is None:
            return sources[0].value if sources else None
        return effective_value(entry, sources)

    def proposal(self, after: dict[str, str]) -> Proposal[bool]:
        """The proposal that gives the resource these values, if its own values have not changed in the meantime."""
        if self.topic_id is not None:
            return ConfigureTopic(self.topic_id, dict(self.own), after)
        return ConfigureResource(int(self.kind), self.name, dict(self.own), after)

    def check(self, after: Mapping[str, str]) -> None:
        """Check the entries that limit one another, and those that cannot be changed. Raises: Refused."""
        match self.kind:
            case ResourceType.TOPIC:
                check_topic_configs(after)
            case ResourceType.GROUP:
                _check_group(self.live, after)
            case ResourceType.BROKER:
                _check_read_only(self.own, after)
                _check_broker(self.live, after)
            case ResourceType.BROKER_LOGGER | ResourceType.CLIENT_METRICS:
                pass  # their entries limit nothing
            case _:
                assert_never(self.kind)


def resource_type(code: int) -> ResourceType:
    """Raises: Refused(INVALID_REQUEST)."""
    try:
        return ResourceType(code)
    except ValueError:
        known = ", ".join(f"{kind.value} ({word})" for kind, word in WORDS.items())
        raise Refused(ErrorCode.INVALID_REQUEST, f"Resource type {code} is unknown; the types are {known}.") from None


def find_resource(state: State, live: LiveConfigs, kind: ResourceType, name: str) -> Resource:
    """An existing topic; a live broker, or "" for the defaults of all brokers; a group or subscription of any name.

    Raises: Refused.
    """
    if kind is ResourceType.TOPIC:
        return _topic_resource(state, live, name)
    if kind is ResourceType.BROKER:
        _check_broker_id(state, name)
    elif not name or len(name) > NAME_CHARACTERS_MAX:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"The name of a {WORDS[kind]} resource has {len(name)} characters; "
            f"pass one of 1 to {NAME_CHARACTERS_MAX} characters.",
        )
    return Resource(kind, name, state.configs.get(kind, name), live)


def resource_names(state: State, kind: ResourceType) -> Sequence[str]:
    """Every topic, every live broker; of other types, the resources that have values of their own."""
    if kind is ResourceType.TOPIC:
        return list(state.topics.by_name)
    if kind in {ResourceType.BROKER, ResourceType.BROKER_LOGGER}:
        return [str(session.node_id) for session in state.sessions.live.values()]
    return sorted(state.configs.names(kind))


def _topic_resource(state: State, live: LiveConfigs, name: str) -> Resource:
    error_message = error_in_topic_name(name)
    if error_message:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, error_message)
    topic = state.topics.by_name.get(name)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist.")
    return Resource(ResourceType.TOPIC, name, topic.configs, live, topic.id)


def _check_broker_id(state: State, name: str) -> None:
    if name == CLUSTER_DEFAULT:
        return
    if not (name.isascii() and name.isdigit()):
        raise Refused(
            ErrorCode.INVALID_REQUEST, f"'{name}' is not a broker id; pass a number, or '' for all brokers."
        )
    live = sorted(session.node_id for session in state.sessions.live.values())
    if int(name) not in live or name != str(int(name)):
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"Broker '{name}' does not exist or is not running; running are {', '.join(map(str, live))}.",
        )


def _check_read_only(own: Mapping[str, str], after: Mapping[str, str]) -> None:
    changed = [name for name, value in after.items() if BROKER_ENTRIES[name].is_read_only and own.get(name) != value]
    if changed:
        name = changed[0]
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"Config '{name}' cannot be changed while the broker runs; set it at the start: "
            f"higgins up --set {name}={after[name]}",
        )


def _check_broker(live: LiveConfigs, after: Mapping[str, str]) -> None:
    def value(name: str) -> int:
        return int(after.get(name) or live.broker_value(name) or 0)

    for lower, upper in (
        ("group.min.session.timeout.ms", "group.max.session.timeout.ms"),
        ("message.max.bytes", "socket.request.max.bytes"),
    ):
        if (lower in after or upper in after) and value(lower) > value(upper):
            raise Refused(
                ErrorCode.INVALID_CONFIG,
                f"Broker config '{lower}' would be {value(lower)}, above '{upper}', {value(upper)}; "
                "raise the second first, or choose a lower value.",
            )


def _check_group(live: LiveConfigs, after: Mapping[str, str]) -> None:
    for name, bounds in BOUNDS.items():
        for bound, is_minimum in zip(bounds, (True, False), strict=True):
            limit = None if bound is None else live.broker_value(bound)
            if name not in after or limit is None:
                continue
            if int(after[name]) < int(limit) if is_minimum else int(after[name]) > int(limit):
                word = "below" if is_minimum else "above"
                raise Refused(
                    ErrorCode.INVALID_CONFIG,
                    f"Group config '{name}': {after[name]} is {word} the broker's '{bound}', {limit}; "
                    "choose another value.",
                )
