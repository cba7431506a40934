"""filter: passes on the records for which a condition is true, unchanged, to the partition of the same number.

Behaviour: a condition that is null (unknown) is not true. A record for which evaluating it raises an error, or would
take too long, is not passed on, and is counted. Where values are JSON, a value that is not JSON has no
fields; its record is never passed on, and is counted. A null value is a document without fields, and the condition is
evaluated for it as for any other.
Keys: `base`, `where`. A derived stream with a `where` and no `type` is a filter.
"""

from collections.abc import Iterator, Sequence

from higgins.columns.columns import Columns
from higgins.ledger.state.partitions import TaskGrowth
from higgins.operators.expression.compile import compile_condition
from higgins.operators.expression.nodes import ExpressionError
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
from higgins.operators.operator import Costly, Operator
from higgins.operators.output import Output
from higgins.operators.topography.table import StreamTable

SEEN = "seen"
KEPT = "kept"
NOT_JSON = "not_json"

INLINE_US_MAX = 2_500
"""A slice that is estimated to take longer is processed in a thread."""
INLINE_SLOW_BYTES_MAX = 4 << 10
"""How many bytes of a slice may be read by the slow JSON reader on the event loop; it takes up to 0.3 us for a byte."""


class FilterSpecification(Specification, frozen=True, kw_only=True, tag="filter"):
    """Pass on the records for which `where` is true."""

    where: str
    format: Format

    def open(self) -> Operator:
        return FilterOperator(self)

    def describe(self) -> Description:
        return Description(f"a filter, where {self.where}", where=self.where, format=self.format)

    def change_from(self, previous: Specification) -> str:
        # A filter has no state, so it can take over from anything.
        before = previous.describe()
        if before.where != self.where:
            return f"where {before.where} becomes where {self.where}"
        return f"values are read as {self.format} instead of {before.format}"

    def grow(self, growth: Growth) -> TaskGrowth:
        # A record is kept or not whatever partition it lies in, so keys that move to a new partition do no harm.
        return grow_by_partition(growth)


class FilterStream(DerivedStream, frozen=True, kw_only=True, tag="filter"):
    """A stream with the records of `base` for which `where` is true."""

    base: str
    where: str

    @classmethod
    def read(cls, table: StreamTable, topic: str, config: dict[str, str]) -> "FilterStream":
        base = table.required_text("base", 'base = "<stream>"')
        where = table.required_text("where", 'where = "qty > 5"')
        return FilterStream(topic=topic, config=config, base=base, where=where)

    def bases(self) -> Sequence[Base]:
        return (Base(self.base),) if self.base else ()

    def check(self, inputs: Sequence[Format | None]) -> Iterator[tuple[str, str]]:
        if not self.where:
            return
        try:
            compile_condition(self.where, fields_allowed="bytes" not in inputs)
        except ExpressionError as error:
            yield "where", str(error)

    def plan(self, inputs: Sequence[PlannedInput]) -> OperatorPlan:
        (source,) = inputs
        tasks = PlannedTasks(
            specification=FilterSpecification(where=self.where, format=source.format),
            inputs=(source.topic,),
            outputs=(self.topic,),
            reads=tuple((InputStart(0, partition),) for partition in range(source.partitions)),
        )
        return OperatorPlan((PlannedTopic(self.topic, source.partitions, self.config),), (tasks,))


class FilterOperator(Operator):
    """A filter, compiled."""

    def __init__(self, specification: FilterSpecification) -> None:
        self._is_json = specification.format == "json"
        self._condition = compile_condition(specification.where, fields_allowed=self._is_json)

    def __repr__(self) -> str:
        return f"<FilterOperator {self._condition!r}>"

    def process(self, input: int, columns: Columns, output: Output) -> None:
        if self._condition.cost_us(columns) > INLINE_US_MAX:
            raise Costly
        self._process(columns, output, slow_bytes_max=INLINE_SLOW_BYTES_MAX)

    def process_costly(self, input: int, columns: Columns, output: Output) -> None:
        self._process(columns, output, slow_bytes_max=None)

    def _process(self, columns: Columns, output: Output, *, slow_bytes_max: int | None) -> None:
        if self._is_json:
            selection = self._condition.select_json(columns, slow_bytes_max=slow_bytes_max)
        else:
            selection = self._condition.select_bytes(columns)
        output.pass_rows(0, columns.partition, columns, selection.rows)
        output.count(SEEN, len(columns))
        output.count(KEPT, len(selection.rows))
        output.count(NOT_JSON, selection.not_json)
        for row, error in selection.failed:
            output.fail(columns.offsets[row], error)


KIND = OperatorKind(FilterStream, FilterSpecification, keys=("where",), implied_by=frozenset(("where",)))
