"""Tasks of operators: what each reads and writes, how far it has come, and where its state lies.

What an operator computes is opaque here: the ledger keeps its specification and progress without reading them.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from typing import TypeAlias, assert_never

import msgspec

from higgins.ledger.state.append import INLINE
from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.objects import ObjectPut, Objects
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.runs import Append
from higgins.ledger.state.sessions import Sessions
from higgins.ledger.state.topics import CreateTopic, TopicOwned, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import Pointer
from higgins.model.words import counted
from higgins_protocol.errors import ErrorCode

TASK_SETS_MAX = 10_000
PROGRESS_BYTES_MAX = 64 << 10


class InputPosition(msgspec.Struct, frozen=True, array_like=True):
    """How far a task has read one partition of one of its inputs."""

    topic_id: TopicId
    partition: int
    next_offset: int


class InputRange(msgspec.Struct, frozen=True, array_like=True):
    """The offsets of one input partition that an epoch has processed: from_offset to to_offset, exclusive."""

    topic_id: TopicId
    partition: int
    from_offset: int
    to_offset: int


class TaskSet(msgspec.Struct, frozen=True, array_like=True):
    """The tasks of one operator."""

    name: str
    generation: int
    inputs: tuple[TopicId, ...]
    outputs: tuple[TopicId, ...]
    """The topics that its tasks write, hidden ones included. No one else may write them."""
    tasks: int
    """How many tasks there are, numbered from 0. Which partitions each reads is in its progress."""
    specification: bytes
    """Opaque; the operator kind encodes and decodes it."""


class TaskProgress(msgspec.Struct, frozen=True, array_like=True):
    """How far a task has come."""

    inputs: tuple[InputPosition, ...]
    counters: tuple[tuple[str, int], ...] = ()
    progress: bytes = b""
    """The operator's own, for example a watermark. Opaque; replaced as a whole."""
    state: tuple[Pointer, ...] = ()
    """Where the task's state lies, oldest first: a base and the changes to it. Each pointer is counted."""


class AttachTasks(msgspec.Struct, frozen=True, array_like=True):
    """Begin an operator, or (same name, greater generation, same inputs and outputs) change what it computes.

    `positions` has one entry for each task: the input partitions it reads and where it begins. None keeps the tasks
    of an operator that exists, and their positions.
    """

    name: str
    generation: int
    inputs: tuple[TopicId, ...]
    outputs: tuple[TopicId, ...]
    specification: bytes
    positions: tuple[tuple[InputPosition, ...], ...] | None = None


class TopographyApplied(Fact, frozen=True, tag=70):
    version: int
    document: bytes


class TasksAttached(Fact, frozen=True, tag=71):
    """An operator begins with these positions, one entry for each task; empty: the existing positions are kept."""

    tasks: TaskSet
    positions: tuple[tuple[InputPosition, ...], ...]


class TasksDetached(Fact, frozen=True, tag=72):
    """An operator has ended; the pointers into its state are released."""

    name: str


class TaskAdvanced(Fact, frozen=True, tag=73):
    """An epoch of a task: its positions after it, and what it changed."""

    name: str
    task: int
    inputs: tuple[InputPosition, ...]
    """Of the inputs that moved."""
    counters: tuple[tuple[str, int], ...] = ()
    """Increments."""
    progress: bytes | None = None
    """None leaves it as it was."""
    state_added: tuple[Pointer, ...] = ()
    state_released: tuple[Pointer, ...] = ()


class TasksExtended(Fact, frozen=True, tag=74):
    """An operator has more tasks, numbered on from those it had, each with the input positions where it begins."""

    name: str
    positions: tuple[tuple[InputPosition, ...], ...]


class ApplyTopography(Proposal[int], frozen=True, tag=70):
    """A whole topography at once: topics to create, operators to attach and detach, the document as applied.

    Compare-and-set on `base_version`; the result is the new version. Refused with INVALID_REQUEST when another
    topography was applied meanwhile, or as `CreateTopic` is.
    """

    base_version: int
    topics: tuple[CreateTopic, ...]
    attach: tuple[AttachTasks, ...]
    detach: tuple[str, ...]
    document: bytes

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], int]:
        tasks = draft[Tasks]
        if self.base_version != tasks.version:
            raise Refused(ErrorCode.INVALID_REQUEST, "Another topography was applied meanwhile; apply again.")
        topics = draft[Topics].draft()
        facts: list[Fact] = []
        for creation in self.topics:
            created = creation.created(topics)
            topics.create(created, Moment(0, 0), draft)
            facts.append(created)
        for name in self.detach:
            facts += _detach(tasks, topics, name)
        for attach in self.attach:
            facts += _attach(tasks, topics, attach, self.detach)
        version = tasks.version + 1
        return [*facts, TopographyApplied(version, self.document)], version


