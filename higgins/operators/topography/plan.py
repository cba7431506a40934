"""What applying a topography would change: one proposal and its sentences, or the problems that stand in the way. Pure.

Behaviour: `apply` adds and changes what the file names, and leaves every other stream as it is. An operator is removed
by `operator delete`, and its topics stay. Applying the same file twice changes nothing, and commits nothing. A changed
operator goes on where it is, from its next epoch, if its kind allows the change. An operator never changes its bases or
topics. It takes over a topic that exists only if it is told to adopt it, and from which offset of its base.
`partitions` of a source is a least number: a topic that has more keeps them.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from higgins.ledger.state.runs import Runs
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition, Tasks, TaskSet
from higgins.ledger.state.topics import CreateTopic, Topic, Topics, collision_message, metric_name
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.words import counted
from higgins.operators.kind import (
    DerivedStream,
    Format,
    OperatorPlan,
    PlannedInput,
    PlannedTasks,
    PlannedTopic,
    Stream,
    Unchangeable,
)
from higgins.operators.kinds import decode_specification
from higgins.operators.topography.adopt import AdoptionError, start_offsets, start_text
from higgins.operators.topography.document import Source, Topography, decode
from higgins.operators.topography.lines import KeyLines
from higgins.operators.topography.table import Problem, TopographyError, shown
from higgins_protocol.errors import ErrorCode

STAGE_SEPARATOR = ":"
"""Between an operator's name and a stage's. No stream has it in its name."""


class Facets(Protocol):
    """What planning reads of the ledger's state."""

    @property
    def topics(self) -> Topics: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def runs(self) -> Runs: ...


class Plan(msgspec.Struct, frozen=True):
    """A proposal, None when there is nothing to do, and what it changes, in sentences."""

    proposal: ApplyTopography | None
    changes: tuple[str, ...]
    version: str
    notes: tuple[str, ...] = ()
    """What is worth knowing though nothing changes."""
    hidden_topics: tuple[TopicId, ...] = ()
    """Topics between the stages of a deleted operator, which nobody else needs."""


def plan_application(
    file: Topography,
    lines: KeyLines,
    state: Facets,
    *,
    partitions_default: int,
    new_topic_id: Callable[[], TopicId],
    adopt: Mapping[str, str] | None = None,
) -> Plan:
    """What applying a checked file changes. Raises: TopographyError, where the file contradicts what exists.

    `adopt` names streams whose operators take over topics that exist, and where each begins; see `adopt`.
    """
    planner = _Planner(file, lines, state, partitions_default, new_topic_id, adopt or {})
    planner.run()
    if planner.problems:
        raise TopographyError(planner.problems)
    document = planner.merged.encode()
    version = planner.merged.version()
    if not planner.creations and not planner.attachments and document == state.tasks.document:
        return Plan(None, (), version, tuple(planner.notes))
    proposal = ApplyTopography(
        base_version=state.tasks.version,
        topics=tuple(planner.creations.values()),
        attach=tuple(planner.attachments),
        detach=(),
        document=document,
    )
    return Plan(proposal, tuple(planner.changes), version, tuple(planner.notes))


def plan_deletion(name: str, state: Facets) -> Plan:
    """The end of an operator and its stages. Its topics stay, and anyone may write them. Raises: Refused.

    Topics between its stages hold only what was on its way; they are to be deleted once the operator is.
    """
    if name not in state.tasks.sets:
        names = ", ".join(sorted(state.tasks.sets)) or "none"
        raise Refused(ErrorCode.RESOURCE_NOT_FOUND, f"There is no operator '{name}'. Operators: {names}.")
    applied = decode(state.tasks.document)
    remaining = applied.without_operator(name) if name in applied.streams else applied
    detached = (name, *stages_of(name, state.tasks))
    proposal = ApplyTopography(
        base_version=state.tasks.version, topics=(), attach=(), detach=detached, document=remaining.encode()
    )
    outputs = state.tasks.sets[name].outputs
    hidden = tuple(topic_id for each in stages_of(name, state.tasks) for topic_id in state.tasks.sets[each].outputs)
    names_kept = [f"'{topic.name}'" for topic_id in outputs if (topic := state.topics.by_id.get(topic_id))]
    kept = ""
    if names_kept:
        one = len(names_kept) == 1
        kept = f" Its {'topic' if one else 'topics'} {', '.join(names_kept)} {'stays' if one else 'stay'}, with all "
        kept += "records."
    changes = [f"Operator '{name}' is deleted.{kept}"]
    if names_kept and len(state.tasks.sets[name].inputs) == 1 and not hidden:
        reached = start_text({each.partition: each.next_offset for each in state.tasks.positions(name)})
        changes.append(f"To go on where it ended: higgins apply FILE --adopt {name}={reached}")
    return Plan(proposal, tuple(changes), remaining.version(), hidden_topics=hidden)


