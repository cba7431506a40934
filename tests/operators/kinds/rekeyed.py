"""rekeyed, a kind for tests: every record goes by its value to a partition, through a hidden topic and a stage."""

from collections.abc import Iterator, Sequence
from zlib import crc32

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
    refuse_keyed_growth,
)
from higgins.operators.operator import Operator
from higgins.operators.output import Output
from higgins.operators.topography.table import StreamTable

PARTITIONS = 3


class RekeyedSpecification(Specification, frozen=True, kw_only=True, tag="rekeyed"):
    is_stage: bool

    def open(self) -> Operator:
        return RekeyingOperator() if self.is_stage else PassingOperator()

    def describe(self) -> Description:
        return Description("a repartition by value")

    def change_from(self, previous: Specification) -> str:
        return "nothing"

    def grow(self, growth: Growth) -> TaskGrowth:
        if not self.is_stage:
            raise refuse_keyed_growth(growth)
        grown = grow_by_partition(growth)
        return TaskGrowth(grown.name, grown.generation, (), grown.positions)


class RekeyedStream(DerivedStream, frozen=True, kw_only=True, tag="rekeyed"):
    base: str

    @classmethod
    def read(cls, table: StreamTable, topic: str, config: dict[str, str]) -> "RekeyedStream":
        return RekeyedStream(topic=topic, config=config, base=table.required_text("base", 'base = "<stream>"'))

    def bases(self) -> Sequence[Base]:
        return (Base(self.base),)

    def check(self, inputs: Sequence[Format | None]) -> Iterator[tuple[str, str]]:
        return iter(())

    def plan(self, inputs: Sequence[PlannedInput]) -> OperatorPlan:
        (source,) = inputs
        between = f"{self.topic}.by-value"
        stage = PlannedTasks(
            specification=RekeyedSpecification(is_stage=True),
            inputs=(source.topic,),
            outputs=(between,),
            reads=tuple((InputStart(0, partition),) for partition in range(source.partitions)),
            stage="rekey",
        )
        tasks = PlannedTasks(
            specification=RekeyedSpecification(is_stage=False),
            inputs=(between,),
            outputs=(self.topic,),
            reads=tuple((InputStart(0, partition),) for partition in range(PARTITIONS)),
        )
        hidden = PlannedTopic(between, PARTITIONS, {"retention.ms": "3600000"}, is_hidden=True)
        return OperatorPlan((PlannedTopic(self.topic, PARTITIONS), hidden), (stage, tasks))


class RekeyingOperator(Operator):
    def process(self, input: int, columns: Columns, output: Output) -> None:
        for row, value in enumerate(columns.values):
            output.pass_rows(0, crc32(value or b"") % PARTITIONS, columns, (row,))


class PassingOperator(Operator):
    def process(self, input: int, columns: Columns, output: Output) -> None:
        output.pass_all(0, columns.partition, columns)


KIND = OperatorKind(RekeyedStream, RekeyedSpecification, keys=())
