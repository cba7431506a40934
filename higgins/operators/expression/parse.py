"""Text to nodes. sqlglot parses the SQL; its tree is copied into our nodes, by an allow-list of syntax.

Refused, by name and with line and column: every kind of syntax without a row in the table below, every argument of a
kind that its row does not name (so that syntax which a later sqlglot adds is refused instead of being ignored), and
expressions that are too long, too deep or too large. Importing sqlglot takes tens of milliseconds: call in a thread.
"""

import re
from collections.abc import Callable
from typing import Any, cast

from sqlglot import exp, parse_one
from sqlglot.errors import ErrorLevel, SqlglotError

from higgins.model.suggest import did_you_mean
from higgins.operators.expression import nodes
from higgins.operators.expression.functions import ARITY, DATE_PARTS
from higgins.operators.expression.nodes import ExpressionError, Node

TEXT_CHARACTERS_MAX = 8_192
NODES_MAX = 1_000
DEPTH_MAX = 32
INTEGER_MAX = 2**63 - 1
_TOO_DEEP = f"The expression is nested too deeply; at most {DEPTH_MAX} levels are allowed. Simplify it."
_UNREADABLE_NAME = re.compile(r'["\\\x00-\x1f]')
_SUPPORTED = (
    "field paths (a.b, tags[0]), $key $timestamp $partition $offset $headers['x'], arithmetic, comparison, "
    "and, or, not, in, between, like, is null, case, cast and these functions: " + ", ".join(sorted(ARITY))
)


