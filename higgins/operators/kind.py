"""What an operator kind consists of. A kind is one module in `kinds/` and one line in the table there.

The module declares two values and the operator itself:

- a subclass of `DerivedStream`: what a user writes about a stream of this kind, as the topography keeps it. It reads
  its keys from TOML, names its bases, checks itself against them, and plans topics and tasks.
- a subclass of `Specification`: what the tasks of the operator are to do, as the ledger keeps it. It opens the
  operator, describes itself, says what a change means, and how the tasks grow with their input.
- `KIND = OperatorKind(...)`, which names both, and the TOML keys of the kind.

Both structs have the kind's name as their tag (`tag="filter"`). Nothing outside the module knows the kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

import msgspec

from higgins.ledger.state.partitions import TaskGrowth
from higgins.ledger.state.tasks import InputPosition, TaskSet
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.operator import Operator
from higgins.operators.topography.table import StreamTable
from higgins_protocol.errors import ErrorCode

Format: TypeAlias = Literal["json", "bytes"]
FORMATS: tuple[Format, ...] = ("json", "bytes")
"""How the values of a stream are decoded."""


# What tasks do.


class Description(msgspec.Struct, frozen=True):
    """An operator in words, for lists and messages."""

    sentence: str
    """Follows "Operator 'x' is ": a noun phrase without a full stop."""
    where: str = ""
    """Its condition, if it has one."""
    format: str = ""
    """How it decodes the values of its input."""


class Growth(msgspec.Struct, frozen=True):
    """Partitions are being added to inputs of an operator."""

    tasks: TaskSet
    before: Mapping[TopicId, int]
    """The partition counts of its inputs and outputs as they are; without topics that have been deleted."""
    after: Mapping[TopicId, int]
    """The new partition counts of the inputs that grow."""


class Specification(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """What the tasks of an operator do. The ledger keeps its encoded form without reading it."""

    def encode(self) -> bytes:
        """The canonical form: equal specifications have equal bytes."""
        return msgspec.json.encode(self, order="deterministic")

    def open(self) -> Operator:
        """The operator, compiled, for one task. Called in a thread: may take milliseconds.

        Raises: ExpressionError for an expression that this version cannot read.
        """
        raise NotImplementedError

    def describe(self) -> Description:
        """What it does, in words."""
        raise NotImplementedError

    def change_from(self, previous: "Specification") -> str:
        """What changing an operator from `previous` to this means, in a clause after "from its next epoch on: ".

        Raises: Unchangeable when the tasks could not go on from where they are, for example because their state has
        another meaning now.
        """
        raise NotImplementedError

    def grow(self, growth: Growth) -> TaskGrowth:
        """The tasks and output partitions to add. Raises: Refused(POLICY_VIOLATION) where the operator cannot grow."""
        raise NotImplementedError


class Unchangeable(Exception):
    """An operator cannot be changed like this; the message says why, without what to do."""


def grow_by_partition(growth: Growth) -> TaskGrowth:
    """For operators that treat every record alike: one more task for each new input partition.

    It writes the output partition of the same number, so every output gets as many partitions as the input.
    """
    tasks, before, after = growth.tasks, growth.before, growth.after
    outputs = tuple(
        (output, max(after.values()))
        for output in tasks.outputs
        if output in before and before[output] < max(after.values())
    )
    positions = tuple(
        (InputPosition(topic_id, partition, 0),)
        for topic_id in tasks.inputs
        if topic_id in after
        for partition in range(before[topic_id], after[topic_id])
    )
    return TaskGrowth(tasks.name, tasks.generation, outputs, positions)


def refuse_keyed_growth(growth: Growth) -> Refused:
    """The refusal of operators whose state is kept by key."""
    name = growth.tasks.name
    return Refused(
        ErrorCode.POLICY_VIOLATION,
        f"Partitions cannot be added under operator '{name}': it keeps state by key, and records of a key would go to "
        f"another partition than its state. Delete the operator first: higgins operator delete {name}",
    )


# What a topography says.


class Stream(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """A stream of a topography, and the topic that holds it."""

    topic: str
    config: dict[str, str] = {}


class Base(msgspec.Struct, frozen=True):
    """A stream that another derives from, and the TOML key that names it."""

    stream: str
    key: str = "base"


class PlannedInput(msgspec.Struct, frozen=True):
    """The topic of a base, which exists or is created by the same proposal."""

    stream: str
    topic: str
    partitions: int
    format: Format


class PlannedTopic(msgspec.Struct, frozen=True):
    """A topic that the operator writes."""

    name: str
    partitions: int
    config: dict[str, str] = {}
    is_hidden: bool = False
    """Whether it only connects stages of the operator, for example after a change of keys."""


class InputStart(msgspec.Struct, frozen=True):
    """An input partition that a task reads, by the input's index, and the first offset it reads."""

    input: int
    partition: int
    offset: int = 0


