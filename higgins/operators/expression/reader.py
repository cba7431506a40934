"""What the parser of expressions stands on: the words of SQL, tokens in order, numbers, errors, and bounds. Pure."""

from typing import NamedTuple

from higgins.operators.expression import nodes
from higgins.operators.expression.functions import ARITY, INTEGER_MAX
from higgins.operators.expression.nodes import ExpressionError, Node
from higgins.operators.expression.tokens import Token, error_at, shown

NODES_MAX = 1_000
DEPTH_MAX = 32

CASTS: dict[str, nodes.CastType] = {
    "int": "bigint", "integer": "bigint", "int4": "bigint", "int8": "bigint", "bigint": "bigint", "long": "bigint",
    "double": "double", "double precision": "double", "float": "double", "float4": "double", "float8": "double",
    "real": "double",
    "varchar": "varchar", "text": "varchar", "string": "varchar", "character varying": "varchar",
    "boolean": "boolean", "bool": "boolean",
}  # fmt: skip
SYNONYMS = {
    "lcase": "lower", "ucase": "upper", "len": "length", "char_length": "length", "character_length": "length",
    "substring": "substr", "ceiling": "ceil", "ifnull": "coalesce", "nvl": "coalesce",
}  # fmt: skip
RESERVED = frozenset((
    "and", "or", "not", "is", "isnull", "notnull", "between", "in", "like", "ilike", "case", "when", "then", "else",
    "end", "as", "from", "select", "where", "having", "union", "null", "true", "false",
))  # fmt: skip
FIELDS_TOO = frozenset(("end", "is", "in", "isnull"))
OPERATORS_NOT_HERE = frozenset((
    "ilike", "similar", "rlike", "regexp", "glob", "as", "over", "within", "collate", "div", "xor", "at", "overlaps",
    "where", "having", "union",
))  # fmt: skip
"""Words that SQL has behind an operand. Where an operand may stand, they are names of fields."""
NOT_HERE = frozenset((
    "count", "sum", "avg", "min", "max", "first", "last", "array_agg", "string_agg", "stddev", "variance", "row_number",
    "rank", "lag", "lead", "now", "current_date", "current_time", "current_timestamp", "localtimestamp", "random",
    "date_trunc", "date_diff", "date_add", "to_timestamp", "strftime", "power", "pow", "sqrt", "exp", "ln", "log",
    "sign",
    "greatest", "least", "replace", "split_part", "position", "strpos", "left", "right", "lpad", "rpad", "reverse",
    "regexp_matches", "regexp_replace", "regexp_like", "json_extract", "try_cast", "safe_cast", "if", "iif", "md5",
    "sha256", "any", "all", "some", "exists", "concat_ws", "starts_with", "ends_with", "contains", "unnest", "trunc",
    "initcap",
))  # fmt: skip
"""Functions of SQL that are not served, so that they are not called unknown."""
SIGNS = frozenset(("(", ")", "[", "]", ",", ".", "=", "==", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"))
"""Signs that have a meaning somewhere; the others are not supported anywhere."""
UNREADABLE = frozenset('"\\') | frozenset(map(chr, range(32)))
SUPPORTED = (
    "field paths (a.b, tags[0]), $key $timestamp $partition $offset $headers['x'], arithmetic, comparison, "
    "and, or, not, in, between, like, is null, case, cast and these functions: " + ", ".join(sorted(ARITY))
)


class Part(NamedTuple):
    """A node, where it begins, and how many levels it has."""

    node: Node
    start: int
    depth: int


class Reader:
    """Reads the tokens of one expression from left to right, and counts what it makes of them."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._position = 0
        self._nesting = 0
        self._nodes = 0

    # Tokens.

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    def _take(self) -> Token:
        token = self._tokens[self._position]
        self._position += 1
        return token

    def _take_word(self, *words: str) -> Token | None:
        return self._take() if self._next.word in words else None

    def _take_sign(self, *signs: str) -> Token | None:
        return self._take() if self._next.is_sign(*signs) else None

    def _expect(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self._unexpected(f"expecting {sign}")

    def _expect_word(self, word: str) -> None:
        if not self._take_word(word):
            raise self._unexpected(f"expecting {word}")

    def end(self) -> None:
        """Raises: ExpressionError, unless everything has been read."""
        if self._next.kind != "end":
            raise self._unexpected("")

    # Errors.

    def _error(self, start: int, message: str) -> ExpressionError:
        return error_at(self._text, start, message)

    def _unsupported(self, start: int, what: str) -> ExpressionError:
        return self._error(start, f"{what} is not supported in expressions. Supported are {SUPPORTED}.")

    def _unexpected(self, why: str) -> ExpressionError:
        """The next token cannot stand here. At the end of the text, the last token is named."""
        token = self._next
        if token.kind == "end":
            last = self._tokens[self._position - 1]
            return self._error(last.start, f"Syntax error at {shown(last.text)}: {why or 'something is missing'}.")
        if token.word == "select":
            return self._unsupported(token.start, "A subquery")
        if token.word in OPERATORS_NOT_HERE:
            return self._unsupported(token.start, shown(token.text))
        if token.kind == "sign" and token.text not in SIGNS:
            return self._unsupported(token.start, shown(token.text))
        hint = why
        before = self._tokens[self._position - 1] if self._position else None
        if token.word in RESERVED:
            hint = hint or f"'{token.word}' is a keyword. Write a field of that name in double quotes: \"{token.text}\""
        elif before is not None and {token.kind, before.kind} <= {"name", "quoted", "text", "number"}:
            hint = hint or (
                "an operator is missing before it. Write a name with spaces or dashes in double quotes, and a text in "
                "single quotes"
            )
        return self._error(token.start, f"Syntax error at {shown(token.text)}: {hint or 'it is not expected here'}.")

    def _made(self, node: Node, start: int, *children: Part) -> Part:
        """A node over its children. Raises: ExpressionError where that is too much."""
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise self._error(start, f"The expression is too large; at most {NODES_MAX} terms are allowed. Shorten it.")
        depth = 1 + max((child.depth for child in children), default=0)
        return self._checked(Part(node, start, depth))

    def _checked(self, part: Part) -> Part:
        if part.depth > DEPTH_MAX:
            raise self._too_deep(part.start)
        return part

    def _too_deep(self, start: int) -> ExpressionError:
        return self._error(
            start, f"The expression is nested too deeply; at most {DEPTH_MAX} levels are allowed. Simplify it."
        )

    # Numbers.

    def _number(self, token: Token, sign: int = 1) -> int | float:
        digits = token.text.replace("_", "")
        value = sign * (int(digits) if digits.isdecimal() else float(digits))
        if isinstance(value, int) and not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
            raise self._error(
                token.start, f"{token.text} does not fit into 64 bits. Add a decimal point to make it a double."
            )
        if value in (float("inf"), float("-inf")):
            raise self._error(token.start, f"{token.text} is too large for a double; the largest is about 1.8e308.")
        return value
