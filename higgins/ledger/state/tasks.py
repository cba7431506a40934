"""Tasks: which sets of tasks exist, and how far each task has come. What they compute is opaque here."""

from collections.abc import MutableMapping
from typing import ClassVar

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.runs import Append
from higgins.ledger.state.sessions import Sessions
from higgins.ledger.state.topics import CreateTopic, TopicOwned, Topics, create_topic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode

TASK_SETS_MAX = 10_000


class TaskSet(msgspec.Struct, frozen=True, array_like=True):
    """The tasks of one operator: one for each partition of its input. `specification` is opaque."""

    name: str
    generation: int
    input: TopicId
    output: TopicId
    partitions: int
    specification: bytes


class TaskProgress(msgspec.Struct, frozen=True, array_like=True):
    """How far a task has come: the next input offset, its counters, and the pointer to its state."""

    position: int
    counters: tuple[tuple[str, int], ...] = ()
    state_pointer: bytes = b""


class AttachTasks(msgspec.Struct, frozen=True):
    """Begin an operator, or (same name, greater generation, same input and output) change what it computes."""

    name: str
    generation: int
    input: TopicId
    output: TopicId
    specification: bytes
    start_offsets: tuple[int, ...] | None = None


class ApplyAssembly(Proposal, frozen=True):
    """A whole topography at once: topics to make, operators to attach and detach, the document as applied.

    Compare-and-set on `base_version`; the result is the new version.
    """

    base_version: int
    topics: tuple[CreateTopic, ...]
    attach: tuple[AttachTasks, ...]
    detach: tuple[str, ...]
    document: bytes


class TaskStep(Proposal, frozen=True):
    """One epoch of a task: its output, its progress and its state's pointer move together or not at all.

    The result is, for each append, the list of base offsets.
    """

    lingers: ClassVar[bool] = True
    name: str
    generation: int
    partition: int
    epoch: int
    lease_epoch: int
    from_offset: int
    to_offset: int
    appends: tuple[Append, ...]
    counters: tuple[tuple[str, int], ...] = ()
    state_pointer: bytes = b""


class AssemblyApplied(Fact, frozen=True, tag=70):
    version: int
    document: bytes


class TasksAttached(Fact, frozen=True, tag=71):
    tasks: TaskSet
    start_offsets: tuple[int, ...]
    """Empty when the tasks go on where they are."""


class TasksDetached(Fact, frozen=True, tag=72):
    name: str


class TaskAdvanced(Fact, frozen=True, tag=73):
    name: str
    partition: int
    position: int
    counters: tuple[tuple[str, int], ...] = ()
    """Increments."""
    state_pointer: bytes = b""


class TasksExtended(Fact, frozen=True, tag=74):
    """The input of an operator has more partitions, and so has the operator tasks, which begin at their start."""

    name: str
    partitions: int


TaskKey = tuple[str, int]


class Tasks:
    """The facet of tasks."""

    def __init__(
        self,
        sets: MutableMapping[str, TaskSet],
        progress: MutableMapping[TaskKey, TaskProgress],
        version: int = 0,
        document: bytes = b"",
    ) -> None:
        self.sets = sets
        self._progress = progress
        self.version = version
        self.document = document

    def draft(self) -> "Tasks":
        return Tasks(Overlay(self.sets), Overlay(self._progress), self.version, self.document)

    def position(self, name: str, partition: int) -> int:
        """The next input offset of a task."""
        return self._progress[name, partition].position

    def counters(self, name: str, partition: int) -> dict[str, int]:
        return dict(self._progress[name, partition].counters)

    def state_pointer(self, name: str, partition: int) -> bytes:
        return self._progress[name, partition].state_pointer

    def user_of(self, topic_id: TopicId) -> str:
        """An operator that reads or writes the topic, or the empty string."""
        return next((tasks.name for tasks in self.sets.values() if topic_id in {tasks.input, tasks.output}), "")

    def readers_of(self, topic_id: TopicId) -> list[TaskSet]:
        """Every operator that reads the topic."""
        return [tasks for tasks in self.sets.values() if tasks.input == topic_id]

    def fold(
        self, fact: AssemblyApplied | TasksAttached | TasksDetached | TaskAdvanced | TasksExtended, moment: Moment
    ) -> None:
        match fact:
            case AssemblyApplied():
                self.version, self.document = fact.version, fact.document
            case TasksAttached():
                self.sets[fact.tasks.name] = fact.tasks
                for partition, offset in enumerate(fact.start_offsets):
                    self._progress[fact.tasks.name, partition] = TaskProgress(offset)
            case TasksDetached():
                for partition in range(self.sets[fact.name].partitions):
                    del self._progress[fact.name, partition]
                del self.sets[fact.name]
            case TasksExtended():
                existing = self.sets[fact.name]
                for partition in range(existing.partitions, fact.partitions):
                    self._progress[fact.name, partition] = TaskProgress(0)
                self.sets[fact.name] = msgspec.structs.replace(existing, partitions=fact.partitions)
                # What was planned for fewer partitions is to be planned again.
                self.version += 1
            case TaskAdvanced():
                key = (fact.name, fact.partition)
                counters = dict(self._progress[key].counters)
                for name, increment in fact.counters:
                    counters[name] = counters.get(name, 0) + increment
                self._progress[key] = TaskProgress(fact.position, tuple(counters.items()), fact.state_pointer)

    def freeze(self) -> tuple[int, bytes, list[TaskSet], list[tuple[str, int, TaskProgress]]]:
        rows = [(name, partition, progress) for (name, partition), progress in self._progress.items()]
        return self.version, self.document, list(self.sets.values()), rows

    @staticmethod
    def restore(frozen: tuple[int, bytes, list[TaskSet], list[tuple[str, int, TaskProgress]]]) -> "Tasks":
        version, document, sets, rows = frozen
        return Tasks(
            {tasks.name: tasks for tasks in sets},
            {(name, partition): progress for name, partition, progress in rows},
            version,
            document,
        )


