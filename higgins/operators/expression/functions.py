"""The functions that generated code calls: SQL's semantics over Python values, in permissive mode. Pure.

Behaviour: null is None. An operation without a result (an operand that is null or of the wrong type, an integer beyond
64 bits, a double that is not finite, a division by zero) is None and never an exception. A string longer than
STRING_CHARACTERS_MAX is None. Integers are 64-bit, `/` always returns a double, `%` takes the sign of the dividend,
and `round` rounds halves away from zero.
A timestamp is milliseconds since the epoch or an ISO 8601 string; date parts are those of UTC.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from higgins.columns.columns import Header

Value = Any  # what JSON has: None, bool, int, float, str, list, dict
NUMBERS = frozenset((int, float))
SCALARS = frozenset((int, float, str, bool))
STRING_CHARACTERS_MAX = 1 << 20
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
DECIMALS_MAX = 18
DATE_PARTS = ("year", "quarter", "month", "day", "hour", "minute", "second")

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})([eE][+-]?[0-9]{1,4})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# Paths, keys, headers.


def item(container: Value, step: str | int) -> Value:
    """A field of an object or an element of an array; None if there is none."""
    if container.__class__ is dict:
        return container.get(step)
    if container.__class__ is list and step.__class__ is int and 0 <= step < len(container):
        return container[step]
    return None


def text_of(data: bytes | None) -> str | None:
    """Bytes as a string; None if they are not UTF-8."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def header(headers: list[Header], name: str) -> str | None:
    """The last header of that name."""
    for header_name, value in reversed(headers):
        if header_name == name:
            return text_of(value)
    return None


# Arithmetic.


def is_number(value: Value) -> bool:
    """Integers and doubles, but not booleans."""
    return value.__class__ in NUMBERS


def bounded(number: int | float) -> int | float | None:
    """The number, or None if it is neither a 64-bit integer nor a finite double."""
    if number.__class__ is int:
        return number if INTEGER_MIN <= number <= INTEGER_MAX else None
    return number if math.isfinite(number) else None


def _arithmetic(operation: Callable[[Any, Any], int | float]) -> Callable[[Value, Value], int | float | None]:
    def apply(left: Value, right: Value) -> int | float | None:
        if left.__class__ in NUMBERS and right.__class__ in NUMBERS:
            try:
                return bounded(operation(left, right))
            except ArithmeticError:
                return None
        return None

    return apply


def _remainder(left: int | float, right: int | float) -> int | float:
    if left.__class__ is int and right.__class__ is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if right == 0:
        raise ZeroDivisionError
    return math.fmod(left, right)


add = _arithmetic(lambda left, right: left + right)
subtract = _arithmetic(lambda left, right: left - right)
multiply = _arithmetic(lambda left, right: left * right)
divide = _arithmetic(lambda left, right: left / right)
remainder = _arithmetic(_remainder)


def negative(number: Value) -> int | float | None:
    return bounded(-number) if is_number(number) else None


# Comparison and logic: True, False or None.


def equal(left: Value, right: Value) -> bool | None:
    return bool(left == right) if comparable(left, right) else None


def less(left: Value, right: Value) -> bool | None:
    return bool(left < right) if comparable(left, right) else None


def less_or_equal(left: Value, right: Value) -> bool | None:
    return bool(left <= right) if comparable(left, right) else None


def comparable(left: Value, right: Value) -> bool:
    """Whether two values have an order: two numbers, two strings or two booleans."""
    kind, other = left.__class__, right.__class__
    if kind is other:
        return kind in SCALARS
    return kind in NUMBERS and other in NUMBERS


def opposite(condition: bool | None) -> bool | None:
    return None if condition is None else not condition


def condition(value: Value) -> bool | None:
    """A value used as a condition: a boolean, or null for any other type."""
    return value if value is True or value is False else None


def among(value: Value, options: tuple[Value, ...]) -> bool | None:
    """SQL's `in`: null if no option is equal but one cannot be compared."""
    result: bool | None = False
    for option in options:
        is_equal = equal(value, option)
        if is_equal:
            return True
        if is_equal is None:
            result = None
    return result


def like(value: Value, pattern: Value, escape: str) -> bool | None:
    """SQL's `like`: % is any run, _ is any one character."""
    if value.__class__ is not str or pattern.__class__ is not str:
        return None
    pieces = split_pattern(pattern, escape)
    return None if pieces is None else matches(value, pieces)


Pieces = tuple[tuple[str | None, ...], ...]


def split_pattern(pattern: str, escape: str) -> Pieces | None:
    """The parts of a pattern between its % signs, with None for each _; None if it ends with the escape character."""
    pieces: list[tuple[str | None, ...]] = []
    piece: list[str | None] = []
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            following = next(characters, None)
            if following is None:
                return None
            piece.append(following)
        elif character == "%":
            pieces.append(tuple(piece))
            piece = []
        else:
            piece.append(None if character == "_" else character)
    pieces.append(tuple(piece))
    return tuple(pieces)


def matches(text: str, pieces: Pieces) -> bool:
    """Whether the text consists of the pieces with anything between them.

    Each piece is matched at its leftmost place, which is always right, so this takes at most length of the text times
    length of the pattern steps. A regular expression could take exponential time for some patterns.
    """
    first, *middle = pieces
    if not middle:
        return len(text) == len(first) and _fits(text, 0, first)
    last = middle.pop()
    end = len(text) - len(last)
    if len(first) > end or not _fits(text, 0, first) or not _fits(text, end, last):
        return False
    position = len(first)
    for piece in middle:
        position = _place(text, position, end, piece)
        if position < 0:
            return False
    return True


