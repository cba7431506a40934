"""silence, a kind for tests: when no records have come for a while, it reports how many there were before.

Like a window, it writes nothing while records come, and closes though nothing comes any more. It may have two inputs.
"""

from collections.abc import Collection, Iterator, Sequence

from higgins.columns.columns import Columns
from higgins.ledger.state.partitions import TaskGrowth
from higgins.operators.kind import (
    Base,
    DerivedStream,
    Description,
    Format,
    Growth,
    InputStart,
    OperatorKind,
    OperatorPlan,
    PlannedInput,
    PlannedTasks,
    PlannedTopic,
    Specification,
    grow_by_partition,
)
from higgins.operators.operator import InputPartition, Operator
from higgins.operators.output import Output
from higgins.operators.state import State
from higgins.operators.topography.table import StreamTable


class SilenceSpecification(Specification, frozen=True, kw_only=True, tag="silence"):
    after_ms: int

    def open(self) -> Operator:
        return SilenceOperator(self.after_ms)

    def describe(self) -> Description:
        return Description(f"silence of {self.after_ms} ms")

    def change_from(self, previous: Specification) -> str:
        return "another time"

    def grow(self, growth: Growth) -> TaskGrowth:
        return grow_by_partition(growth)


class SilenceStream(DerivedStream, frozen=True, kw_only=True, tag="silence"):
    base: str
    other: str = ""
    after_ms: int

    @classmethod
    def read(cls, table: StreamTable, topic: str, config: dict[str, str]) -> "SilenceStream":
        after_ms = table.integer("after_ms", 1, 1_000_000) or 1_000
        base, other = table.text("base"), table.text("with")
        return SilenceStream(topic=topic, config=config, base=base, other=other, after_ms=after_ms)

    def bases(self) -> Sequence[Base]:
        return [base for base in (Base(self.base), Base(self.other, "with")) if base.stream]

    def check(self, inputs: Sequence[Format | None]) -> Iterator[tuple[str, str]]:
        return iter(())

    def plan(self, inputs: Sequence[PlannedInput]) -> OperatorPlan:
        count = inputs[0].partitions
        reads = tuple(tuple(InputStart(index, partition) for index in range(len(inputs))) for partition in range(count))
        topics = tuple(each.topic for each in inputs)
        tasks = PlannedTasks(SilenceSpecification(after_ms=self.after_ms), topics, (self.topic,), reads)
        return OperatorPlan((PlannedTopic(self.topic, count),), (tasks,))


class SilenceOperator(Operator):
    """Its clock starts at the first call of `on_time` after a record; its progress says whether it has reported."""

    def __init__(self, after_ms: int) -> None:
        self._after_ms = after_ms
        self._wake_at_ms: int | None = None
        self._partition = 0
        self._records = 0

    def restore(self, state: State) -> None:
        self._records = int(state.progress)
        self._wake_at_ms = 0 if self._records else None

    def process(self, input: int, columns: Columns, output: Output) -> None:
        self._partition = columns.partition
        self._records += len(columns)
        self._wake_at_ms = 0

    def wake_at_ms(self) -> int | None:
        return self._wake_at_ms

    def on_time(self, now_ms: int, unread: Collection[InputPartition], output: Output) -> None:
        if self._wake_at_ms == 0 or unread:
            self._wake_at_ms = now_ms + self._after_ms
            return
        output.emit(0, self._partition, timestamp=now_ms, key=None, value=b"%d" % self._records)
        self._records, self._wake_at_ms = 0, None

    def close_epoch(self, state: State, output: Output) -> None:
        state.set_progress(b"%d" % self._records)


KIND = OperatorKind(SilenceStream, SilenceSpecification, keys=("after_ms", "with"))
