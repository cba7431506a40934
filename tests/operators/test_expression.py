"""What expressions mean: SQL's three values over JSON's types, and null wherever there is no answer."""

import json
from typing import Any

import pytest

from higgins_protocol.records.record import Record
from tests.operators.rows import AT_MS, kept, kept_rows, verdict

ORDER = {
    "id": 7,
    "qty": 6,
    "price": 2.5,
    "country": "NL",
    "note": "50% off\nnow",
    "gift": True,
    "nothing": None,
    "tags": ["red", "blue", ["deep"]],
    "a": {"b": {"c": 3}, "weird name": 1},
    "big": 9_223_372_036_854_775_807,
    "bigger": 9_223_372_036_854_775_808,
    "at": "2024-05-01T14:34:56+02:00",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("qty > 5", True),
        ("qty > 6", False),
        ("5 < qty", True),
        ("qty = 6.0", True),
        ("qty <> 6", False),
        ("qty != 5", True),
        ("qty >= 6 and qty <= 6", True),
        ("missing > 5", None),
        ("nothing > 5", None),
        ("country > 5", None),
        ("gift > 0", None),
        ("gift = true", True),
        ("gift", True),
        ("not gift", False),
        ("country", None),
        ("tags = tags", None),
        ("country = 'NL'", True),
        ("country < 'NM'", True),
        ("country = price", None),
        ("qty > price", True),
        ("price < qty and country = note", False),
        # Unknown is not false: it vanishes only beside what decides.
        ("missing = 1 and false", False),
        ("missing = 1 and true", None),
        ("missing = 1 or true", True),
        ("missing = 1 or false", None),
        ("not missing = 1", None),
        ("(missing = 1) is null", True),
        ("(qty = 6) is true", True),
        ("missing is not true", True),
        ("missing is null and nothing is null and qty is not null", True),
        # Arithmetic.
        ("qty * price = 15", True),
        ("qty + 1 - 2 = 5", True),
        ("qty / 4 = 1.5", True),
        ("qty / 0 = 1", None),
        ("qty % 0 = 1", None),
        ("qty % 4 = 2 and -qty % 4 = -2", True),
        ("mod(qty, 4) = 2", True),
        ("7.5 % 2 = 1.5", True),
        ("-qty = -6", True),
        ("big + 1 is null", True),
        ("-big - 1 = -9223372036854775808", True),
        ("-big - 2 is null", True),
        ("big * big is null", True),
        ("bigger + 0 is null", True),
        ("bigger > big", True),
        ("1e308 * 10 is null", True),
        ("qty + country is null", True),
        ("gift + 1 is null", True),
        # Paths.
        ("a.b.c = 3", True),
        ("a.b.x is null", True),
        ("a.\"weird name\" = 1", True),
        ("qty.b is null", True),
        ("tags[0] = 'red'", True),
        ("tags[2][0] = 'deep'", True),
        ("tags[9] is null", True),
        ("tags[0][0] is null", True),
        ("a['b'].c = 3", True),
        ("\"country\" = 'NL'", True),
        ("COUNTRY is null", True),
        # In, between, like, case.
        ("country in ('NL', 'BE')", True),
        ("country in ('FR')", False),
        ("country not in ('FR', null)", None),
        ("country in ('NL', null)", True),
        ("qty in (1, 6.0)", True),
        ("qty in ('6')", None),
        ("gift in (1)", None),
        ("qty between 6 and 7", True),
        ("qty between 7 and null", False),
        ("qty between null and 7", None),
        ("qty not between 7 and 9", True),
        ("country like 'N_'", True),
        ("country like 'n%'", False),
        ("note like '%\\%%' escape '\\'", True),
        ("note like '50!% off%now' escape '!'", True),
        ("note like '%off_now'", True),
        ("note like ''", False),
        ("note like '%'", True),
        ("country like country", True),
        ("qty like '6'", None),
        ("case when qty > 5 then 'many' else 'few' end = 'many'", True),
        ("case country when 'BE' then 1 when 'NL' then 2 end = 2", True),
        ("case missing when null then 1 else 2 end = 2", True),
        ("case when missing then 1 end is null", True),
        # Casts.
        ("cast(price as bigint) = 2", True),
        ("cast(-2.9 as bigint) = -2", True),
        ("cast(' 42 ' as bigint) = 42", True),
        ("cast('4.2' as bigint) is null", True),
        ("cast('4.2' as double) = 4.2", True),
        ("cast('nan' as double) is null", True),
        ("cast('1e999' as double) is null", True),
        ("qty::varchar = '6'", True),
        ("cast(gift as varchar) = 'true'", True),
        ("cast(a as varchar) is null", True),
        ("cast('TRUE' as boolean)", True),
        ("cast(0 as boolean)", False),
        ("cast(bigger as bigint) is null", True),
        # Functions.
        ("lower(country) = 'nl' and upper('be') = 'BE'", True),
        ("lower(qty) is null", True),
        ("length(country) = 2", True),
        ("substr('abcdef', 2, 3) = 'bcd'", True),
        ("substring('abcdef' from 5) = 'ef'", True),
        ("substr('abc', 0, 2) = 'a'", True),
        ("substr('abc', 1, -1) is null", True),
        ("trim('  a ') = 'a' and ltrim('xxa', 'x') = 'a' and rtrim('a  ') = 'a'", True),
        ("concat(country, '-', qty) = 'NL-6'", True),
        ("country || missing is null", True),
        ("coalesce(missing, nothing, qty) = 6", True),
        ("nullif(qty, 6) is null and nullif(qty, 5) = 6 and nullif(qty, 'x') = 6", True),
        ("nullif(country, 'BE') = 'NL' and nullif(country, 'NL') is null and nullif(gift, false)", True),
        ("coalesce(missing, country) = 'NL' and coalesce(missing, gift)", True),
        ("abs(-3) = 3 and abs(-2.5) = 2.5", True),
        ("round(2.5) = 3 and round(-2.5) = -3 and round(2.675, 2) = 2.68", True),
        ("round(1250, -2) = 1300 and round(-1250, -2) = -1300 and round(7) = 7", True),
        ("round(123456789012345678, -2) = 123456789012345700 and round(big, -1) is null", True),
        ("round(1e300, 2) = 1e300 and round(1e-300, 18) = 0 and round(1.5, 19) is null", True),
        ("floor(-2.5) = -3 and ceil(-2.5) = -2 and floor(1e300) is null", True),
        ("abs(-9223372036854775808) is null", True),
        # Record properties.
        ("$partition = 3 and $offset = 100", True),
        (f"$timestamp = {AT_MS}", True),
        ("$key is null and $headers['x'] is null", True),
        ("year($timestamp) = 2024 and month($timestamp) = 5 and day($timestamp) = 1", True),
        ("hour($timestamp) = 12 and minute($timestamp) = 34 and second($timestamp) = 56", True),
        ("extract(quarter from $timestamp) = 2 and date_part('hour', at) = 12", True),
        ("year('soon') is null and year(big) is null and year(true) is null", True),
    ],
)  # fmt: skip
def test_a_condition_is_what_sql_says(expression: str, expected: bool | None) -> None:
    assert verdict(expression, ORDER) is expected


