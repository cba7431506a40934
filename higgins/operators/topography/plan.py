"""What applying a topography would change: one proposal and its sentences, or what stands in the way. Pure.

Behaviour: `apply` adds and changes what the file names and leaves every other stream as it is; an operator goes by
`operator delete`, and its topic stays. The same file twice changes nothing, and commits nothing. A changed expression
has no state to lose: its operator goes on where it is, from the next epoch. An operator never changes its base or its
topic, and never takes over a topic that is there already.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition, Tasks
from higgins.ledger.state.topics import CreateTopic, Topic, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.specification import Filter, encode
from higgins.operators.specification import decode as decode_specification
from higgins.operators.topography.check import Fault, Faulty
from higgins.operators.topography.document import Derived, Source, Stream, Topography, decode
from higgins.operators.topography.lines import KeyLines
from higgins_protocol.errors import ErrorCode


class Facets(Protocol):
    """What planning reads of the ledger's state."""

    @property
    def topics(self) -> Topics: ...

    @property
    def tasks(self) -> Tasks: ...


class Plan(msgspec.Struct, frozen=True):
    """A proposal, None when there is nothing to do, and what it changes, in sentences."""

    proposal: ApplyTopography | None
    changes: tuple[str, ...]
    version: str


def plan_application(
    file: Topography,
    lines: KeyLines,
    state: Facets,
    *,
    partitions_default: int,
    new_topic_id: Callable[[], TopicId],
) -> Plan:
    """Raises: Faulty, where the file and what is there contradict each other."""
    planner = _Planner(file, lines, state, partitions_default, new_topic_id)
    planner.run()
    if planner.faults:
        raise Faulty(planner.faults)
    document = planner.merged.encode()
    version = planner.merged.version()
    if not planner.creations and not planner.attachments and document == state.tasks.document:
        return Plan(None, (), version)
    proposal = ApplyTopography(
        base_version=state.tasks.version,
        topics=tuple(planner.creations.values()),
        attach=tuple(planner.attachments),
        detach=(),
        document=document,
    )
    return Plan(proposal, tuple(planner.changes), version)


def plan_deletion(name: str, state: Facets) -> Plan:
    """The end of an operator; its topic stays, and is anybody's to write. Raises: Refused(RESOURCE_NOT_FOUND)."""
    if name not in state.tasks.sets:
        names = ", ".join(sorted(state.tasks.sets)) or "none"
        raise Refused(ErrorCode.RESOURCE_NOT_FOUND, f"There is no operator '{name}'. Operators: {names}.")
    applied = decode(state.tasks.document)
    remaining = applied.without_operator(name) if name in applied.streams else applied
    proposal = ApplyTopography(
        base_version=state.tasks.version, topics=(), attach=(), detach=(name,), document=remaining.encode()
    )
    topic = state.topics.by_id.get(state.tasks.sets[name].outputs[0])
    kept = f" Its topic '{topic.name}' stays, with what is in it." if topic else ""
    return Plan(proposal, (f"Operator '{name}' is deleted.{kept}",), remaining.version())


