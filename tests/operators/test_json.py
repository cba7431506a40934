"""What is JSON, what a part is that cannot be represented, and that neither depends on which fields are asked for."""

import json
import random
import re
import sys
from typing import Any

import pytest

from higgins.operators.expression import documents as documents_module
from higgins.operators.expression.documents import DocumentReader
from higgins.operators.expression.json_reader import DEPTH_MAX, NotJson, read_members
from higgins.operators.operator import Costly
from tests.operators.rows import kept

HUGE = ("1e400", "-1e400", "1" + "0" * 400 + ".5", "1" + "0" * 5_000, "-" + "9" * 4_301, "1E+99999999999999999999")
HALVES = ('"\\ud800"', '"a\\udfffb"', '"\\ude00\\ud83d"', '"\\ud800\\u0041"', '"\\uD83D\\n"')
DEEP = tuple(
    opening * depth + "1" + closing * depth
    for opening, closing in (("[", "]"), ('{"a":', "}"))
    for depth in (70, 3_000)
)
NOT_REPRESENTABLE = (*HUGE, *HALVES, *DEEP)
UNUSUAL = (
    '"\\u0000"',
    '""',
    "-0",
    "1e-999",
    "0.1e1",
    '"\\/\\b\\f\\n\\r\\t\\"\\\\"',
    '"\\ud83d\\ude00"',
    '"\x7f"',
    "{}",
    "[]",
    "[{}, []]",
    "1E5",
    "-0.0",
    "18446744073709551616",
    '"é \u2028 \uffff 😀"',
    "null",
    "true",
    "false",
)
NOT_JSON = (
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "--1",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "truE",
    "'a'",
    '"\n"',
    '"\x00"',
    '"\\x"',
    '"\\u12"',
    '"\\',
    '"',
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1",
    "]",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{a:1}",
    '{"a":1 "b":2}',
    "{1:2}",
    "1 2",
    "\u00a01",
    "1\x0b",
    "",
    " ",
    "/**/1",
    "0x10",
    "1_0",
    "undefined",
    '{"a":1}}',
    "[1]]",
    "\ufeff\ufeff1",
    '"\\ud8"',
)
RAW_NOT_JSON = (
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc3',
    b'"\xc0\x80"',
    b"\xfe\xff\x00{\x00}",
    b'{"\xff": 1}',
    b'"\xf5\x80\x80\x80"',
)


def test_a_part_that_cannot_be_represented_decides_about_itself_alone() -> None:
    for part in NOT_REPRESENTABLE:
        for place in (
            '{{"a": {{"huge": {}, "b": 1}}, "c": "x"}}',
            '{{"a": {{"b": 1, "huge": {}}}, "c": "x"}}',
            '{{"c": "x", "a": {{"b": 1, "deep": [[0, {{"huge": [{}]}}]]}}}}',
            '{{"huge": {}, "a": {{"b": 1}}, "c": "x"}}',
            '{{"a": {{"b": 1, "b": {0}, "b": 1}}, "c": "x", "huge": {0}}}',
            '{{"c": {0}, "c": "x", "a": {{"b": 1}}}}',
        ):
            value = place.format(part).encode()
            for condition in ("a.b = 1", "c = 'x'", "a.b = 1 and c = 'x' and missing is null", "$offset >= 0"):
                assert kept(condition, [value]) == [0], (condition, part[:40], place)


@pytest.mark.parametrize("part", [*HUGE, *HALVES])
def test_it_is_null_where_it_is_asked_for(part: str) -> None:
    value = f'{{"x": {part}, "list": [1, {part}, 3], "y": 2, "o": {{"x": {part}, "y": 2}}}}'.encode()
    condition = "x is null and y = 2 and list[0] = 1 and list[1] is null and list[2] = 3 and o.x is null and o.y = 2"
    assert kept(condition, [value]) == [0]
    assert kept("x is null", [value]) == kept("list[1] is null", [value]) == kept("o.x is null", [value]) == [0]


def test_a_member_whose_name_cannot_be_represented_hides_no_other() -> None:
    assert kept("a = 1 and b = 2", [b'{"a": 1, "\\ud800": 5, "b": 2}', b'{"\\ud800": {"x": [1]}, "a": 1, "b": 2}']) == [
        0,
        1,
    ]
    assert kept("o.a = 1", [b'{"o": {"\\ud800": 5, "a": 1}}']) == [0]


def test_names_are_compared_without_their_escapes_and_the_last_of_equal_ones_counts() -> None:
    assert kept("qty = 9", [b'{"q\\u0074y": 9}', b'{"qty": 1, "qty": 9}', b'{"qty": 9, "qty": 1}']) == [0, 1]
    assert kept("o.qty = 9", [b'{"o": {"q\\u0074y": 9}}', b'{"o": {"qty": 1}, "o": {"qty": 9}}']) == [0, 1]
    assert kept("qty = 9 and x is null", [b'{"q\\u0074y": 9, "x": 1e400}', b'{"x": 1e400, "qty": 1, "qty": 9}']) == [
        0,
        1,
    ]


def test_a_mark_in_front_is_skipped() -> None:
    assert kept("qty = 9", [b'\xef\xbb\xbf{"qty": 9}', b'\xef\xbb\xbf {"qty": 9, "x": 1e400}']) == [0, 1]


CONDITIONS = ("$offset >= 0", "x is null or true", "y is null or true", "x is null or y is null or z.a is null or true")