def parse(text: str) -> Node:
    """The tree of an expression. Raises: ExpressionError."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ExpressionError(
            f"The expression has {len(text)} characters; at most {TEXT_CHARACTERS_MAX} are allowed. Shorten it."
        )
    if not text.strip():
        raise ExpressionError("The expression is empty. Write a condition, for example: qty > 5")
    try:
        tree = parse_one(text, error_level=ErrorLevel.IMMEDIATE)
    except SqlglotError as error:
        raise _syntax_error(text, error) from error
    except RecursionError as error:
        raise ExpressionError(_TOO_DEEP) from error
    return _Reader(text).read(tree, 1)


def _syntax_error(text: str, error: SqlglotError) -> ExpressionError:
    details: list[dict[str, Any]] = getattr(error, "errors", [])
    if not details or not details[0].get("line"):
        reason = str(error).splitlines()[0].rstrip(".")
        return ExpressionError(f"This is not a valid expression ({reason}). Check quotes and brackets.")
    first = details[0]
    marked = str(first.get("highlight") or "")
    description = str(first.get("description") or "unexpected text").rstrip(".")
    if description.startswith("Required keyword"):
        description = "something is missing"
    column = max(1, int(first.get("col") or 1) - len(marked) + 1)
    near = f" at '{marked}'" if marked else ""
    return ExpressionError(
        f"Syntax error{near}: {description[0].lower() + description[1:]}.", line=int(first["line"]), column=column
    )


class _Reader:
    """Copies one sqlglot tree, and counts its nodes to keep it bounded."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._nodes = 0

    def read(self, tree: exp.Expr, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise self._error(tree, f"The expression is too large; at most {NODES_MAX} terms are allowed. Shorten it.")
        if depth > DEPTH_MAX:
            raise self._error(tree, _TOO_DEEP)
        row = _KINDS.get(type(tree))
        if row is None:
            raise self._unsupported(tree)
        allowed, read = row
        self._check_arguments(tree, allowed)
        return read(self, tree, depth + 1)

    def _check_arguments(self, tree: exp.Expr, allowed: tuple[str, ...]) -> None:
        for name, value in tree.args.items():
            if value not in (None, False, [], "") and name not in allowed:
                raise self._error(tree, f"'{name}' of {_kind(tree)} is not supported in expressions. Remove it.")

    def _unsupported(self, tree: exp.Expr) -> ExpressionError:
        return self._error(tree, f"{_kind(tree)} is not supported in expressions. Supported are {_SUPPORTED}.")

    def _error(self, tree: exp.Expr, message: str) -> ExpressionError:
        start = min((node.meta["start"] for node in tree.walk() if "start" in node.meta), default=0)
        line = self._text.count("\n", 0, start) + 1
        return ExpressionError(message, line=line, column=start - self._text.rfind("\n", 0, start))

    # Leaves.

    def literal(self, tree: exp.Expr, depth: int) -> Node:
        text = str(tree.this)
        if tree.args["is_string"]:
            return nodes.Literal(text)
        return nodes.Literal(self._number(tree, text))

    def _number(self, tree: exp.Expr, text: str, sign: int = 1) -> int | float:
        digits = text.replace("_", "")
        value = sign * (int(digits) if digits.isdecimal() else float(digits))
        if isinstance(value, int) and not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
            raise self._error(tree, f"{text} does not fit into 64 bits. Add a decimal point to make it a double.")
        if value in (float("inf"), float("-inf")):
            raise self._error(tree, f"{text} is too large for a double; the largest is about 1.8e308.")
        return value

    def boolean(self, tree: exp.Expr, depth: int) -> Node:
        return nodes.Literal(bool(tree.this))

    def null(self, tree: exp.Expr, depth: int) -> Node:
        return nodes.Literal(None)

    def column(self, tree: exp.Expr, depth: int) -> Node:
        parts = [tree.args.get(name) for name in ("catalog", "db", "table", "this")]
        return self._path(tree, [part for part in parts if part is not None])

    def dot(self, tree: exp.Expr, depth: int) -> Node:
        if not isinstance(tree.expression, exp.Identifier):
            raise self._unsupported(tree.expression)
        return self._descend(tree, self.read(tree.this, depth), tree.expression.name)

    def bracket(self, tree: exp.Expr, depth: int) -> Node:
        if len(tree.expressions) != 1 or not isinstance(tree.expressions[0], exp.Literal):
            raise self._error(tree, "Square brackets must hold one number from 0 on, or one name in single quotes.")
        step = self.literal(tree.expressions[0], depth)
        assert isinstance(step, nodes.Literal)
        if isinstance(tree.this, exp.Column) and self._is_headers(tree.this):
            if not isinstance(step.value, str):
                raise self._error(tree, "A header is selected by its name: $headers['name']")
            return nodes.HeaderOf(step.value)
        if not isinstance(step.value, int | str):
            raise self._error(tree, "An element is selected by a whole number from 0 on: tags[0]")
        return self._descend(tree, self.read(tree.this, depth), step.value)

    def _is_headers(self, tree: exp.Expr) -> bool:
        identifier = tree.this
        return tree.args.get("table") is None and identifier.name == "$headers" and not identifier.args.get("quoted")

    def _path(self, tree: exp.Expr, parts: list[exp.Expr]) -> Node:
        for part in parts:
            if not isinstance(part, exp.Identifier):
                raise self._unsupported(part)
        first = parts[0].name
        if _UNREADABLE_NAME.search(first):
            raise self._error(
                tree, "A field cannot be read if its name has a quote, a backslash or a control character."
            )
        if not first.startswith("$") or parts[0].args.get("quoted"):
            return nodes.Field(tuple(part.name for part in parts))
        if first == "$headers":
            raise self._error(tree, "Headers are selected by name. Write: $headers['name']")
        if first not in ("$key", "$timestamp", "$partition", "$offset"):
            raise self._error(
                tree, f"There is no {first}. A record has $key, $timestamp, $partition, $offset and $headers['name']."
            )
        if len(parts) > 1:
            raise self._error(tree, f"{first} has no fields. Use it as it is: {first}")
        return nodes.Meta(cast(nodes.MetaName, first[1:]))

    def _descend(self, tree: exp.Expr, base: Node, step: str | int) -> Node:
        if not isinstance(base, nodes.Field):
            raise self._error(tree, "Only fields of the value have fields and elements themselves.")
        return nodes.Field((*base.path, step))

    # Operators.

    def paren(self, tree: exp.Expr, depth: int) -> Node:
        return self.read(tree.this, depth)

    def negation(self, tree: exp.Expr, depth: int) -> Node:
        return nodes.Not(self.read(tree.this, depth))

    def negative(self, tree: exp.Expr, depth: int) -> Node:
        if isinstance(tree.this, exp.Literal) and not tree.this.args["is_string"]:
            return nodes.Literal(self._number(tree, str(tree.this.this), -1))
        return nodes.Negative(self.read(tree.this, depth))

    def logic(self, tree: exp.Expr, depth: int) -> Node:
        word: Any = "and" if isinstance(tree, exp.And) else "or"
        # sqlglot nests a chain of `or` as deep as it is long; flattened, it does not count towards the depth.
        operands = tuple(self.read(operand, depth) for operand in cast(exp.Connector, tree).flatten())
        return nodes.Logic(word, operands)

    def comparison(self, tree: exp.Expr, depth: int) -> Node:
        return nodes.Comparison(
            _COMPARISONS[type(tree)], self.read(tree.this, depth), self.read(tree.expression, depth)
        )

    def arithmetic(self, tree: exp.Expr, depth: int) -> Node:
        return nodes.Arithmetic(_ARITHMETIC[type(tree)], self.read(tree.this, depth), self.read(tree.expression, depth))

    def is_(self, tree: exp.Expr, depth: int) -> Node:
        what = self.read(tree.expression, depth)
        if not isinstance(what, nodes.Literal) or not (what.value is None or isinstance(what.value, bool)):
            raise self._error(tree, "'is' must be followed by null, true or false. Use = to compare values.")
        return nodes.Is(self.read(tree.this, depth), what.value)

    def between(self, tree: exp.Expr, depth: int) -> Node:
        low, high = self.read(tree.args["low"], depth), self.read(tree.args["high"], depth)
        return nodes.Between(self.read(tree.this, depth), low, high)

    def in_(self, tree: exp.Expr, depth: int) -> Node:
        if not tree.expressions:
            raise self._error(tree, "The list after 'in' is empty. Name at least one value.")
        options = tuple(self.read(option, depth) for option in tree.expressions)
        return nodes.In(self.read(tree.this, depth), options)

    def like(self, tree: exp.Expr, depth: int) -> Node:
        return self._like(tree, "", depth)

    def _like(self, tree: exp.Expr, escape: str, depth: int) -> Node:
        like = nodes.Like(self.read(tree.this, depth), self.read(tree.expression, depth), escape)
        return nodes.Not(like) if tree.args.get("negate") else like

    def escape(self, tree: exp.Expr, depth: int) -> Node:
        character = tree.expression
        if not isinstance(tree.this, exp.Like) or not isinstance(character, exp.Literal) or len(character.name) != 1:
            raise self._error(tree, "'escape' must follow a like and name one character: like '5!%' escape '!'")
        self._check_arguments(tree.this, _KINDS[exp.Like][0])
        return self._like(tree.this, character.name, depth)

    def case(self, tree: exp.Expr, depth: int) -> Node:
        subject = self.read(tree.this, depth) if tree.this is not None else None
        branches = tuple(
            (self.read(branch.this, depth), self.read(branch.args["true"], depth)) for branch in tree.args["ifs"]
        )
        default = tree.args.get("default")
        return nodes.Case(subject, branches, self.read(default, depth) if default is not None else None)

    def cast(self, tree: exp.Expr, depth: int) -> Node:
        kind = tree.args["to"]
        to = _CASTS.get(kind.this)
        if to is None or kind.expressions:
            raise self._error(
                tree, f"cast to {kind.sql()} is not supported. Cast to bigint, double, varchar or boolean."
            )
        return nodes.Cast(self.read(tree.this, depth), to)

    # Functions.

    def call(self, tree: exp.Expr, depth: int) -> Node:
        names = ("this", "expression", "start", "length", "decimals")
        arguments = [tree.args[name] for name in names if isinstance(tree.args.get(name), exp.Expr)]
        return self._call(tree, _FUNCTIONS[type(tree)], [*arguments, *tree.expressions], depth)

    def trim(self, tree: exp.Expr, depth: int) -> Node:
        side = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(tree.args.get("position") or ""), "trim")
        arguments = [tree.this, tree.expression] if tree.args.get("expression") is not None else [tree.this]
        return self._call(tree, side, arguments, depth)

    def extract(self, tree: exp.Expr, depth: int) -> Node:
        part = tree.this.name.lower()
        if part not in DATE_PARTS:
            raise self._error(tree, f"extract has no date part {part}. Date parts are: {', '.join(DATE_PARTS)}.")
        return self._call(tree, part, [tree.expression], depth)

    def anonymous(self, tree: exp.Expr, depth: int) -> Node:
        name = str(tree.this).lower()
        if name == "date_part" and len(tree.expressions) == 2 and isinstance(tree.expressions[0], exp.Literal):
            part = tree.expressions[0].name.lower()
            if part in DATE_PARTS:
                return self._call(tree, part, [tree.expressions[1]], depth)
            raise self._error(tree, f"date_part has no date part {part}. Date parts are: {', '.join(DATE_PARTS)}.")
        hint = did_you_mean(name, ARITY, otherwise=f"The functions are: {', '.join(sorted(ARITY))}.")
        raise self._error(tree, f"There is no function {name}. {hint}")

    def _call(self, tree: exp.Expr, name: str, arguments: list[exp.Expr], depth: int) -> Node:
        least, most = ARITY[name]
        if not least <= len(arguments) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise self._error(tree, f"{name} takes {count} arguments, and there are {len(arguments)}.")
        return nodes.Call(name, tuple(self.read(argument, depth) for argument in arguments))


