"""The config values in effect on this node: what it was started with, overridden by the facts committed since.

The value of an entry is the first that exists of: the resource's own, this node's dynamic config, the dynamic default
of all brokers, this node's static config, the default of the table. Every node folds the same facts, so a change is in
effect on a node as soon as it has folded the commit. Nothing is restarted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from higgins.config.broker import LOG_APPEND_TIME, BrokerConfig
from higgins.config.entries.brokers import BROKER_ENTRIES, BY_SETTING
from higgins.config.entries.entry import Entry, ResourceType, SourceKind
from higgins.config.entries.topics import (
    CLEANUP_POLICY,
    LINGER,
    MAX_MESSAGE_BYTES,
    TIMESTAMP_AFTER,
    TIMESTAMP_BEFORE,
    TIMESTAMP_TYPE,
    TOPIC_ENTRIES,
)
from higgins.groups.settings import GroupSettings
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.model.names import TopicId
from higgins.server.settings import ServerSettings

RULES_MAX = 10_000
CLUSTER_DEFAULT = ""
"""The name of the broker resource that holds the dynamic defaults of all brokers."""

_MILLISECONDS = {"hours": 3_600_000, "minutes": 60_000}
# A node keeps its id until it stops, so `node.id` and `broker.id` are not read again.
_LIVE_SETTINGS = {setting: entry for setting, entry in BY_SETTING.items() if not setting.startswith("ledger.")}

Room = TypeVar("Room", bound=msgspec.Struct)


class LedgerPort(Protocol):
    """What is read of the ledger."""

    @property
    def state(self) -> State: ...

    @property
    def session(self) -> Session | None: ...


class StaticConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a node was started with: the settings of each room, and `values` by Kafka's names.

    `values` are those that a user passed by Kafka's names, and those that are only shown, such as `listeners`.
    """

    broker: BrokerConfig = BrokerConfig()
    groups: GroupSettings = GroupSettings()
    server: ServerSettings = ServerSettings()
    values: Mapping[str, str] = {}


class ConfigSource(msgspec.Struct, frozen=True):
    """A value that an entry has at one place: the name of the entry there, which may be a synonym, and the place."""

    name: str
    value: str
    kind: SourceKind


class AppendRules(msgspec.Struct, frozen=True):
    """What a topic's configs mean for a produce."""

    batch_bytes_max: int
    stamps: bool
    timestamp_before_max_ms: int
    timestamp_after_max_ms: int
    wants_keys: bool
    linger_ms: int | None