class TaskStep(Proposal[list[list[int]]], frozen=True, tag=71):
    """One epoch of a task: its output, its positions, its progress and its state change together or not at all.

    The result is, for each append, the list of base offsets. Refused with FENCED_LEADER_EPOCH when the operator has
    changed, another node holds the task, or the task has moved: its owner then reads the positions again.
    """

    name: str
    generation: int
    task: int
    lease_epoch: int
    inputs: tuple[InputRange, ...]
    appends: tuple[Append, ...]
    counters: tuple[tuple[str, int], ...] = ()
    progress: bytes | None = None
    state_added: tuple[Pointer, ...] = ()
    """New state, in the data object of the appends or (object id INLINE) in the proposal's payload, after them."""
    state_released: tuple[Pointer, ...] = ()
    """State that the new state replaces."""
    object_length: int = 0
    """The length of the data object that new state lies in."""

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], list[list[int]]]:
        self._check(draft)
        facts: list[Fact] = []
        results: list[list[int]] = []
        for append in self.appends:
            append_facts, offsets = append.validate_for(draft, self.name)
            refused = [offset for offset in offsets if offset < 0]
            if refused:
                code = ErrorCode(-refused[0])
                raise Refused(code, f"The output of operator '{self.name}' cannot be written: {code.name}.")
            facts += append_facts
            results.append(offsets)
        facts += self._objects_of_state(draft, facts)
        positions = tuple(InputPosition(each.topic_id, each.partition, each.to_offset) for each in self.inputs)
        added = tuple(_placed(pointer, draft) for pointer in self.state_added)
        facts.append(
            TaskAdvanced(self.name, self.task, positions, self.counters, self.progress, added, self.state_released)
        )
        return facts, results

    def _check(self, draft: Draft) -> None:
        tasks = draft[Tasks]
        existing = tasks.sets.get(self.name)
        if existing is None or existing.generation != self.generation:
            raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"Operator '{self.name}' has changed meanwhile.")
        resource = task_resource(self.name, self.task)
        if not draft[Sessions].holds(draft.epoch, resource, self.lease_epoch):
            raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"Another node holds {resource}.")
        progress = tasks.progress(self.name, self.task)
        positions = {(each.topic_id, each.partition): each.next_offset for each in progress.inputs}
        for each in self.inputs:
            if positions.get((each.topic_id, each.partition)) != each.from_offset:
                raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"{resource} has moved past offset {each.from_offset}.")
        if not set(self.state_released) <= set(progress.state):
            raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"The state of {resource} has changed meanwhile.")
        if self.progress is not None and len(self.progress) > PROGRESS_BYTES_MAX:
            raise Refused(
                ErrorCode.INVALID_REQUEST,
                f"{resource} reports {len(self.progress)} bytes of progress; the limit is {PROGRESS_BYTES_MAX}.",
            )

    def _objects_of_state(self, draft: Draft, facts: Sequence[Fact]) -> Sequence[Fact]:
        """The facts of data objects that hold new state and no records."""
        put = {fact.object_id for fact in facts if isinstance(fact, ObjectPut)}
        objects = draft[Objects]
        return [
            ObjectPut(object_id, self.object_length)
            for object_id in dict.fromkeys(pointer.object_id for pointer in self.state_added)
            if object_id != INLINE and object_id not in put and objects.get(object_id) is None
        ]


class SetRow(msgspec.Struct, frozen=True, array_like=True, tag="set"):
    """A snapshot row: an operator's tasks."""

    tasks: TaskSet


class ProgressRow(msgspec.Struct, frozen=True, array_like=True, tag="progress"):
    """A snapshot row: one task's progress."""

    name: str
    task: int
    progress: TaskProgress


