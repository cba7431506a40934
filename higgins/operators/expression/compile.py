"""A condition, compiled: parsed, checked and turned into one Python function over the rows of a slice."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from higgins.columns.columns import Columns
from higgins.operators.expression.documents import DocumentReader
from higgins.operators.expression.functions import text_of
from higgins.operators.expression.generate import HELPERS, Program, condition_program
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.expression.parse import parse

_GENERATED = re.compile(r"[\x20-\x7e\n]*")


class Condition:
    """Which rows an expression is true for. `compile_condition` makes it."""

    def __init__(self, program: Program) -> None:
        assert _GENERATED.fullmatch(program.text), "generated code is plain ASCII: nothing that a user wrote is in it"
        names: dict[str, Any] = {**HELPERS, **program.constants, "__builtins__": {"zip": zip, "str": str}}
        exec(compile(program.text, "<expression>", "exec"), names)
        self._select: Callable[..., list[int]] = names["select"]
        self._inputs = frozenset(program.inputs)
        self.fields = program.fields
        self._documents = DocumentReader(program.fields)

    def __repr__(self) -> str:
        return f"<Condition fields={self.fields} inputs={sorted(self._inputs)}>"

    def select_json(self, columns: Columns) -> tuple[list[int], int]:
        """The rows for which it is true, ascending, and how many values are not JSON (their rows are not returned)."""
        documents, not_json = self._documents.read(columns.values)
        kept = self._run(columns, documents)
        if not_json:
            kept = [row for row in kept if row not in not_json]
        return kept, len(not_json)

    def select_bytes(self, columns: Columns) -> list[int]:
        """The rows for which it is true, ascending. Values are not decoded."""
        assert not self.fields, "compile_condition refuses fields where values are bytes"
        return self._run(columns, ())

    def _run(self, columns: Columns, documents: Sequence[Any]) -> list[int]:
        rows = range(len(columns))
        inputs = self._inputs
        return self._select(
            rows,
            documents,
            [text_of(columns.key(row)) for row in rows] if "key" in inputs else (),
            columns.timestamps,
            columns.offsets,
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