class LiveConfigs:
    """The values in effect on this node."""

    def __init__(self, ledger: LedgerPort, static: StaticConfig | None = None) -> None:
        self._ledger = ledger
        self._static = static or StaticConfig()
        self._static_values = _static_values(self._static)
        self._subscribers: list[Callable[[], None]] = []
        self._session: Session | None = None
        self._node_id = ""
        self._revision = -1
        self._notified = (0, "")
        self._rooms: dict[str, msgspec.Struct] = {}
        self._rules: dict[TopicId, tuple[Topic, AppendRules]] = {}

    # ---- settings of rooms --------------------------------------------------------------------------------------

    @property
    def broker(self) -> BrokerConfig:
        """The broker's settings in effect."""
        return self._room("broker", BrokerConfig)

    @property
    def groups(self) -> GroupSettings:
        """The settings of groups in effect."""
        return self._room("groups", GroupSettings)

    @property
    def server(self) -> ServerSettings:
        """The server's settings in effect."""
        return self._room("server", ServerSettings)

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every change of broker configs."""
        self._subscribers.append(callback)

    def notify(self) -> None:
        """Call the subscribers if anything has changed; call this after every commit and when this node gets its id."""
        current = (self._ledger.state.configs.revision, self.node_id)
        if current != self._notified:
            self._notified = current
            for callback in self._subscribers:
                callback()

    def _room(self, name: str, kind: type[Room]) -> Room:
        self._refresh()
        room = self._rooms[name]
        assert isinstance(room, kind)
        return room

    def _refresh(self) -> None:
        """Recompute what depends on config facts, if a commit has changed them or this node has another session."""
        state, session = self._ledger.state, self._ledger.session
        if state.configs.revision == self._revision and session is self._session:
            return
        self._session = session
        if session is not None:
            self._node_id = str(session.node_id)
        self._revision = state.configs.revision
        self._rules.clear()
        static = self._static
        self._rooms = {"broker": static.broker, "groups": static.groups, "server": static.server}
        for setting, entry in _LIVE_SETTINGS.items():
            sources = self.broker_sources(entry)
            if sources and sources[0].kind in {SourceKind.DYNAMIC_BROKER, SourceKind.DYNAMIC_DEFAULT_BROKER}:
                room, _, name = setting.partition(".")
                self._rooms[room] = _with(self._rooms[room], name, sources[0].value)

    # ---- where values come from ---------------------------------------------------------------------------------

    @property
    def node_id(self) -> str:
        """This node's id, as broker resources are named; empty before the node has joined."""
        session = self._ledger.session
        return self._node_id if session is None else str(session.node_id)

    def broker_sources(self, entry: Entry) -> list[ConfigSource]:
        """Where a broker's entry has a value, in order of precedence."""
        return self._broker_tiers((entry,))

    def topic_sources(self, entry: Entry, own: Mapping[str, str]) -> list[ConfigSource]:
        """Where a topic's entry has a value, in order of precedence; the default of the topic table is not included."""
        sources = self._broker_tiers([BROKER_ENTRIES[name] for name in entry.synonyms])
        # `log.retention.hours` has a default and `log.retention.ms` has none. The default in hours is the topic's value
        # only as the last resort, not before a value that was set in another unit.
        while sources and sources[0].name != entry.synonyms[0] and sources[0].kind is SourceKind.DEFAULT:
            sources.pop(0)
        if entry.name in own:
            sources.insert(0, ConfigSource(entry.name, own[entry.name], SourceKind.DYNAMIC_TOPIC))
        return sources

    def group_sources(self, entry: Entry, own: Mapping[str, str]) -> list[ConfigSource]:
        """Where a group's entry has a value: its own, or else the broker's effective value, which is its default."""
        if entry.name in own:
            return [ConfigSource(entry.name, own[entry.name], SourceKind.GROUP)]
        value = next(filter(None, map(self.broker_value, entry.synonyms)), entry.default)
        return [] if value is None else [ConfigSource(entry.name, value, SourceKind.DEFAULT)]

    def topic_value(self, name: str, own: Mapping[str, str]) -> str:
        """A topic's effective value."""
        entry = TOPIC_ENTRIES[name]
        return effective_value(entry, self.topic_sources(entry, own))

    def broker_value(self, name: str) -> str | None:
        """A broker's effective value."""
        sources = self.broker_sources(BROKER_ENTRIES[name])
        return sources[0].value if sources else None

    def _broker_tiers(self, entries: Sequence[Entry]) -> list[ConfigSource]:
        configs = self._ledger.state.configs
        tiers: tuple[tuple[SourceKind, Mapping[str, str]], ...] = (
            (SourceKind.DYNAMIC_BROKER, configs.get(ResourceType.BROKER, self.node_id) if self.node_id else {}),
            (SourceKind.DYNAMIC_DEFAULT_BROKER, configs.get(ResourceType.BROKER, CLUSTER_DEFAULT)),
            (SourceKind.STATIC_BROKER, self._static_values),
        )
        sources = [
            ConfigSource(entry.name, values[entry.name], kind)
            for kind, values in tiers
            for entry in entries
            if entry.name in values
        ]
        if len(entries) == 1 and entries[0].name in {"broker.id", "node.id"} and self.node_id and not sources:
            # The cluster assigned the id when the node joined; no config holds it.
            sources.append(ConfigSource(entries[0].name, self.node_id, SourceKind.STATIC_BROKER))
        sources += [
            ConfigSource(entry.name, entry.default, SourceKind.DEFAULT)
            for entry in entries
            if entry.default is not None
        ]
        return sources

    # ---- produce ------------------------------------------------------------------------------------------------

    def append_rules(self, topic: Topic) -> AppendRules:
        """What the topic's configs mean for a produce.

        Every produced batch needs the rules, so they are cached for each topic until a config changes. The `Topic` is
        compared by identity: a change of a topic's own configs makes a new one.
        """
        self._refresh()
        cached = self._rules.get(topic.id)
        if cached is not None and cached[0] is topic:
            return cached[1]
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


def effective_value(entry: Entry, sources: Sequence[ConfigSource]) -> str:
    """The value of the first source, in the unit and spelling of the entry, which must have a default."""
    assert entry.default is not None, entry.name
    if not sources:
        return entry.default
    value = normalized_or_raw(entry, sources[0].value)
    factor = _MILLISECONDS.get(sources[0].name.rpartition(".")[2])
    if factor is None or sources[0].name == entry.name or int(value) < 0:
        return value
    return str(int(value) * factor)


def normalized_or_raw(entry: Entry, value: str) -> str:
    """The value in its only spelling; unchanged if it is invalid, because an earlier version may have accepted it."""
    try:
        return entry.normalize(value)
    except ValueError:
        return value


def _static_values(static: StaticConfig) -> dict[str, str]:
    """What the user passed by Kafka's names, and every setting with another value than the table's default."""
    values = dict(static.values)
    for setting, entry in _LIVE_SETTINGS.items():
        room, _, name = setting.partition(".")
        value = _text(getattr(getattr(static, room), name))
        if value != entry.default or entry.name in values:
            values[entry.name] = value
    return values


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with(room: msgspec.Struct, name: str, value: str) -> msgspec.Struct:
    kind = {field.name: field.type for field in msgspec.structs.fields(room)}[name]
    return msgspec.structs.replace(room, **{name: msgspec.convert(value, kind, strict=False)})
