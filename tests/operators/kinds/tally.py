"""tally, a kind for tests: counts up for each record of `base` and down for each of `with`, per key.

Everything an operator may have: two inputs, two outputs (running counts, and records without a key), state in blocks
(a delta for each epoch, a snapshot now and then), progress in the ledger, and partitions that cannot be added.
"""

from collections.abc import Iterator, Sequence

import msgspec

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
    Unchangeable,
    refuse_keyed_growth,
)
from higgins.operators.operator import Operator
from higgins.operators.output import Output
from higgins.operators.state import State
from higgins.operators.topography.table import StreamTable

COUNTS, KEYLESS = 0, 1
BLOCKS_MAX = 5


class TallySpecification(Specification, frozen=True, kw_only=True, tag="tally"):
    step: int

    def open(self) -> Operator:
        return TallyOperator(self.step)

    def describe(self) -> Description:
        return Description(f"a tally in steps of {self.step}")

    def change_from(self, previous: Specification) -> str:
        raise Unchangeable("The counts so far were made in other steps.")

    def grow(self, growth: Growth) -> TaskGrowth:
        raise refuse_keyed_growth(growth)


class TallyStream(DerivedStream, frozen=True, kw_only=True, tag="tally"):
    base: str
    minus: str
    keyless: str
    step: int = 1

    @classmethod
    def read(cls, table: StreamTable, topic: str, config: dict[str, str]) -> "TallyStream":
        return TallyStream(
            topic=topic,
            config=config,
            base=table.required_text("base", 'base = "<stream>"'),
            minus=table.required_text("with", 'with = "<stream>"'),
            keyless=table.text("keyless", f"{topic}.keyless"),
            step=table.integer("step", 1, 100) or 1,
        )

    def bases(self) -> Sequence[Base]:
        return [base for base in (Base(self.base), Base(self.minus, "with")) if base.stream]

    def topics(self) -> Sequence[str]:
        return (self.topic, self.keyless)

    def format_of(self, inputs: Sequence[Format]) -> Format:
        return "json"

    def check(self, inputs: Sequence[Format | None]) -> Iterator[tuple[str, str]]:
        if "bytes" in inputs:
            yield "base", "its values must be JSON."

    def plan(self, inputs: Sequence[PlannedInput]) -> OperatorPlan:
        plus, minus = inputs
        count = max(plus.partitions, minus.partitions)
        tasks = PlannedTasks(
            specification=TallySpecification(step=self.step),
            inputs=(plus.topic, minus.topic),
            outputs=(self.topic, self.keyless),
            reads=tuple(
                tuple(InputStart(i, partition) for i in (0, 1) if partition < inputs[i].partitions)
                for partition in range(count)
            ),
        )
        topics = (PlannedTopic(self.topic, count, self.config), PlannedTopic(self.keyless, count))
        return OperatorPlan(topics, (tasks,))


class TallyOperator(Operator):
    def __init__(self, step: int) -> None:
        self._step = step
        self._counts: dict[bytes, int] = {}
        self._changed: set[bytes] = set()
        self._seen = 0

    def restore(self, state: State) -> None:
        self._seen = int(state.progress)
        for block in state.take_restored():
            self._counts |= msgspec.msgpack.decode(block, type=dict[bytes, int])

    def process(self, input: int, columns: Columns, output: Output) -> None:
        keyless = []
        for row in range(len(columns)):
            key = columns.key(row)
            if key is None:
                keyless.append(row)
                continue
            count = self._counts.get(key, 0) + (self._step if input == 0 else -self._step)
            self._counts[key] = count
            self._changed.add(key)
            output.emit(
                COUNTS,
                columns.partition,
                timestamp=columns.timestamps[row],
                key=key,
                value=b"%d" % count,
                headers=[("from", b"%d" % input), *columns.headers(row)],
            )
        output.pass_rows(KEYLESS, columns.partition, columns, keyless)
        output.count("seen", len(columns))
        self._seen += len(columns)

    def close_epoch(self, state: State, output: Output) -> None:
        changed, self._changed = self._changed, set()
        if state.block_count >= BLOCKS_MAX:
            state.replace(msgspec.msgpack.encode(self._counts))
        elif changed:
            state.add(msgspec.msgpack.encode({key: self._counts[key] for key in changed}))
        state.set_progress(b"%d" % self._seen)


KIND = OperatorKind(TallyStream, TallySpecification, keys=("with", "keyless", "step"))