def _kind(tree: exp.Expr) -> str:
    """What a user calls this piece of syntax."""
    if isinstance(tree, exp.Select | exp.Subquery):
        return "A subquery"
    if isinstance(tree, exp.Func):
        return f"The function {tree.sql_name().lower()}"
    return f"'{tree.key}'"


_COMPARISONS: dict[type[exp.Expr], nodes.ComparisonSign] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_ARITHMETIC: dict[type[exp.Expr], nodes.ArithmeticSign] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%",
}  # fmt: skip
_CASTS: dict[Any, nodes.CastType] = {
    exp.DType.INT: "bigint", exp.DType.BIGINT: "bigint",
    exp.DType.DOUBLE: "double", exp.DType.FLOAT: "double",
    exp.DType.TEXT: "varchar", exp.DType.VARCHAR: "varchar",
    exp.DType.BOOLEAN: "boolean",
}  # fmt: skip
_FUNCTIONS: dict[type[exp.Expr], str] = {
    exp.Lower: "lower", exp.Upper: "upper", exp.Length: "length", exp.Substring: "substr",
    exp.Concat: "concat", exp.DPipe: "concat", exp.Coalesce: "coalesce", exp.Nullif: "nullif",
    exp.Abs: "abs", exp.Round: "round", exp.Floor: "floor", exp.Ceil: "ceil",
    exp.Year: "year", exp.Quarter: "quarter", exp.Month: "month", exp.Day: "day",
    exp.Hour: "hour", exp.Minute: "minute", exp.Second: "second",
}  # fmt: skip
_CALL_ARGUMENTS: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Substring: ("this", "start", "length"),
    exp.Concat: ("expressions", "safe"),
    exp.DPipe: ("this", "expression", "safe"),
    exp.Coalesce: ("this", "expressions"),
    exp.Nullif: ("this", "expression"),
    exp.Round: ("this", "decimals"),
}
_Row = tuple[tuple[str, ...], Callable[[_Reader, Any, int], Node]]
_KINDS: dict[type[exp.Expr], _Row] = {
    exp.Literal: (("this", "is_string"), _Reader.literal),
    exp.Boolean: (("this",), _Reader.boolean),
    exp.Null: ((), _Reader.null),
    exp.Column: (("this", "table", "db", "catalog"), _Reader.column),
    exp.Dot: (("this", "expression"), _Reader.dot),
    exp.Bracket: (("this", "expressions"), _Reader.bracket),
    exp.Paren: (("this",), _Reader.paren),
    exp.Not: (("this",), _Reader.negation),
    exp.Neg: (("this",), _Reader.negative),
    exp.And: (("this", "expression"), _Reader.logic),
    exp.Or: (("this", "expression"), _Reader.logic),
    exp.Is: (("this", "expression"), _Reader.is_),
    exp.Between: (("this", "low", "high"), _Reader.between),
    exp.In: (("this", "expressions"), _Reader.in_),
    exp.Like: (("this", "expression", "negate"), _Reader.like),
    exp.Escape: (("this", "expression"), _Reader.escape),
    exp.Case: (("this", "ifs", "default"), _Reader.case),
    exp.Cast: (("this", "to", "_type"), _Reader.cast),
    exp.Trim: (("this", "expression", "position"), _Reader.trim),
    exp.Extract: (("this", "expression"), _Reader.extract),
    exp.Anonymous: (("this", "expressions"), _Reader.anonymous),
    **dict.fromkeys(_COMPARISONS, (("this", "expression"), _Reader.comparison)),
    **dict.fromkeys(_ARITHMETIC, (("this", "expression"), _Reader.arithmetic)),
    **{kind: (_CALL_ARGUMENTS.get(kind, ("this",)), _Reader.call) for kind in _FUNCTIONS},
}
