"""What has config entries: topics, brokers, groups, subscriptions to clients' metrics. Found by kind and name.

A resource knows its table, what it has of its own, where each value comes from, and how a change of it is proposed.
"""

from collections.abc import Mapping, Sequence

import msgspec

from higgins.kafka.configs.broker_entries import BROKER_ENTRIES
from higgins.kafka.configs.changes import check_topic
from higgins.kafka.configs.entry import Entry, ResourceType, Source, Table
from higgins.kafka.configs.group_entries import BOUNDS
from higgins.kafka.configs.live import CLUSTER_DEFAULT, LiveConfigs, Rung, value_of
from higgins.kafka.configs.tables import TABLES, WORDS
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.configs import ConfigureResource
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import ConfigureTopic
from higgins.model.errors import Refused
from higgins.model.names import TopicId, fault_in_topic_name
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
    def what(self) -> str:
        return WORDS[self.kind]

    @property
    def is_cluster_default(self) -> bool:
        return self.kind is ResourceType.BROKER and self.name == CLUSTER_DEFAULT

    def rungs(self, entry: Entry) -> list[Rung]:
        """Where an entry's value comes from, the strongest first."""
        match self.kind:
            case ResourceType.TOPIC:
                return self.live.topic_rungs(entry, self.own)
            case ResourceType.GROUP:
                return self.live.group_rungs(entry, self.own)
            case ResourceType.BROKER if not self.is_cluster_default:
                return self.live.broker_rungs(entry)
        source = Source.DYNAMIC_DEFAULT_BROKER if self.is_cluster_default else Source.CLIENT_METRICS
        return [Rung(entry.name, self.own[entry.name], source)] if entry.name in self.own else []

    def value(self, entry: Entry) -> str | None:
        """The effective value, or None where an entry of a broker has none."""
        rungs = self.rungs(entry)
        if entry.default is None:
            return rungs[0].value if rungs else None
        return value_of(entry, rungs)

    def proposal(self, after: dict[str, str]) -> Proposal[bool]:
        """What changes it into having these of its own, if it has not changed meanwhile."""
        if self.topic_id is not None:
            return ConfigureTopic(self.topic_id, dict(self.own), after)
        return ConfigureResource(int(self.kind), self.name, dict(self.own), after)

    def check(self, after: Mapping[str, str]) -> None:
        """What each value alone cannot tell. Raises: Refused."""
        match self.kind:
            case ResourceType.TOPIC:
                check_topic(after)
            case ResourceType.GROUP:
                _check_group(self.live, after)
            case ResourceType.BROKER:
                _check_fixed(self.own, after)
                _check_broker(self.live, after)


def kind_of(code: int) -> ResourceType:
    """Raises: Refused(INVALID_REQUEST)."""
    try:
        return ResourceType(code)
    except ValueError:
        known = ", ".join(f"{kind.value} {word}" for kind, word in WORDS.items())
        raise Refused(ErrorCode.INVALID_REQUEST, f"There is no resource type {code}; there are {known}.") from None


def find(state: State, live: LiveConfigs, kind: ResourceType, name: str) -> Resource:
    """A topic that is there; a broker, or "" for the default of all; a group or subscription of any name.

    Raises: Refused.
    """
    if kind is ResourceType.TOPIC:
        return _find_topic(state, live, name)
    if kind is ResourceType.BROKER:
        _check_broker_id(state, name)
    elif not name or len(name) > NAME_CHARACTERS_MAX:
        raise Refused(
            ErrorCode.INVALID_REQUEST, f"A {WORDS[kind]} resource has a name of 1 to {NAME_CHARACTERS_MAX} characters."
        )
    return Resource(kind, name, state.configs.get(kind, name), live)


def names_of(state: State, kind: ResourceType) -> Sequence[str]:
    """The resources of a kind: every topic and every node; otherwise those that have anything of their own."""
    if kind is ResourceType.TOPIC:
        return list(state.topics.by_name)
    if kind in {ResourceType.BROKER, ResourceType.BROKER_LOGGER}:
        return [str(session.node_id) for session in state.sessions.live.values()]
    return sorted(state.configs.names(kind))


def _find_topic(state: State, live: LiveConfigs, name: str) -> Resource:
    fault = fault_in_topic_name(name)
    if fault:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, fault)
    topic = state.topics.by_name.get(name)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist.")
    return Resource(ResourceType.TOPIC, name, topic.configs, live, topic.id)


def _check_broker_id(state: State, name: str) -> None:
    if name == CLUSTER_DEFAULT:
        return
    if not (name.isascii() and name.isdigit()):
        raise Refused(ErrorCode.INVALID_REQUEST, f"'{name}' is no broker id; give a number, or '' for all brokers.")
    live = sorted(session.node_id for session in state.sessions.live.values())
    if int(name) not in live or name != str(int(name)):
        raise Refused(
            ErrorCode.INVALID_REQUEST, f"There is no broker '{name}'; there are {', '.join(map(str, live))}."
        )


def _check_fixed(own: Mapping[str, str], after: Mapping[str, str]) -> None:
    fixed = [name for name, value in after.items() if BROKER_ENTRIES[name].is_fixed and own.get(name) != value]
    if fixed:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"Config '{fixed[0]}' cannot be changed while brokers run; give it at the start: "
            f"higgins up --set {fixed[0]}={after[fixed[0]]}",
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
                "raise that first, or choose less.",
            )


def _check_group(live: LiveConfigs, after: Mapping[str, str]) -> None:
    for name, bounds in BOUNDS.items():
        for bound, is_least in zip(bounds, (True, False), strict=True):
            limit = None if bound is None else live.broker_value(bound)
            if name not in after or limit is None:
                continue
            if int(after[name]) < int(limit) if is_least else int(after[name]) > int(limit):
                word = "below" if is_least else "above"
                raise Refused(
                    ErrorCode.INVALID_CONFIG,
                    f"Group config '{name}': {after[name]} is {word} '{bound}' of the broker, {limit}; choose another.",
                )