@pytest.mark.parametrize("value", [b"", b"{", b'{"qty": 9} x', b"\xff", b"{'qty': 9}", b"[" * 5_000, b"nul"])
def test_what_is_not_json_is_counted_and_never_kept(value: bytes) -> None:
    records = [
        Record(offset=0, timestamp=0, key=None, value=value, headers=()),
        Record(offset=1, timestamp=0, key=None, value=b'{"qty": 9}', headers=()),
    ]
    assert kept_rows("qty > 5", records) == ([1], 1)
    assert kept_rows("qty is null or true", records) == ([1], 1)
    assert kept_rows("$offset >= 0", records) == ([1], 1)


@pytest.mark.parametrize("value", [b"5", b"null", b"[9]", b'"x"', b"{}", None])
def test_what_is_json_but_no_object_has_no_fields(value: bytes | None) -> None:
    records = [Record(offset=0, timestamp=0, key=None, value=value, headers=())]
    assert kept_rows("qty is null", records) == ([0], 0)
    assert kept_rows("qty > 5", records) == ([], 0)


def test_a_number_out_of_range_is_null_and_its_neighbours_are_not() -> None:
    assert kept("huge is null and qty = 6", [b'{"huge": 1e999, "qty": 6}']) == [0]
    digits = b"9" * 400
    assert kept("huge + 1 is null and huge > 5", [b'{"huge": ' + digits + b"}"]) == [0]


def test_keys_and_headers_are_text_and_the_last_header_of_a_name_counts() -> None:
    def record(key: bytes | None, *headers: tuple[str, bytes | None]) -> Record:
        return Record(offset=0, timestamp=0, key=key, value=b"{}", headers=headers)

    assert kept_rows("$key = 'NL'", [record(b"NL")])[0] == [0]
    assert kept_rows("$key is null", [record(b"\xff")])[0] == [0]
    assert kept_rows("$headers['v'] = '2'", [record(None, ("v", b"1"), ("w", b"3"), ("v", b"2"))])[0] == [0]
    assert kept_rows("$headers['v'] is null", [record(None, ("v", None))])[0] == [0]


def test_a_field_that_looks_like_code_is_a_field() -> None:
    names = ["f0", "document", "k0", "import os", "__class__", "a'b", "naïve", "row"]
    for name in names:
        assert verdict(f'"{name}" = 1', {name: 1}) is True
        assert verdict(f'"{name}" = 1', {"other": 1}) is None
    assert verdict("s = '''); import os; (''' ", {"s": "'); import os; ('"}) is True


@pytest.mark.parametrize("text", ["x" * 100_000, "aab" * 5_000])
def test_a_pattern_made_to_be_slow_is_not(text: str) -> None:
    pattern = "%a" * 100 + "%b_c"
    assert verdict(f"s like '{pattern}'", {"s": text}) is False


def test_long_strings_do_not_grow_without_bound() -> None:
    assert verdict("concat(s, s, s) is null", {"s": "x" * 500_000}) is True


def documents_of(count: int) -> list[Any]:
    return [json.loads(json.dumps({"qty": n})) for n in range(count)]


def test_many_conditions_side_by_side_are_one_condition() -> None:
    expression = " or ".join(f"qty = {n}" for n in range(0, 400, 2))
    assert kept(expression, documents_of(400)) == list(range(0, 400, 2))
    cases = " ".join(f"when qty = {n} then {n % 2}" for n in range(200))
    assert kept(f"case {cases} end = 1", documents_of(10)) == [1, 3, 5, 7, 9]