@pytest.mark.parametrize("is_large", [False, True])
def test_what_is_json_does_not_depend_on_the_fields(is_large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_large:
        monkeypatch.setattr(documents_module, "LARGE_BYTES", 0)
    yes = [part.encode() for part in (*NOT_REPRESENTABLE, *UNUSUAL)]
    no = [part.encode("utf-8", "surrogatepass") for part in NOT_JSON] + list(RAW_NOT_JSON)
    for parts, is_json in ((yes, True), (no, False)):
        for part in parts:
            places = [b'{"x": %b, "y": 1}', b'{"y": 1, "z": {"a": %b}}', b'{"y": [%b]}', b'{"other": %b}', b" %b\r\n\t"]
            # Nothing, or one bracket too many, is wrong only where nothing is around it.
            for place in places[-1:] if part in {b"", b" ", b'{"a":1}}', b"[1]]"} else places:
                value = place % part
                for fields in ((), ("x",), ("y",), ("x", "y", "z")):
                    documents, not_json = DocumentReader(fields).read([b'{"x": 1}', value, None])
                    assert not_json == (set() if is_json else {1}), (value[:60], fields)
                    assert len(documents) == 3


@pytest.mark.parametrize("seed", range(6))
def test_documents_are_read_as_the_standard_library_reads_them(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(400):
        text = generated(chance, 3)
        for _ in range(chance.choice((0, 0, 1, 2))):
            where = chance.randrange(len(text) + 1)
            text = (
                text[:where]
                + chance.choice(['"', "\\", ",", "{", "}", "[", "0", "-", "e", " ", "\x01", "\ud800", ""])
                + (text[where + chance.randrange(3) :])
            )
        data = text.encode("utf-8", "surrogatepass")
        expected = by_the_library(data)
        names = {"a": 0, "b": 1, "": 2}
        try:
            found: Any = read_members(data, names)
        except NotJson:
            found = NotJson
        if expected is NotJson or not isinstance(expected, dict):
            assert found is (NotJson if expected is NotJson else None), text
        else:
            assert same(found, [expected.get(name) for name in names]), text
        reader = DocumentReader(["a", "b", "n"])
        (document,), not_json = reader.read([data])
        assert bool(not_json) == (expected is NotJson), text
        if isinstance(expected, dict):
            assert same([document.f0, document.f1], [expected.get("a"), expected.get("b")]), text


def generated(chance: random.Random, depth: int) -> str:
    """A document of members a, b and others, with parts of every kind."""

    def value(depth: int) -> str:
        kind = chance.randrange(8 if depth else 6)
        if kind < 3:
            return chance.choice(UNUSUAL)
        if kind == 3:
            return chance.choice((*HUGE, *HALVES))
        if kind in {4, 5}:
            return chance.choice(("5", "-2.5", '"text"', '"n\\u0041"'))
        if kind == 6:
            return "[" + chance.choice((",", " , ")).join(value(depth - 1) for _ in range(chance.randrange(4))) + "]"
        return members(depth - 1)

    def members(depth: int) -> str:
        names = [chance.choice(("a", "b", "", "c", "\\u0061", "\\ud800")) for _ in range(chance.randrange(5))]
        return "{" + ", ".join(f'"{name}": {value(depth)}' for name in names) + chance.choice(("}", " }", "\n}"))

    return chance.choice(("", " ", "\n")) + members(depth)


def by_the_library(data: bytes) -> Any:
    """Python's own decoder with the same rules, as far as it can be told them."""

    def refuse(word: str) -> Any:
        raise ValueError(word)

    def integer(text: str) -> int | None:
        return int(text) if len(text) <= 4_300 else None

    def real(text: str) -> float | None:
        number = float(text)
        return number if abs(number) <= sys.float_info.max else None

    try:
        text = data.decode()
        found = json.loads(text.removeprefix("\ufeff"), parse_constant=refuse, parse_int=integer, parse_float=real)
    except ValueError:
        return NotJson
    return representable(found)


def representable(value: Any) -> Any:
    if isinstance(value, str):
        return None if re.search("[\ud800-\udfff]", value) else value
    if isinstance(value, list):
        return [representable(each) for each in value]
    if isinstance(value, dict):
        return {name: representable(each) for name, each in value.items() if representable(name) is not None}
    return value


def same(left: Any, right: Any) -> bool:
    return repr(left) == repr(right) or json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def test_large_values_and_small_ones_are_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pad = "x" * documents_module.LARGE_BYTES
    value = f'{{"pad": "{pad}", "tags": [1, {{"a": "é"}}], "qty": 9}}'.encode()
    assert kept("qty = 9 and tags[1].a = 'é' and length(pad) > 9", [b'{"qty": 1}', value]) == [1]


def test_slow_reading_is_refused_above_a_bound_and_done_without_one() -> None:
    values: list[bytes | None] = [b'{"x": 1e400}' for _ in range(100)]
    reader = DocumentReader(["x"])
    with pytest.raises(Costly):
        reader.read(values, 1_000)
    assert reader.read(values, 2_000)[1] == reader.read(values)[1] == set()


def test_every_level_that_a_path_can_reach_is_kept() -> None:
    depth = DEPTH_MAX - 1
    value = b'{"a":' * depth + b"7" + b"}" * depth
    members = read_members(value, {"a": 0})
    assert members is not None
    found = members[0]
    for _ in range(depth - 1):
        found = found["a"]
    assert found == 7


def test_a_field_that_is_skipped_must_be_utf8_too_wherever_the_value_stands() -> None:
    good, bad = '{"y": "é"}'.encode(), b'{"y": "\xff"}'
    assert DocumentReader(["x"]).read([good, bad, good])[1] == {1}
    assert DocumentReader(["x"]).read([good, good])[1] == set()
