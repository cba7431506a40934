"""What stands now: the settings a node was started with, under the facts that were committed since.

A value is looked up on a ladder: what the resource has of its own, then what this node was given, then the cluster's
default, then what the node was started with, then the table's default. Facts are folded by every node, so a change
holds on all of them as soon as they know the commit; nothing is restarted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from higgins.groups.settings import GroupSettings
from higgins.kafka.configs.broker_entries import BROKER_ENTRIES, BY_FIELD
from higgins.kafka.configs.entry import Entry, ResourceType, Source
from higgins.kafka.configs.topic_entries import (
    CLEANUP_POLICY,
    LINGER,
    MAX_MESSAGE_BYTES,
    TIMESTAMP_AFTER,
    TIMESTAMP_BEFORE,
    TIMESTAMP_TYPE,
    TOPIC_ENTRIES,
)
from higgins.kafka.settings import LOG_APPEND_TIME, BrokerConfig
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.model.names import TopicId
from higgins.server.settings import ServerSettings

RULES_MAX = 10_000
CLUSTER_DEFAULT = ""
_MILLISECONDS = {"hours": 3_600_000, "minutes": 60_000}
_OURS = {field: entry for field, entry in BY_FIELD.items() if not field.startswith("ledger.")}
"""The entries that are a field of a room that is read anew; a node keeps its id for life."""

Room = TypeVar("Room", bound=msgspec.Struct)


class LedgerPort(Protocol):
    """What is read of the ledger."""

    @property
    def state(self) -> State: ...

    @property
    def session(self) -> Session | None: ...


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What a node was started with; `given` are values people gave, by Kafka's names, and such as are only shown."""

    broker: BrokerConfig = BrokerConfig()
    groups: GroupSettings = GroupSettings()
    server: ServerSettings = ServerSettings()
    given: Mapping[str, str] = {}


class Rung(msgspec.Struct, frozen=True):
    """One step of the ladder: under which name the value is given, and where."""

    name: str
    value: str
    source: Source


class AppendRules(msgspec.Struct, frozen=True):
    """What a topic's configs mean for a produce."""

    batch_bytes_max: int
    stamps: bool
    timestamp_before_max_ms: int
    timestamp_after_max_ms: int
    wants_keys: bool
    linger_ms: int | None


