"""A condition, compiled: parsed, checked and turned into one Python function over the rows of a slice."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from higgins.columns.columns import Columns
from higgins.operators.expression.documents import DocumentReader
from higgins.operators.expression.functions import text_of
from higgins.operators.expression.generate import HELPERS, Program, condition_program
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.expression.parse import parse

_GENERATED = re.compile(r"[\x20-\x7e\n]*")
_ROW_US = 0.5
_BYTE_US = 0.002
"""Decoding a value without an expression costs this much for each byte, and a header or a key ten times as much."""


class Selection(NamedTuple):
    """What became of the rows of a slice. Rows that are in none of these have a condition that is false or null."""

    rows: list[int]
    """For which the condition is true, ascending."""
    not_json: int = 0
    """How many values are not JSON; the condition is not evaluated for them."""
    failed: tuple[tuple[int, Exception], ...] = ()
    """For which evaluating it raised an error."""


class Condition:
    """Which rows an expression is true for. `compile_condition` makes it."""

    def __init__(self, program: Program) -> None:
        assert _GENERATED.fullmatch(program.text), "generated code is plain ASCII: nothing that a user wrote is in it"
        names: dict[str, Any] = {**HELPERS, **program.constants, "__builtins__": {"zip": zip, "str": str}}
        exec(compile(program.text, "<expression>", "exec"), names)
        self._select: Callable[..., list[int]] = names["select"]
        self._inputs = frozenset(program.inputs)
        self.fields = program.fields
        self._row_us = _ROW_US + program.row_us
        self._byte_us = _BYTE_US + program.byte_us + (10 * _BYTE_US if self._inputs & {"key", "headers"} else 0)
        self._documents = DocumentReader(program.fields)

    def __repr__(self) -> str:
        return f"<Condition fields={self.fields} inputs={sorted(self._inputs)}>"

    def cost_us(self, columns: Columns) -> float:
        """How long selecting from a slice takes at most, roughly, if its values are JSON that is read fast."""
        count = len(columns)
        return count * self._row_us + (columns.ends[-1] - columns.starts[0]) * self._byte_us if count else 0

    def select_json(self, columns: Columns, *, slow_bytes_max: int | None = None) -> Selection:
        """Raises: Costly when more than `slow_bytes_max` bytes would have to be read by the slow JSON reader."""
        documents, not_json = self._documents.read(columns.values, slow_bytes_max)
        selection = self._run(columns, documents)
        if not not_json:
            return selection
        return Selection(
            [row for row in selection.rows if row not in not_json],
            len(not_json),
            tuple(each for each in selection.failed if each[0] not in not_json),
        )

    def select_bytes(self, columns: Columns) -> Selection:
        """Values are not decoded."""
        assert not self.fields, "compile_condition refuses fields where values are bytes"
        return self._run(columns, ())

    def _run(self, columns: Columns, documents: Sequence[Any]) -> Selection:
        try:
            return Selection(self._selected(columns, range(len(columns)), documents))
        except Exception:
            # One row has failed, and which one is not known. All are evaluated again, one by one.
            return self._run_one_by_one(columns, documents)

    def _run_one_by_one(self, columns: Columns, documents: Sequence[Any]) -> Selection:
        rows: list[int] = []
        failed: list[tuple[int, Exception]] = []
        for row in range(len(columns)):
            try:
                rows += self._selected(columns, range(row, row + 1), documents[row : row + 1])
            except Exception as error:
                # Without its traceback, whose frames would keep the values of the slice in memory.
                failed.append((row, error.with_traceback(None)))
        return Selection(rows, failed=tuple(failed))

    def _selected(self, columns: Columns, rows: range, documents: Sequence[Any]) -> list[int]:
        inputs = self._inputs
        return self._select(
            rows,
            documents,
            [text_of(columns.key(row)) for row in rows] if "key" in inputs else (),
            columns.timestamps[rows.start : rows.stop],
            columns.offsets[rows.start : rows.stop],
            [columns.partition] * len(rows) if "partition" in inputs else (),
            [columns.headers(row) for row in rows] if "headers" in inputs else (),
        )


def compile_condition(text: str, *, fields_allowed: bool = True) -> Condition:
    """Parse, check and compile. Takes milliseconds: use a thread. Raises: ExpressionError."""
    program = condition_program(parse(text))
    if program.fields and not fields_allowed:
        raise ExpressionError(
            f"The values of this stream are bytes and have no field '{program.fields[0]}'. Write format = \"json\" for "
            "its source, or use $key, $timestamp, $partition, $offset or $headers['name']."
        )
    return Condition(program)