def stages_of(name: str, tasks: Tasks) -> list[str]:
    """The names of the sets of tasks that prepare an operator's input."""
    return [each for each in tasks.sets if each.startswith(name + STAGE_SEPARATOR)]


class _Planner:
    """One application. Creations, attachments, changes and problems fill up on the way."""

    def __init__(
        self,
        file: Topography,
        lines: KeyLines,
        state: Facets,
        partitions_default: int,
        new_topic_id: Callable[[], TopicId],
        adopt: Mapping[str, str],
    ) -> None:
        self._file = file
        self._lines = lines
        self._state = state
        self._partitions_default = partitions_default
        self._new_topic_id = new_topic_id
        self._adopt = adopt
        self._applied = decode(state.tasks.document)
        self.merged = self._applied.with_streams(file.streams)
        self.creations: dict[str, CreateTopic] = {}
        self.attachments: list[AttachTasks] = []
        self.changes: list[str] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []

    def run(self) -> None:
        for name in self._adopt:
            if not isinstance(self._file.streams.get(name), DerivedStream):
                self._report(name, "", f"There is no derived stream '{shown(name)}' in the file that adopts a topic.")
        for name, stream in self._file.streams.items():
            if isinstance(stream, Source):
                self._source(name, stream)
        formats = self.merged.formats()
        for name in self.merged.bases_first():
            stream = self.merged.streams[name]
            # All of them: a derived stream of an earlier file changes with the format of its source.
            if isinstance(stream, DerivedStream):
                self._derived(name, stream, formats)
        if not self.changes and not self.problems and self.merged != self._applied:
            self.changes.append("The description of streams changes; topics and operators stay as they are.")

    def _report(self, name: str, key: str, message: str) -> None:
        self.problems.append(Problem(self._lines.of("streams", name, key), message))

    def _source(self, name: str, source: Source) -> None:
        if name in self._state.tasks.sets:
            self._report(
                name, "",
                f"Stream '{name}' is derived by an operator. To make it a source, delete the operator first: "
                f"higgins operator delete {name}",
            )  # fmt: skip
            return
        topic = self._state.topics.by_name.get(source.topic)
        if topic is None:
            self._create(PlannedTopic(source.topic, source.partitions or self._partitions_default, source.config))
            return
        if source.partitions is not None and source.partitions > topic.partitions:
            self._report(
                name, "partitions",
                f"Topic '{topic.name}' has {counted(topic.partitions, 'partition')}, and apply does not add any. Add "
                f"them: higgins topic partitions {topic.name} {source.partitions}. Or write partitions = "
                f"{topic.partitions}, or remove the key.",
            )  # fmt: skip
        elif source.partitions is not None and source.partitions < topic.partitions:
            self.notes.append(
                f"Topic '{topic.name}' keeps its {counted(topic.partitions, 'partition')}; the file asks for at least "
                f"{source.partitions}."
            )
        self._check_config(name, source.config, topic)

    def _check_config(self, name: str, config: dict[str, str], topic: Topic) -> None:
        differing = sorted(key for key, value in config.items() if topic.configs.get(key) != value)
        if differing:
            self._report(
                name, "config",
                f"Topic '{topic.name}' exists with another {', '.join(differing)}, and apply does not change the "
                "config of existing topics. Remove the entry here, or change the topic: higgins topic config.",
            )  # fmt: skip

    def _derived(self, name: str, derived: DerivedStream, formats: Mapping[str, Format]) -> None:
        inputs: list[PlannedInput] = []
        for base in derived.bases():
            topic = self._topic_of(self.merged.streams[base.stream])
            if topic is None:
                return  # the base has a problem of its own, which is reported
            inputs.append(PlannedInput(base.stream, topic[0], topic[1], formats[base.stream]))
        plan = derived.plan(inputs)
        assert [tasks.stage for tasks in plan.tasks].index("") == len(plan.tasks) - 1, f"{name}: {plan}"
        if name not in self._state.tasks.sets:
            self._begin(name, derived, plan)
        else:
            self._change(name, derived, plan)

    def _begin(self, name: str, derived: DerivedStream, plan: OperatorPlan) -> None:
        writable = [self._is_writable(name, topic_plan) for topic_plan in plan.topics]  # all problems are reported
        if not all(writable):
            return
        writers = {output: tasks.stage for tasks in plan.tasks for output in tasks.outputs}
        for topic_plan in plan.topics:
            existing = self._state.topics.by_name.get(topic_plan.name)
            if existing is not None:
                self._check_config(name, topic_plan.config, existing)
                self.changes.append(f"Topic '{topic_plan.name}' is adopted, with its records, by operator '{name}'.")
            else:
                self._create(topic_plan, owner=_task_name(name, writers[topic_plan.name]), hidden_for=name)
        bases = ", ".join(f"'{base.stream}'" for base in derived.bases())
        sentence = plan.tasks[-1].specification.describe().sentence
        self.changes.append(f"Operator '{name}' begins on {bases}: {sentence}.")
        for tasks in plan.tasks:
            inputs, outputs = self._ids(tasks.inputs), self._ids(tasks.outputs)
            offsets = [self._start_offsets(name, topic) for topic in tasks.inputs]
            positions = tuple(
                tuple(
                    InputPosition(
                        inputs[start.input], start.partition, offsets[start.input].get(start.partition, start.offset)
                    )
                    for start in starts
                )
                for starts in tasks.reads
            )
            self._attach(_task_name(name, tasks.stage), inputs, outputs, tasks, positions)

    def _is_writable(self, name: str, planned: PlannedTopic) -> bool:
        """Whether the operator may write the topic: it is created, or adopted. Reports why not."""
        topic = self._state.topics.by_name.get(planned.name)
        if topic is None:
            return True
        if topic.owner:
            why = f"operator '{topic.owner}' writes it. Choose another name: topic = \"{topic.name}.2\""
        elif name not in self._adopt or planned.is_hidden:
            why = (
                "an operator writes a topic that it has not created only if it is told to. To go on writing it, with "
                f"what comes to the base from now on: higgins apply FILE --adopt {name}=latest (or "
                f"{name}=earliest, or its offsets: {name}=0:12,1:7). To begin anew beside it, write in the file: "
                f'topic = "{topic.name}.2". To begin anew in its place, first run: higgins topic delete {topic.name}'
            )
        elif topic.partitions < planned.partitions:
            why = (
                f"it has {counted(topic.partitions, 'partition')}, and the operator writes {planned.partitions}. Add "
                f"them first: higgins topic partitions {topic.name} {planned.partitions}"
            )
        else:
            return True
        self._report(name, "topic", f"Topic '{topic.name}' exists already, and {why}")
        return False

    def _start_offsets(self, name: str, base: str) -> dict[int, int]:
        """Where the operator begins in a base, if it adopts a topic; empty: where its plan says."""
        topic = self._state.topics.by_name.get(base)
        if name not in self._adopt or topic is None:
            return {}
        high_watermark = self._state.runs.high_watermark
        ends = {partition: high_watermark(topic.id, partition) for partition in range(topic.partitions)}
        try:
            return start_offsets(self._adopt[name], ends)
        except AdoptionError as error:
            self._report(name, "", f"Operator '{name}' cannot begin at the start that --adopt gives. {error}")
            return {}

    def _change(self, name: str, derived: DerivedStream, plan: OperatorPlan) -> None:
        sets = self._state.tasks.sets
        planned = {_task_name(name, tasks.stage): tasks for tasks in plan.tasks}
        if planned.keys() != {name, *stages_of(name, self._state.tasks)}:
            return self._report(name, "type", _unchangeable(name, "how it repartitions its input", "its state"))
        for task_name, tasks in planned.items():
            existing = sets[task_name]
            if self._names(existing.inputs) != tasks.inputs:
                return self._report(name, "base", _unchangeable(name, "its base", "the output of two inputs"))
            if self._names(existing.outputs) != tasks.outputs:
                return self._report(name, "topic", _unchangeable(name, "its topic", "the output of two versions"))
        for task_name, tasks in planned.items():
            self._change_tasks(name, sets[task_name], tasks)
        if name in self._file.streams:
            own_topic = self._state.topics.by_name[plan.topics[0].name]
            self._check_config(name, derived.config, own_topic)
        return None

    def _change_tasks(self, name: str, existing: TaskSet, tasks: PlannedTasks) -> None:
        if existing.specification == tasks.specification.encode():
            return
        try:
            change = tasks.specification.change_from(decode_specification(existing.specification))
        except Unchangeable as error:
            self._report(name, "", f"{error} First run: higgins operator delete {name}")
            return
        self.changes.append(f"Operator '{name}' changes from its next epoch on: {change}.")
        self._attach(existing.name, existing.inputs, existing.outputs, tasks, None)

    def _attach(
        self,
        name: str,
        inputs: tuple[TopicId, ...],
        outputs: tuple[TopicId, ...],
        tasks: PlannedTasks,
        positions: tuple[tuple[InputPosition, ...], ...] | None,
    ) -> None:
        # Named after the version of the topography that brings it, so that no generation is ever used twice.
        generation = self._state.tasks.version + 1
        encoded = tasks.specification.encode()
        self.attachments.append(AttachTasks(name, generation, inputs, outputs, encoded, positions))

    def _create(self, topic: PlannedTopic, *, owner: str = "", hidden_for: str = "") -> None:
        if topic.name in self.creations:
            return
        self._check_collision(topic.name, hidden_for)
        self.creations[topic.name] = CreateTopic(
            topic.name, self._new_topic_id(), topic.partitions, topic.config, owner
        )
        count = f"{topic.partitions} partition{'s' if topic.partitions != 1 else ''}"
        if topic.is_hidden:
            self.changes.append(f"Topic '{topic.name}' is created between the stages of '{hidden_for}', with {count}.")
        else:
            self.changes.append(f"Topic '{topic.name}' is created, with {count}.")

    def _check_collision(self, topic: str, hidden_for: str) -> None:
        alike = [name for name in self.creations if metric_name(name) == metric_name(topic)]
        other = self._state.topics.colliding(topic) or next(iter(alike), None)
        if other is not None:
            streams = (name for name, stream in self.merged.streams.items() if stream.topic == topic)
            self._report(next(streams, hidden_for), "topic", collision_message(topic, other))

    def _topic_of(self, stream: Stream) -> tuple[str, int] | None:
        """The name and partition count of a stream's topic, which may have to be created."""
        existing = self._state.topics.by_name.get(stream.topic)
        if existing is not None:
            return existing.name, existing.partitions
        if stream.topic not in self.creations:
            if not isinstance(stream, Source):
                return None
            # The source is from an earlier file, and its topic has been deleted since.
            partitions = stream.partitions or self._partitions_default
            self._create(PlannedTopic(stream.topic, partitions, stream.config))
        creation = self.creations[stream.topic]
        return creation.name, creation.partitions

    def _ids(self, names: tuple[str, ...]) -> tuple[TopicId, ...]:
        """The ids of topics that exist or are created."""
        by_name = self._state.topics.by_name
        return tuple(by_name[name].id if name in by_name else self.creations[name].topic_id for name in names)

    def _names(self, topic_ids: tuple[TopicId, ...]) -> tuple[str, ...]:
        by_id = self._state.topics.by_id
        return tuple(by_id[topic_id].name if topic_id in by_id else "" for topic_id in topic_ids)


def _task_name(operator: str, stage: str) -> str:
    return f"{operator}{STAGE_SEPARATOR}{stage}" if stage else operator


def _unchangeable(name: str, key: str, mixed: str) -> str:
    return (
        f"Operator '{name}' cannot change {key}, because its topic would mix {mixed}. "
        f"First run: higgins operator delete {name}"
    )
