"""Every function and operator at the ends of every type: a value or null, and never an error."""

import itertools
import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from higgins.operators.expression import functions as functions_module
from higgins.operators.expression.compile import compile_condition
from higgins.operators.expression.functions import ARITY, FUNCTIONS, INTEGER_MAX, INTEGER_MIN
from higgins.operators.expression.generate import HELPERS
from higgins.operators.expression.like import TooCostly, matches, split_pattern
from tests.operators.rows import columns_of, kept, verdict

NUMBERS = (
    0,
    1,
    -1,
    2,
    INTEGER_MAX,
    INTEGER_MIN,
    INTEGER_MAX + 1,
    INTEGER_MIN - 1,
    10**320,
    -(10**320),
    10**4_299,
    2**1_024,
    0.0,
    -0.0,
    0.5,
    -0.5,
    5e-324,
    -5e-324,
    1e308,
    -1e308,
    1.7976931348623157e308,
    9.3e18,
    -9.3e18,
    2.0**63,
    -(2.0**63),
    2.0**53,
    1e-300,
    18,
    -18,
    19,
    64,
    1e15,
)
NOT_FINITE = (float("inf"), float("-inf"), float("nan"))
"""No record and no expression has them, but a function must not rely on that."""
TEXTS = (
    "",
    " ",
    "a",
    "\x00",
    "é",
    "😀",
    "\ud800",
    "\udfff",
    "%",
    "_",
    "\\",
    "%_%",
    "'",
    "x" * 70_000,
    "0" * 5_000,
    "9" * 30,
    "1e400",
    "1e-400",
    "-0",
    " 42 ",
    "٣",
    "nan",
    "inf",
    "-",
    ".",
    "1.",
    "0x10",
    "1_000",
    "true",
    "TRUE ",
    "ß",
    "İ",
    "9999-12-31T23:59:59Z",
    "0001-01-01",
    "2024-02-30",
    "2024-01-01T00:00:00+23:59",
    "\u2028",
)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [1, [2]], {"a": {"b": 1}}, [None], {"": 0})
VALUES = (*NUMBERS, *NOT_FINITE, *TEXTS, *OTHERS)

CALLS: dict[str, tuple[Callable[..., Any], int]] = {
    f"{name}/{count}": (function, count)
    for name, function in FUNCTIONS.items()
    for count in range(ARITY[name][0], min(ARITY[name][1], 3) + 1)
}
CALLS |= {
    name: (
        function,
        2
        if name in {"item", "add", "subtract", "multiply", "divide", "remainder", "equal", "less", "less_or_equal"}
        else 1,
    )
    for name, function in HELPERS.items()
    if callable(function) and not name.startswith("call_") and name not in {"header", "among", "like", "matches"}
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_has_a_value_or_null_for_every_argument(name: str) -> None:
    function, count = CALLS[name]
    chance = random.Random(name)
    arguments = (
        itertools.product(VALUES, repeat=count)
        if count < 3
        else (tuple(chance.choice(VALUES) for _ in range(3)) for _ in range(3_000))
    )
    for each in arguments:
        if name == "item" and not isinstance(each[1], str | int):
            continue  # a step of a path is a name or a number
        result = function(*each)
        assert result is None or result.__class__ in (bool, int, float, str, list, dict), each
        if name.split("/", maxsplit=1)[0] not in {"coalesce", "nullif", "item", "condition", "opposite"}:
            assert is_representable(result), (each, result)


def is_representable(result: Any) -> bool:
    if result.__class__ is int:
        return bool(INTEGER_MIN <= result <= INTEGER_MAX)
    return result.__class__ is not float or result - result == 0


PAIRS = (
    "{} = {}",
    "{} <> {}",
    "{} < {}",
    "{} <= {}",
    "{} > {}",
    "{} >= {}",
    "{} + {} = 1",
    "{} - {} = 1",
    "{} * {} = 1",
    "{} / {} = 1",
    "{} % {} = 1",
    "{} || {} = ''",
    "{} like {}",
    "{} like {} escape '!'",
    "{} in ({}, 1, 'x')",
    "{} between {} and 5",
    "5 between {} and {}",
    "case {} when {} then true end",
    "nullif({}, {}) = 1",
    "coalesce({}, {})",
    "substr({}, {}) = ''",
    "round({}, {}) = 1",
    "mod({}, {}) = 1",
    "trim({}, {}) = ''",
)
SINGLES = (
    "{}",
    "not {}",
    "{} is null",
    "{} is true",
    "-{} = 1",
    "cast({} as bigint) = 1",
    "cast({} as double) = 1",
    "cast({} as varchar) = ''",
    "cast({} as boolean)",
    "{}.a = 1",
    "{}[0] = 1",
    "{} > 5",
    "{} = 'x'",
    "{} like '%a_%'",
    "abs({}) = 1",
    "floor({}) > 1",
    "ceil({}) > 1",
    "round({}) > 1",
    "length({}) > 1",
    "lower({}) = ''",
    "year({}) = 2024",
    "second({}) = 59",
    "extract(quarter from {}) = 1",
)


def test_every_condition_keeps_the_record_or_not_over_every_value() -> None:
    documents = [
        {"x": value, "y": other}
        for value in VALUES
        for other in random.Random(1).sample(VALUES, 6)
        if not {repr(value), repr(other)} & {"inf", "-inf", "nan"}
    ]
    values = [to_json(document) for document in documents]
    for text in (*(pair.format("x", "y") for pair in PAIRS), *(single.format("x") for single in SINGLES)):
        # `kept` fails where a record fails.
        true, unknown = kept(f"({text})", values), kept(f"({text}) is null", values)
        false = kept(f"not ({text})", values)
        if text not in {"x", "coalesce(x, y)", "x is null"}:
            assert sorted(true + false + unknown) == list(range(len(values))), text


def to_json(document: dict[str, Any]) -> bytes:
    def part(value: Any) -> str:
        return str(value) if value.__class__ is int else json.dumps(value)

    return ("{" + ", ".join(f'"{name}": {part(value)}' for name, value in document.items()) + "}").encode()


def test_the_same_number_in_other_spellings_has_the_same_answer() -> None:
    spellings = {
        "6": ("6", "6.0", "6e0", "0.6e1", "60E-1", "6.000"),
        "-2": ("-2", "-2.0", "-0.2e1"),
        "0": ("0", "0.0", "-0", "-0.0", "0e5"),
        "1714566896000": ("1714566896000", "1714566896000.0", "1.714566896e12", "1714566896e3"),
    }
    conditions = [
        "x = {0}",
        "x + 1 = {0} + 1",
        "x in ({0})",
        "cast(x as varchar) = '{0}'",
        "concat('a', x) = 'a{0}'",
        "cast(x as bigint) = {0}",
        "year(x) = year({0})",
        "second(x) = second({0})",
        "x between {0} and {0}",
        "x % 4 = {0} % 4",
        "x / 4 = {0} / 4",
        "floor(x) = {0}",
        "round(x) = {0}",
        "abs(x) = abs({0})",
        "substr('abcdefgh', x, 2) = substr('abcdefgh', {0}, 2)",
        "round(1234.5678, x) = round(1234.5678, {0}) or x > 18",
        "coalesce(x, 1) = {0}",
        "nullif(x, {0}) is null",
        "case x when {0} then true end",
        "-x = -({0})",
    ]
    for number, ways in spellings.items():
        values = [b'{"x": %b}' % way.encode() for way in ways]
        for condition in conditions:
            text = condition.format(number)
            assert kept(text, values) == list(range(len(ways))), (text, ways)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("floor(x) > 1", None),
        ("ceil(x) > 1", None),
        ("round(x) > 1", None),
        ("abs(x) > 1", None),
        ("-x < 1", None),
        ("x * 7 = 1", None),
        ("x / 2 > 1", None),
        ("cast(x as double) > 1", None),
        ("cast(x as varchar) = ''", None),
        ("x > 1", True),
        ("x = x", True),
    ],
)
def test_an_integer_of_more_than_64_bits_can_be_compared_and_nothing_else(
    condition: str, expected: bool | None
) -> None:
    assert verdict(condition, b'{"x": 1' + b"0" * 320 + b"}") is expected