def task_resource(name: str, partition: int) -> str:
    """The name of a task's lease."""
    return f"task/{name}/{partition}"


def apply_assembly(tasks: Tasks, topics: Topics, proposal: ApplyAssembly) -> tuple[list[Fact], int]:
    """The facts of a topography. `topics` must be a draft: topics made here are folded into it on the way.

    Raises: Refused(INVALID_REQUEST when something else was applied meanwhile, or what create_topic says).
    """
    if proposal.base_version != tasks.version:
        raise Refused(ErrorCode.INVALID_REQUEST, "Another topography was applied meanwhile; apply again.")
    scratch = topics.draft()
    facts: list[Fact] = []
    for creation in proposal.topics:
        for fact in create_topic(scratch, creation):
            scratch.fold(fact, Moment(0, 0, 0))  # type: ignore[arg-type]
            facts.append(fact)
    for name in proposal.detach:
        facts += detach_facts(tasks, scratch, name)
    for attach in proposal.attach:
        facts += _attach_facts(tasks, scratch, attach, proposal.detach)
    version = tasks.version + 1
    return [*facts, AssemblyApplied(version, proposal.document)], version


def detach_facts(tasks: Tasks, topics: Topics, name: str) -> list[Fact]:
    """An operator ends; its topic stays, and belongs to nobody."""
    existing = tasks.sets.get(name)
    if existing is None:
        raise Refused(ErrorCode.RESOURCE_NOT_FOUND, f"There is no operator '{name}'; see: higgins operator list")
    output = topics.by_id.get(existing.output)
    released: list[Fact] = [TopicOwned(existing.output, "")] if output is not None else []
    return [TasksDetached(name), *released]


def _attach_facts(tasks: Tasks, topics: Topics, attach: AttachTasks, detached: tuple[str, ...]) -> list[Fact]:
    source, output = topics.by_id.get(attach.input), topics.by_id.get(attach.output)
    if source is None or output is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"A topic of operator '{attach.name}' has been deleted.")
    existing = tasks.sets.get(attach.name) if attach.name not in detached else None
    made = TaskSet(
        attach.name, attach.generation, attach.input, attach.output, source.partitions, attach.specification
    )
    if existing is not None:
        same = (existing.input, existing.output) == (attach.input, attach.output)
        if not same or attach.generation <= existing.generation:
            raise Refused(
                ErrorCode.INVALID_REQUEST,
                f"Operator '{attach.name}' cannot change its input or output; delete it first.",
            )
        return [TasksAttached(made, ())]
    if output.partitions < source.partitions:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Topic '{source.name}' was given more partitions; apply again.")
    if len(tasks.sets) >= TASK_SETS_MAX:
        raise Refused(ErrorCode.POLICY_VIOLATION, f"{TASK_SETS_MAX} operators are the limit.")
    if output.owner not in {"", attach.name}:
        raise Refused(
            ErrorCode.POLICY_VIOLATION, f"Topic '{output.name}' is written by operator '{output.owner}' already."
        )
    starts = attach.start_offsets or (0,) * source.partitions
    return [TopicOwned(output.id, attach.name), TasksAttached(made, starts)]


def check_step(tasks: Tasks, sessions: Sessions, proposal: TaskStep) -> None:
    """Whether the epoch may be committed: right generation, right lease, and it begins where the last one ended.

    Raises: Refused(FENCED_LEADER_EPOCH), after which the task reads its position again.
    """
    existing = tasks.sets.get(proposal.name)
    if existing is None or existing.generation != proposal.generation:
        raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"Operator '{proposal.name}' has changed meanwhile.")
    resource = task_resource(proposal.name, proposal.partition)
    if not sessions.holds(proposal.epoch, resource, proposal.lease_epoch):
        raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"{resource} is held by another node by now.")
    if tasks.position(proposal.name, proposal.partition) != proposal.from_offset:
        raise Refused(ErrorCode.FENCED_LEADER_EPOCH, f"{resource} has moved past offset {proposal.from_offset}.")