class PlannedTasks(msgspec.Struct, frozen=True):
    """Tasks that do the same thing. Most operators are one such set.

    An operator that repartitions its input has a stage before it: tasks that read the base and write a hidden topic,
    which is an input of the operator's own tasks. A stage is an operator to the ledger, named `<operator>:<stage>`;
    a stream cannot have such a name.
    """

    specification: Specification
    inputs: tuple[str, ...]
    """Topic names, in the order of the operator's input indexes."""
    outputs: tuple[str, ...]
    """Topic names, in the order of the operator's output indexes."""
    reads: tuple[tuple[InputStart, ...], ...]
    """For each task, the input partitions it reads, and where it begins. Every partition is read by some task."""
    stage: str = ""
    """Empty for the operator's own tasks."""


class OperatorPlan(msgspec.Struct, frozen=True):
    """Everything that has to exist for a derived stream; the planner compares it with what does."""

    topics: tuple[PlannedTopic, ...]
    """The stream's own topic first."""
    tasks: tuple[PlannedTasks, ...]
    """Stages before the operator's own tasks, which come last."""


class DerivedStream(Stream, frozen=True, kw_only=True):
    """A stream that an operator of the same name derives from others."""

    @classmethod
    def read(cls, table: StreamTable, topic: str, config: dict[str, str]) -> "DerivedStream":
        """From the keys of a TOML table; what is wrong is reported to `table`, and a default stands in for it.

        Unknown keys, `type`, `topic` and `config` have been checked.
        """
        raise NotImplementedError

    def bases(self) -> Sequence[Base]:
        """The streams it derives from, in the order of its inputs; without those that are missing in the file."""
        raise NotImplementedError

    def topics(self) -> Sequence[str]:
        """The names of all visible topics that its operator writes."""
        return (self.topic,)

    def format_of(self, inputs: Sequence[Format]) -> Format:
        """The format of its values, given those of its bases."""
        return inputs[0]

    def check(self, inputs: Sequence[Format | None]) -> Iterator[tuple[str, str]]:
        """What is wrong with it, given the formats of its bases (None where unknown): the TOML key, and a sentence.

        Compiles expressions, so it is called in a thread.
        """
        raise NotImplementedError

    def plan(self, inputs: Sequence[PlannedInput]) -> OperatorPlan:
        """The topics and tasks it needs."""
        raise NotImplementedError


class OperatorKind(msgspec.Struct, frozen=True):
    """One kind, as the table of kinds has it."""

    stream: type[DerivedStream]
    specification: type[Specification]
    keys: tuple[str, ...]
    """The TOML keys that it reads, without those that every derived stream has."""
    implied_by: frozenset[str] = frozenset()
    """If a stream has exactly these keys besides the common ones, `type` may be left out."""

    COMMON_KEYS: ClassVar[tuple[str, ...]] = ("base", "type", "topic", "config")

    @property
    def name(self) -> str:
        """What `type` says, and the tag of both structs."""
        tag = self.specification.__struct_config__.tag
        assert isinstance(tag, str) and tag == self.stream.__struct_config__.tag, self
        return tag

    @property
    def all_keys(self) -> tuple[str, ...]:
        """Every key that a stream of this kind may have."""
        return (*self.keys, *self.COMMON_KEYS)