class _Planner:
    """One application; creations, attachments, changes and faults fill up on the way."""

    def __init__(
        self,
        file: Topography,
        lines: KeyLines,
        state: Facets,
        partitions_default: int,
        new_topic_id: Callable[[], TopicId],
    ) -> None:
        self._file = file
        self._lines = lines
        self._state = state
        self._partitions_default = partitions_default
        self._new_topic_id = new_topic_id
        self._applied = decode(state.tasks.document)
        self.merged = self._applied.with_streams(file.streams)
        self.creations: dict[str, CreateTopic] = {}
        self.attachments: list[AttachTasks] = []
        self.changes: list[str] = []
        self.faults: list[Fault] = []

    def run(self) -> None:
        for name, stream in self._file.streams.items():
            if isinstance(stream, Source):
                self._source(name, stream)
        for name in _bases_first(self.merged):
            stream = self.merged.streams[name]
            # All of them: a derived stream of an earlier file changes with its source's format.
            if isinstance(stream, Derived):
                self._derived(name, stream)
        if not self.changes and not self.faults and self.merged != self._applied:
            self.changes.append("The description of streams changes; topics and operators stay as they are.")

    def _fault(self, name: str, key: str, message: str) -> None:
        self.faults.append(Fault(self._lines.of("streams", name, key), message))

    def _source(self, name: str, source: Source) -> None:
        if name in self._state.tasks.sets:
            self._fault(
                name, "", f"Stream '{name}' is made by an operator; to make it a source: higgins operator delete {name}"
            )
            return
        topic = self._state.topics.by_name.get(source.topic)
        if topic is None:
            self._create(source.topic, source.partitions or self._partitions_default, source.config)
            return
        if source.partitions not in (None, topic.partitions):
            self._fault(
                name, "partitions",
                f"Topic '{topic.name}' has {topic.partitions} partitions and this version cannot change that; "
                "write that number, or leave partitions out.",
            )  # fmt: skip
        self._check_config(name, source.config, topic)

    def _check_config(self, name: str, config: dict[str, str], topic: Topic) -> None:
        differing = sorted(key for key, value in config.items() if topic.configs.get(key) != value)
        if differing:
            self._fault(
                name, "config",
                f"Topic '{topic.name}' exists with another {', '.join(differing)}, and apply does not change the "
                "config of a topic that is there; leave it out.",
            )  # fmt: skip

    def _derived(self, name: str, derived: Derived) -> None:
        base = self._topic_of(self.merged.streams[derived.base])
        if base is None:
            return  # its own fault is reported where it stands
        base_id, partitions = base
        specification = encode(Filter(where=derived.where, format=self.merged.source_of(name).format))
        existing = self._state.tasks.sets.get(name)
        if existing is None:
            output = self._create_output(name, derived, partitions)
            if output is not None:
                self.changes.append(f"Operator '{name}' begins: filter of '{derived.base}' where {derived.where}")
                starts = tuple((InputPosition(base_id, partition, 0),) for partition in range(partitions))
                self._attach(name, (base_id,), (output,), specification, starts)
            return
        output_topic = self._state.topics.by_id[existing.outputs[0]]
        if existing.inputs != (base_id,):
            self._fault(name, "base", _unchangeable(name, "base"))
        elif output_topic.name != derived.topic:
            self._fault(name, "topic", _unchangeable(name, "topic"))
        elif existing.specification != specification:
            before = decode_specification(existing.specification).where
            self.changes.append(
                f"Operator '{name}' changes from its next epoch on: where {before} becomes where {derived.where}"
                if before != derived.where
                else f"Operator '{name}' changes from its next epoch on: values are read as another format"
            )
            self._attach(name, existing.inputs, existing.outputs, specification, None)
        if name in self._file.streams:
            self._check_config(name, derived.config, output_topic)

    def _attach(
        self,
        name: str,
        inputs: tuple[TopicId, ...],
        outputs: tuple[TopicId, ...],
        specification: bytes,
        positions: tuple[tuple[InputPosition, ...], ...] | None,
    ) -> None:
        # The version that brings an operator's specification names its generation, so none is ever used twice.
        generation = self._state.tasks.version + 1
        self.attachments.append(AttachTasks(name, generation, inputs, outputs, specification, positions))

    def _create(self, topic: str, partitions: int, config: dict[str, str], *, owner: str = "") -> TopicId:
        made = self.creations.get(topic)
        if made is None:
            made = CreateTopic(topic, self._new_topic_id(), partitions, config, owner)
            self.creations[topic] = made
            self.changes.append(
                f"Topic '{topic}' is made, with {partitions} partition{'s' if partitions != 1 else ''}."
            )
        return made.topic_id

    def _create_output(self, name: str, derived: Derived, partitions: int) -> TopicId | None:
        if derived.topic in self._state.topics.by_name:
            self._fault(
                name, "topic",
                f"Topic '{derived.topic}' is there already, and an operator only writes a topic of its own; "
                f'delete that topic (higgins topic delete {derived.topic}) or choose another: topic = "…".',
            )  # fmt: skip
            return None
        return self._create(derived.topic, partitions, derived.config, owner=name)

    def _topic_of(self, stream: Stream) -> tuple[TopicId, int] | None:
        existing = self._state.topics.by_name.get(stream.topic)
        if existing is not None:
            return existing.id, existing.partitions
        if stream.topic not in self.creations:
            if not isinstance(stream, Source):
                return None
            # A source of an earlier file, whose topic was deleted since.
            self._create(stream.topic, stream.partitions or self._partitions_default, stream.config)
        made = self.creations[stream.topic]
        return made.topic_id, made.partitions


def _unchangeable(name: str, what: str) -> str:
    return (
        f"Operator '{name}' cannot change its {what}: its topic would mix the output of two inputs. "
        f"First run: higgins operator delete {name}"
    )


def _bases_first(topography: Topography) -> list[str]:
    """Names of all streams, each after the stream it derives from."""
    order: dict[str, None] = {}
    for name in topography.streams:
        chain: list[str] = []
        step: str | None = name
        while step is not None and step not in order:
            chain.append(step)
            stream = topography.streams[step]
            step = stream.base if isinstance(stream, Derived) else None
        order.update(dict.fromkeys(reversed(chain)))
    return list(order)