# Like.


def test_like_matches_what_a_regular_expression_matches() -> None:
    chance = random.Random(7)
    for _ in range(20_000):
        text = "".join(chance.choice("ab\n") for _ in range(chance.randrange(14)))
        pattern = "".join(chance.choice("ab%_!") for _ in range(chance.randrange(9)))
        pieces = split_pattern(pattern, "!")
        if pieces is None:
            assert (len(pattern) - len(pattern.rstrip("!"))) % 2 == 1
            continue
        expression = re.sub(
            r"!(.)|(.)",
            lambda found: re.escape(found[1]) if found[1] else {"%": ".*", "_": "."}.get(found[2], re.escape(found[2])),
            pattern,
        )
        assert matches(text, pieces) == (re.fullmatch(expression, text, re.DOTALL) is not None), (text, pattern)


def test_like_finds_a_match_across_windows_and_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("higgins.operators.expression.like.WINDOW_POSITIONS", 4)
    for length in range(3, 20):
        for start in range(length - 2):
            text = "." * start + "aéb" + "." * (length - start - 3)
            for pattern in ("%a_b%", "%a_b", "a_b%", "%a_b%%", "%_é_%", "%a_b._%"):
                expected = (
                    re.fullmatch(pattern.replace(".", r"\.").replace("%", ".*").replace("_", "."), text) is not None
                )
                pieces = split_pattern(pattern, "")
                assert pieces is not None and matches(text, pieces) == expected, (text, pattern)


def test_like_takes_steps_in_proportion_to_the_text_and_refuses_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a" * (1 << 20)
    for pattern in ("%a_b%", "%a_b_" * 20 + "%", "%" + "a_" * 2_000 + "b%"):
        pieces = split_pattern(pattern, "")
        assert pieces is not None and not matches(text, pieces)
    pieces = split_pattern("%" + "a_" * 500_000 + "b%", "")
    assert pieces is not None
    with pytest.raises(TooCostly):
        matches(text + "b", pieces)


def test_trimming_many_characters_is_linear_and_the_same() -> None:
    many = "".join(map(chr, range(0x4E00, 0x9000)))
    for name, strip in (("trim", str.strip), ("ltrim", str.lstrip), ("rtrim", str.rstrip)):
        for characters in ("", "x", "xy", many, many + "x"):
            for text in ("", "x", "xxaxx", many + "a" + many, "a", many):
                assert functions_module.FUNCTIONS[name](text, characters) == strip(text, characters)
    assert functions_module.FUNCTIONS["trim"](chr(0x4E00) * 500_000, many[::-1] * 10) == ""


def test_a_value_that_is_too_costly_fails_alone() -> None:
    condition = compile_condition("x like y or z = 1")
    pattern, text = "%" + "a_" * 300_000 + "b%", "a" * 900_000 + "b"
    columns = columns_of([b'{"z": 1}', b'{"x": "%b", "y": "%b"}' % (text.encode(), pattern.encode()), b'{"z": 1}'])
    selection = condition.select_json(columns)
    assert selection.rows == [0, 2]
    assert [(row, type(error)) for row, error in selection.failed] == [(1, TooCostly)]