def _place(text: str, position: int, end: int, piece: tuple[str | None, ...]) -> int:
    """The position after the leftmost match of `piece` in text[position:end], or -1."""
    if None not in piece:
        start = text.find("".join(piece), position, end)  # type: ignore[arg-type]
        return start + len(piece) if start >= 0 else -1
    for start in range(position, end - len(piece) + 1):
        if _fits(text, start, piece):
            return start + len(piece)
    return -1


def _fits(text: str, start: int, piece: tuple[str | None, ...]) -> bool:
    return all(character is None or text[start + index] == character for index, character in enumerate(piece))


# Casts.


def to_bigint(value: Value) -> int | None:
    """Doubles are truncated; strings must be whole numbers."""
    if value.__class__ is str:
        value = int(value) if _INTEGER.fullmatch(value := value.strip()) else None
    if not is_number(value) and value.__class__ is not bool:
        return None
    return int(value) if INTEGER_MIN <= value <= INTEGER_MAX and INTEGER_MIN <= int(value) <= INTEGER_MAX else None


def to_double(value: Value) -> float | None:
    if value.__class__ is str:
        value = float(value) if _DOUBLE.fullmatch(value := value.strip()) else None
    if not is_number(value) and value.__class__ is not bool:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def to_varchar(value: Value) -> str | None:
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is int and not INTEGER_MIN <= value <= INTEGER_MAX:
        return None
    return str(value) if value.__class__ in SCALARS else None


def to_boolean(value: Value) -> bool | None:
    if value.__class__ is str:
        return {"true": True, "false": False}.get(value.strip().lower())
    return bool(value) if value.__class__ in NUMBERS or value.__class__ is bool else None


# Functions.


def concat(*values: Value) -> str | None:
    texts: list[str] = []
    for value in values:
        text = to_varchar(value)
        if text is None:
            return None
        texts.append(text)
    return "".join(texts) if sum(map(len, texts)) <= STRING_CHARACTERS_MAX else None


def coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def nullif(value: Value, other: Value) -> Value:
    return None if equal(value, other) else value


def length(text: Value) -> int | None:
    return len(text) if text.__class__ is str else None


def lower(text: Value) -> str | None:
    return text.lower() if text.__class__ is str else None


def upper(text: Value) -> str | None:
    return text.upper() if text.__class__ is str else None


def substr(text: Value, start: Value, count: Value = INTEGER_MAX) -> str | None:
    """Characters from `start` on, where the first character is 1. Positions before it count but are empty."""
    if text.__class__ is not str or start.__class__ is not int or count.__class__ is not int or count < 0:
        return None
    return str(text[max(0, start - 1) : max(0, start - 1 + count)])


def _trimmer(strip: Callable[[str, str], str]) -> Callable[..., str | None]:
    def apply(text: Value, characters: Value = " ") -> str | None:
        return strip(text, characters) if text.__class__ is str and characters.__class__ is str else None

    return apply


def absolute(number: Value) -> int | float | None:
    return bounded(abs(number)) if is_number(number) else None


def rounded(number: Value, decimals: Value = 0) -> int | float | None:
    if not is_number(number) or decimals.__class__ is not int or not -DECIMALS_MAX <= decimals <= DECIMALS_MAX:
        return None
    if number.__class__ is int:
        unit = 10 ** max(0, -decimals)
        size = (abs(number) + unit // 2) // unit * unit
        return bounded(size if number >= 0 else -size)
    # Rounds the decimal that is displayed, not the binary value: 2.675 rounds to 2.68.
    exact = Decimal(repr(number)).scaleb(decimals).to_integral_value(ROUND_HALF_UP).scaleb(-decimals)
    return bounded(float(exact))


def floor(number: Value) -> int | None:
    return _whole(math.floor, number)


def ceil(number: Value) -> int | None:
    return _whole(math.ceil, number)


def _whole(rounding: Callable[[Any], int], number: Value) -> int | None:
    if not is_number(number) or not math.isfinite(number):
        return None
    whole = rounding(number)
    return whole if INTEGER_MIN <= whole <= INTEGER_MAX else None


def moment(value: Value) -> datetime | None:
    """A timestamp in UTC. A string without a UTC offset is taken as UTC."""
    try:
        if value.__class__ is int:
            return _EPOCH + timedelta(milliseconds=value)
        if value.__class__ is str:
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return None


def _date_part(part: str) -> Callable[[Value], int | None]:
    def apply(value: Value) -> int | None:
        time = moment(value)
        if time is None:
            return None
        return (time.month + 2) // 3 if part == "quarter" else int(getattr(time, part))

    return apply


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "lower": lower,
    "upper": upper,
    "length": length,
    "substr": substr,
    "trim": _trimmer(str.strip),
    "ltrim": _trimmer(str.lstrip),
    "rtrim": _trimmer(str.rstrip),
    "concat": concat,
    "coalesce": coalesce,
    "nullif": nullif,
    "abs": absolute,
    "round": rounded,
    "floor": floor,
    "ceil": ceil,
    "mod": remainder,
    **{part: _date_part(part) for part in DATE_PARTS},
}
ARGUMENTS_MAX = 64
ARITY: dict[str, tuple[int, int]] = {
    "lower": (1, 1),
    "upper": (1, 1),
    "length": (1, 1),
    "substr": (2, 3),
    "trim": (1, 2),
    "ltrim": (1, 2),
    "rtrim": (1, 2),
    "concat": (1, ARGUMENTS_MAX),
    "coalesce": (1, ARGUMENTS_MAX),
    "nullif": (2, 2),
    "abs": (1, 1),
    "round": (1, 2),
    "floor": (1, 1),
    "ceil": (1, 1),
    "mod": (2, 2),
    **dict.fromkeys(DATE_PARTS, (1, 1)),
}
