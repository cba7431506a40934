"""The nodes of an expression, a closed union: `parse` makes them, `generate` turns them into source code."""

from typing import Literal as Choice

import msgspec

Scalar = bool | int | float | str | None
MetaName = Choice["key", "timestamp", "partition", "offset"]
ComparisonSign = Choice["=", "<>", "<", "<=", ">", ">="]
ArithmeticSign = Choice["+", "-", "*", "/", "%"]
CastType = Choice["bigint", "double", "varchar", "boolean"]


class Literal(msgspec.Struct, frozen=True):
    value: Scalar


class Field(msgspec.Struct, frozen=True):
    """A path into the value: names descend into objects, numbers (from 0) into arrays. The first is always a name."""

    path: tuple[str | int, ...]


class Meta(msgspec.Struct, frozen=True):
    """A property of the record itself, written with a dollar sign."""

    name: MetaName


class HeaderOf(msgspec.Struct, frozen=True):
    """`$headers['name']`: the last header of that name, as text."""

    name: str


class Not(msgspec.Struct, frozen=True):
    operand: "Node"


class Negative(msgspec.Struct, frozen=True):
    operand: "Node"


class Arithmetic(msgspec.Struct, frozen=True):
    sign: ArithmeticSign
    left: "Node"
    right: "Node"


class Comparison(msgspec.Struct, frozen=True):
    sign: ComparisonSign
    left: "Node"
    right: "Node"


class Logic(msgspec.Struct, frozen=True):
    word: Choice["and", "or"]
    operands: tuple["Node", ...]


class Is(msgspec.Struct, frozen=True):
    """`is null`, `is true`, `is false`. The result is never null."""

    operand: "Node"
    what: bool | None


class Between(msgspec.Struct, frozen=True):
    operand: "Node"
    low: "Node"
    high: "Node"


class In(msgspec.Struct, frozen=True):
    operand: "Node"
    options: tuple["Node", ...]


class Like(msgspec.Struct, frozen=True):
    operand: "Node"
    pattern: "Node"
    escape: str


class Case(msgspec.Struct, frozen=True):
    """With a subject, each `when` is compared with it; without one, each `when` is a condition."""

    subject: "Node | None"
    branches: tuple[tuple["Node", "Node"], ...]
    default: "Node | None"


class Cast(msgspec.Struct, frozen=True):
    operand: "Node"
    to: CastType


class Call(msgspec.Struct, frozen=True):
    """A function of `functions.FUNCTIONS`, with as many arguments as it takes."""

    function: str
    arguments: tuple["Node", ...]


Node = (
    Literal
    | Field
    | Meta
    | HeaderOf
    | Not
    | Negative
    | Arithmetic
    | Comparison
    | Logic
    | Is
    | Between
    | In
    | Like
    | Case
    | Cast
    | Call
)


class ExpressionError(Exception):
    """An invalid expression: what is wrong and what to write instead, with line and column in the text, from 1."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"