class TopographyRow(msgspec.Struct, frozen=True, array_like=True, tag="topography"):
    """A snapshot row: the topography as applied."""

    version: int
    document: bytes


TaskKey: TypeAlias = tuple[str, int]


class Tasks(Facet, name="tasks"):
    """The facet of tasks."""

    ROW = SetRow | ProgressRow | TopographyRow

    def __init__(
        self,
        sets: MutableMapping[str, TaskSet] | None = None,
        progress: MutableMapping[TaskKey, TaskProgress] | None = None,
        version: int = 0,
        document: bytes = b"",
    ) -> None:
        self.sets: MutableMapping[str, TaskSet] = {} if sets is None else sets
        self._progress: MutableMapping[TaskKey, TaskProgress] = {} if progress is None else progress
        self.version = version
        self.document = document

    def draft(self) -> "Tasks":
        return Tasks(Overlay(self.sets), Overlay(self._progress), self.version, self.document)

    def progress(self, name: str, task: int) -> TaskProgress:
        """How far a task has come."""
        return self._progress[name, task]

    def position(self, name: str, task: int, topic_id: TopicId, partition: int) -> int:
        """The next offset that a task reads of one of its input partitions. Raises: KeyError for any other."""
        for each in self._progress[name, task].inputs:
            if each.topic_id == topic_id and each.partition == partition:
                return each.next_offset
        raise KeyError((name, task, topic_id, partition))

    def positions(self, name: str) -> list[InputPosition]:
        """The next offsets of all tasks of an operator; one entry for each task and input partition."""
        return [each for task in range(self.sets[name].tasks) for each in self._progress[name, task].inputs]

    def counters(self, name: str, task: int) -> dict[str, int]:
        """What a task has counted."""
        return dict(self._progress[name, task].counters)

    def user_of_topic(self, topic_id: TopicId) -> str:
        users = (tasks.name for tasks in self.sets.values() if topic_id in tasks.inputs or topic_id in tasks.outputs)
        return next(users, "")

    def readers_of(self, topic_id: TopicId) -> list[TaskSet]:
        """Every operator that reads the topic."""
        return [tasks for tasks in self.sets.values() if topic_id in tasks.inputs]

    @folds(TopographyApplied)
    def _apply(self, fact: TopographyApplied, moment: Moment, state: Facets) -> None:
        self.version, self.document = fact.version, fact.document

    @folds(TasksAttached)
    def _attach(self, fact: TasksAttached, moment: Moment, state: Facets) -> None:
        self.sets[fact.tasks.name] = fact.tasks
        for task, positions in enumerate(fact.positions):
            self._progress[fact.tasks.name, task] = TaskProgress(positions)

    @folds(TasksDetached)
    def _detach(self, fact: TasksDetached, moment: Moment, state: Facets) -> None:
        objects = state[Objects]
        for task in range(self.sets[fact.name].tasks):
            for pointer in self._progress[fact.name, task].state:
                objects.count(pointer.object_id, -1)
            del self._progress[fact.name, task]
        del self.sets[fact.name]

    @folds(TasksExtended)
    def _extend(self, fact: TasksExtended, moment: Moment, state: Facets) -> None:
        existing = self.sets[fact.name]
        for task, positions in enumerate(fact.positions, existing.tasks):
            self._progress[fact.name, task] = TaskProgress(positions)
        self.sets[fact.name] = msgspec.structs.replace(existing, tasks=existing.tasks + len(fact.positions))
        # A topography planned for fewer partitions must be planned again.
        self.version += 1

    @folds(TaskAdvanced)
    def _advance(self, fact: TaskAdvanced, moment: Moment, state: Facets) -> None:
        key, objects = (fact.name, fact.task), state[Objects]
        before = self._progress[key]
        moved = {(each.topic_id, each.partition): each for each in fact.inputs}
        counters = dict(before.counters)
        for name, increment in fact.counters:
            counters[name] = counters.get(name, 0) + increment
        for pointer in fact.state_added:
            objects.count(pointer.object_id, 1)
        for pointer in fact.state_released:
            objects.count(pointer.object_id, -1)
        remaining = tuple(pointer for pointer in before.state if pointer not in fact.state_released)
        self._progress[key] = TaskProgress(
            inputs=tuple(moved.get((each.topic_id, each.partition), each) for each in before.inputs),
            counters=tuple(counters.items()),
            progress=before.progress if fact.progress is None else fact.progress,
            state=remaining + fact.state_added,
        )

    def freeze(self) -> Iterator[Sequence[SetRow | ProgressRow | TopographyRow]]:
        yield [TopographyRow(self.version, self.document)]
        yield from slices(SetRow(tasks) for tasks in self.sets.values())
        yield from slices(ProgressRow(name, task, progress) for (name, task), progress in self._progress.items())

    def restore(self, level: int, rows: Sequence[SetRow | ProgressRow | TopographyRow]) -> None:
        for row in rows:
            match row:
                case TopographyRow():
                    self.version, self.document = row.version, row.document
                case SetRow():
                    self.sets[row.tasks.name] = row.tasks
                case ProgressRow():
                    self._progress[row.name, row.task] = row.progress
                case _:
                    assert_never(row)