class LiveConfigs:
    """The effective values on this node."""

    def __init__(self, ledger: LedgerPort, started: Started | None = None) -> None:
        self._ledger = ledger
        self._started = started or Started()
        self._given = _given(self._started)
        self._takers: list[Callable[[], None]] = []
        self._session: Session | None = None
        self._node_id = ""
        self._revision = -1
        self._told = (0, "")
        self._rooms: dict[str, msgspec.Struct] = {}
        self._rules: dict[TopicId, tuple[Topic, AppendRules]] = {}

    # ---- our own settings ---------------------------------------------------------------------------------------

    @property
    def broker(self) -> BrokerConfig:
        """The broker's settings as they stand."""
        return self._room("broker", BrokerConfig)

    @property
    def groups(self) -> GroupSettings:
        """The groups' settings as they stand."""
        return self._room("groups", GroupSettings)

    @property
    def server(self) -> ServerSettings:
        """The server's settings as they stand."""
        return self._room("server", ServerSettings)

    def follow(self, take: Callable[[], None]) -> None:
        """Call `take` whenever the configs of brokers have changed."""
        self._takers.append(take)

    def notice(self) -> None:
        """Tell the followers, if there is news; to be called after every commit, and once this node has its id."""
        stands = (self._ledger.state.configs.revision, self.node_id)
        if stands != self._told:
            self._told = stands
            for take in self._takers:
                take()

    def _room(self, name: str, kind: type[Room]) -> Room:
        self._refresh()
        found = self._rooms[name]
        assert isinstance(found, kind)
        return found

    def _refresh(self) -> None:
        """Compute anew what depends on facts, if there are other facts or this node is another one."""
        state, session = self._ledger.state, self._ledger.session
        if state.configs.revision == self._revision and session is self._session:
            return
        self._session = session
        if session is not None:
            self._node_id = str(session.node_id)
        self._revision = state.configs.revision
        self._rules.clear()
        started = self._started
        self._rooms = {"broker": started.broker, "groups": started.groups, "server": started.server}
        for field, entry in _OURS.items():
            rungs = self.broker_rungs(entry)
            if rungs and rungs[0].source in {Source.DYNAMIC_BROKER, Source.DYNAMIC_DEFAULT_BROKER}:
                room, _, name = field.partition(".")
                self._rooms[room] = _with(self._rooms[room], name, rungs[0].value)

    # ---- ladders ------------------------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        """This node's id, as resources of brokers are named; empty before it has joined."""
        session = self._ledger.session
        return self._node_id if session is None else str(session.node_id)

    def broker_rungs(self, entry: Entry) -> list[Rung]:
        """Where a broker's entry has a value, the strongest first."""
        return self._tiers((entry,))

    def topic_rungs(self, entry: Entry, own: Mapping[str, str]) -> list[Rung]:
        """Where a topic's entry has a value, the strongest first; the table's default is not among them."""
        rungs = self._tiers([BROKER_ENTRIES[name] for name in entry.synonyms])
        # The default of a coarser unit is not what a topic has from the broker, unless the finer one was given.
        while rungs and rungs[0].name != entry.synonyms[0] and rungs[0].source is Source.DEFAULT:
            rungs.pop(0)
        if entry.name in own:
            rungs.insert(0, Rung(entry.name, own[entry.name], Source.DYNAMIC_TOPIC))
        return rungs

    def group_rungs(self, entry: Entry, own: Mapping[str, str]) -> list[Rung]:
        """Where a group's entry has a value: of its own, or else what the broker's settings of groups come to."""
        if entry.name in own:
            return [Rung(entry.name, own[entry.name], Source.GROUP)]
        value = next(filter(None, map(self.broker_value, entry.synonyms)), entry.default)
        return [] if value is None else [Rung(entry.name, value, Source.DEFAULT)]

    def topic_value(self, name: str, own: Mapping[str, str]) -> str:
        """A topic's effective value."""
        entry = TOPIC_ENTRIES[name]
        return value_of(entry, self.topic_rungs(entry, own))

    def broker_value(self, name: str) -> str | None:
        """A broker's effective value."""
        rungs = self.broker_rungs(BROKER_ENTRIES[name])
        return rungs[0].value if rungs else None

    def _tiers(self, entries: Sequence[Entry]) -> list[Rung]:
        configs = self._ledger.state.configs
        tiers: tuple[tuple[Source, Mapping[str, str]], ...] = (
            (Source.DYNAMIC_BROKER, configs.get(ResourceType.BROKER, self.node_id) if self.node_id else {}),
            (Source.DYNAMIC_DEFAULT_BROKER, configs.get(ResourceType.BROKER, CLUSTER_DEFAULT)),
            (Source.STATIC_BROKER, self._given),
        )
        rungs = [
            Rung(entry.name, values[entry.name], source)
            for source, values in tiers
            for entry in entries
            if entry.name in values
        ]
        if len(entries) == 1 and entries[0].name in {"broker.id", "node.id"} and self.node_id and not rungs:
            rungs.append(Rung(entries[0].name, self.node_id, Source.STATIC_BROKER))
        rungs += [Rung(entry.name, entry.default, Source.DEFAULT) for entry in entries if entry.default is not None]
        return rungs

    # ---- produce ------------------------------------------------------------------------------------------------

    def append_rules(self, topic: Topic) -> AppendRules:
        """What the topic's configs mean for a produce."""
        self._refresh()
        known = self._rules.get(topic.id)
        if known is not None and known[0] is topic:
            return known[1]
        if len(self._rules) >= RULES_MAX:
            self._rules.clear()
        rules = self._rules_of(topic.configs)
        self._rules[topic.id] = (topic, rules)
        return rules

    def _rules_of(self, own: Mapping[str, str]) -> AppendRules:
        linger = self.topic_value(LINGER, own)
        return AppendRules(
            batch_bytes_max=int(self.topic_value(MAX_MESSAGE_BYTES, own)),
            stamps=self.topic_value(TIMESTAMP_TYPE, own) == LOG_APPEND_TIME,
            timestamp_before_max_ms=int(self.topic_value(TIMESTAMP_BEFORE, own)),
            timestamp_after_max_ms=int(self.topic_value(TIMESTAMP_AFTER, own)),
            wants_keys="compact" in self.topic_value(CLEANUP_POLICY, own),
            linger_ms=int(linger) if linger else None,
        )


def value_of(entry: Entry, rungs: Sequence[Rung]) -> str:
    """The effective value of an entry that has a default: the first rung's, in the entry's own unit and spelling."""
    assert entry.default is not None, entry.name
    if not rungs:
        return entry.default
    value = spelled(entry, rungs[0].value)
    factor = _MILLISECONDS.get(rungs[0].name.rpartition(".")[2])
    if factor is None or rungs[0].name == entry.name or int(value) < 0:
        return value
    return str(int(value) * factor)


def spelled(entry: Entry, value: str) -> str:
    """The value in its one spelling; as it is where a former version took what this one would not."""
    try:
        return entry.normal(value)
    except ValueError:
        return value


def _given(started: Started) -> dict[str, str]:
    """What people gave, and the fields of our settings that are not as the table has them."""
    given = dict(started.given)
    for field, entry in _OURS.items():
        room, _, name = field.partition(".")
        value = _text(getattr(getattr(started, room), name))
        if value != entry.default or entry.name in given:
            given[entry.name] = value
    return given


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with(room: msgspec.Struct, name: str, value: str) -> msgspec.Struct:
    kind = {field.name: field.type for field in msgspec.structs.fields(room)}[name]
    return msgspec.structs.replace(room, **{name: msgspec.convert(value, kind, strict=False)})
