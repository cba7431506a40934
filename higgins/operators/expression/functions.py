"""The functions that generated code calls: SQL's semantics over Python values, in permissive mode. Pure.

Behaviour: null is None. An operation without a result (an operand that is null or of the wrong type, an integer beyond
64 bits, a double that is not finite, a division by zero) is None and never an exception. A string longer than
STRING_CHARACTERS_MAX is None. Integers are 64-bit, `/` always returns a double, `%` takes the sign of the dividend,
and `round` rounds halves away from zero.
What is a moment says `times`. Time is linear in the arguments; `like` alone may be refused, with TooCostly.
"""

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any

from higgins.columns.columns import Header
from higgins.operators.expression.like import matches, split_pattern
from higgins.operators.expression.times import DATE_PARTS, date_part

Value = Any  # what JSON has: None, bool, int, float, str, list, dict
NUMBERS = frozenset((int, float))
SCALARS = frozenset((int, float, str, bool))
STRING_CHARACTERS_MAX = 1 << 20
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
DECIMALS_MAX = 18
DIGITS_OF_WHOLE_MAX = 1e15
"""Doubles without a fraction below this are written as integers; larger ones have an exponent."""
STRIPPED_CHARACTERS_MAX = 16

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})([eE][+-]?[0-9]{1,4})?")


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


def whole(number: Value) -> int | None:
    """A number without a fraction as an integer: JSON has one kind of number, so that 2.0 is 2."""
    if number.__class__ is float and number.is_integer():
        return int(number)
    return number if number.__class__ is int else None


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
            except (ArithmeticError, ValueError):
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
    """SQL's `like`: % is any run, _ is any one character. Raises: TooCostly."""
    if value.__class__ is not str or pattern.__class__ is not str:
        return None
    pieces = split_pattern(pattern, escape)
    return None if pieces is None else matches(value, pieces)


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
    if value.__class__ is float and abs(value) < DIGITS_OF_WHOLE_MAX and value.is_integer():
        value = int(value)
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
    start, count = whole(start), whole(count)
    if text.__class__ is not str or start is None or count is None or count < 0:
        return None
    return str(text[max(0, start - 1) : max(0, start - 1 + count)])


def _trimmer(*, left: bool, right: bool) -> Callable[..., str | None]:
    strip = str.strip if left and right else str.lstrip if left else str.rstrip

    def apply(text: Value, characters: Value = " ") -> str | None:
        if text.__class__ is not str or characters.__class__ is not str:
            return None
        if len(characters) <= STRIPPED_CHARACTERS_MAX:
            return strip(text, characters)
        # Python's strip looks through all characters for each one of the text.
        stripped, start, stop = set(characters), 0, len(text)
        while left and start < stop and text[start] in stripped:
            start += 1
        while right and start < stop and text[stop - 1] in stripped:
            stop -= 1
        return str(text[start:stop])

    return apply


def absolute(number: Value) -> int | float | None:
    return bounded(abs(number)) if is_number(number) else None


def rounded(number: Value, decimals: Value = 0) -> int | float | None:
    decimals = whole(decimals)
    if not is_number(number) or decimals is None or not -DECIMALS_MAX <= decimals <= DECIMALS_MAX:
        return None
    if number.__class__ is int:
        unit = 10 ** max(0, -decimals)
        size = (abs(number) + unit // 2) // unit * unit
        return bounded(size if number >= 0 else -size)
    # Rounds the decimal that is displayed, not the binary value: 2.675 rounds to 2.68.
    exact = Decimal(repr(number)).scaleb(decimals).to_integral_value(ROUND_HALF_UP).scaleb(-decimals)
    return bounded(float(exact))


def floor(number: Value) -> int | float | None:
    return _whole(math.floor, number)


def ceil(number: Value) -> int | float | None:
    return _whole(math.ceil, number)


def _whole(rounding: Callable[[Any], int], number: Value) -> int | float | None:
    # The bounds are compared first: a number that has more digits than a double is no double to the rounding either.
    return bounded(rounding(number)) if is_number(number) and INTEGER_MIN <= number <= INTEGER_MAX else None


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "lower": lower,
    "upper": upper,
    "length": length,
    "substr": substr,
    "trim": _trimmer(left=True, right=True),
    "ltrim": _trimmer(left=True, right=False),
    "rtrim": _trimmer(left=False, right=True),
    "concat": concat,
    "coalesce": coalesce,
    "nullif": nullif,
    "abs": absolute,
    "round": rounded,
    "floor": floor,
    "ceil": ceil,
    "mod": remainder,
    **{part: partial(date_part, part) for part in DATE_PARTS},
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