def task_resource(name: str, task: int) -> str:
    """The name of a task's lease."""
    return f"task/{name}/{task}"


def _placed(pointer: Pointer, draft: Draft) -> Pointer:
    """A pointer of a proposal as the commit records it: inline payloads lie where the draft puts them."""
    if pointer.object_id != INLINE:
        return pointer
    place = draft.place
    return Pointer(place.object_id, place.position + pointer.position, pointer.length)


def _detach(tasks: Tasks, topics: Topics, name: str) -> list[Fact]:
    """An operator ends; its topics stay, without an owner."""
    existing = tasks.sets.get(name)
    if existing is None:
        raise Refused(ErrorCode.RESOURCE_NOT_FOUND, f"There is no operator '{name}'; see: higgins operator list")
    released = [TopicOwned(topic_id, "") for topic_id in existing.outputs if topic_id in topics.by_id]
    return [TasksDetached(name), *released]


def _attach(tasks: Tasks, topics: Topics, attach: AttachTasks, detached: tuple[str, ...]) -> list[Fact]:
    if any(topic_id not in topics.by_id for topic_id in (*attach.inputs, *attach.outputs)):
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"A topic of operator '{attach.name}' has been deleted.")
    existing = tasks.sets.get(attach.name) if attach.name not in detached else None
    if existing is not None:
        return [_changed(existing, attach)]
    if attach.positions is None:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Operator '{attach.name}' has been deleted meanwhile; apply again.")
    if len(tasks.sets) >= TASK_SETS_MAX:
        raise Refused(ErrorCode.POLICY_VIOLATION, f"{counted(TASK_SETS_MAX, 'operator')}, the limit, exist already.")
    _check_positions(topics, attach)
    facts: list[Fact] = []
    for output in (topics.by_id[topic_id] for topic_id in attach.outputs):
        if output.owner not in {"", attach.name}:
            raise Refused(
                ErrorCode.POLICY_VIOLATION, f"Topic '{output.name}' is written by operator '{output.owner}' already."
            )
        facts.append(TopicOwned(output.id, attach.name))
    made = TaskSet(
        attach.name, attach.generation, attach.inputs, attach.outputs, len(attach.positions), attach.specification
    )
    return [*facts, TasksAttached(made, attach.positions)]


def _changed(existing: TaskSet, attach: AttachTasks) -> TasksAttached:
    same = (existing.inputs, existing.outputs) == (attach.inputs, attach.outputs) and attach.positions is None
    if not same or attach.generation <= existing.generation:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"Operator '{attach.name}' cannot change its inputs or outputs; delete it first.",
        )
    changed = msgspec.structs.replace(existing, generation=attach.generation, specification=attach.specification)
    return TasksAttached(changed, ())


def _check_positions(topics: Topics, attach: AttachTasks) -> None:
    """Every partition of every input is read by some task, so that none is silently left out."""
    assert attach.positions is not None
    read = {(each.topic_id, each.partition) for positions in attach.positions for each in positions}
    for topic in (topics.by_id[topic_id] for topic_id in attach.inputs):
        if not read >= {(topic.id, partition) for partition in range(topic.partitions)}:
            raise Refused(ErrorCode.INVALID_REQUEST, f"Topic '{topic.name}' was given more partitions; apply again.")
