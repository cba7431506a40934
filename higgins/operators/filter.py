"""filter: records for which an expression is true, byte for byte, on the partition they came from.

Behaviour: unknown (null) is not true. Where values are JSON, one that is not has no fields, is never kept, and is
counted. A null value is a document without fields, and is judged like any other.
"""

from higgins.columns.columns import Columns
from higgins.operators.expression.compile import compile_condition
from higgins.operators.operator import Output, State
from higgins.operators.specification import Filter

SEEN = "seen"
KEPT = "kept"
NOT_JSON = "not_json"


class FilterOperator:
    """A filter, compiled."""

    def __init__(self, specification: Filter) -> None:
        self._is_json = specification.format == "json"
        self._condition = compile_condition(specification.where, fields_allowed=self._is_json)

    def __repr__(self) -> str:
        return f"<FilterOperator {self._condition!r}>"

    def process(self, columns: Columns, state: State, output: Output) -> None:
        if self._is_json:
            kept, not_json = self._condition.select_json(columns)
        else:
            kept, not_json = self._condition.select_bytes(columns), 0
        output.add_rows(columns.partition, columns, kept)
        output.count(SEEN, len(columns))
        output.count(KEPT, len(kept))
        output.count(NOT_JSON, not_json)
