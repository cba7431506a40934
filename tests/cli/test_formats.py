"""What people type: formats, places to begin, durations, lines."""

import itertools
import math
import os
import time

import pytest
import trio
import trio.testing

from higgins.cli.io.stdin import read_lines
from higgins.cli.produce import record_from_json, record_from_text
from higgins.cli.text.escapes import unescaped
from higgins.cli.text.record_format import json_renderer, parse_format
from higgins.cli.text.start import NUMBER_MAX, Start, parse_duration, parse_start
from higgins.client import ConsumedRecord
from higgins.client.offsets import EARLIEST, LATEST
from higgins.model.errors import Unfit

NOW = 1_800_000_000_000
RECORD = ConsumedRecord("orders", 3, 42, 1700000000123, b"ada", b'{"qty": 7}', (("a", b"1"), ("b", None)))


def test_a_format_prints_every_field():
    line = parse_format("%k %v %p %o %t %T %h %K %V 100%%")(RECORD)
    assert line == b'ada {"qty": 7} 3 42 orders 1700000000123 a=1,b= 3 10 100%\n'


def test_a_format_ends_with_a_new_line_unless_it_says_how_it_ends():
    assert parse_format("%o")(RECORD) == b"42\n"
    assert parse_format("%o\\n")(RECORD) == b"42\n"
    assert parse_format("%o\\0")(RECORD) == b"42\0"
    assert parse_format("%o\\t%p")(RECORD) == b"42\t3\n"


@pytest.mark.parametrize("text", ["%z", "%"])
def test_an_unknown_part_of_a_format_is_refused(text):
    with pytest.raises(ValueError, match="of a format"):
        parse_format(text)


def test_a_record_printed_as_json_can_be_written_again():
    """Every kind of bytes in every part, on a terminal and in a pipe."""
    parts = [
        None, b"", b"text", "é€😀".encode(), b"\xff\xfe", b"\x00\xff", b"\xed\xa0\x80", b"\xef\xbb\xbfmark", b"\x1b[2J",
        b"\r\n\x7f\xc2\x85", "\u202e\u2028\U000e0001".encode(), b'"quoted\\"', b"null", b"\xc0\x80", bytes(range(256)),
    ]  # fmt: skip
    names = [part.decode(errors="surrogateescape") for part in parts if part is not None]
    for for_terminal in (False, True):
        render = json_renderer(for_terminal)
        for key in parts:
            for value in parts:
                headers = (*((name, value) for name in names), ("twice", value), ("twice", key))
                record = ConsumedRecord("t", 7, 42, -1 if key is None else NUMBER_MAX, key, value, headers)
                line = render(record)
                assert line.count(b"\n") == 1 and line.endswith(b"\n")
                if for_terminal:
                    assert line[:-1].decode().isprintable()
                draft = record_from_json(line[:-1], 1, (), None)
                assert (draft.key, draft.value, draft.headers) == (key, value, headers)
                assert (draft.partition, draft.timestamp_ms) == (7, record.timestamp_ms)


def test_json_lines_take_any_value_and_refuse_what_they_do_not_know():
    draft = record_from_json(b'{"value": {"qty": 7}, "key": "k", "headers": {"h": "v"}}', 1, (), 2)
    assert (draft.key, draft.value, draft.headers, draft.partition) == (b"k", b'{"qty": 7}', (("h", b"v"),), 2)
    assert record_from_json(b"{}", 1, (), None).value is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"valeu": 1}',
        b'{"value": 1',
        b"[]",
        b"null",
        b'{"value": "\xff"}',
        b'{"value_base64": "*"}',
        b'{"value": "x", "value_base64": "eA=="}',
        b'{"headers": {"h": 1}}',
        b'{"headers": {"h": {"base64": "*"}}}',
        b'{"headers": [["h"]]}',
        b'{"timestamp": 9223372036854775808}',
        b'{"timestamp": "now"}',
        b'{"timestamp": 1e400}',
        b'{"partition": 1.5}',
        b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_line_that_is_no_record_is_refused_by_its_number(line):
    with pytest.raises(Unfit, match=r"^Line 3 is not a record in JSON: "):
        record_from_json(line, 3, (), None)


def test_a_key_separator_divides_at_its_first_place():
    assert record_from_text(b"k:v:w", 1, b":", (), None).value == b"v:w"
    with pytest.raises(Unfit, match="Line 9 has no key separator"):
        record_from_text(b"nothing", 9, b":", (), None)


@pytest.mark.parametrize(
    ("typed", "data"),
    [(r"\t", b"\t"), (r"\n\r\0", b"\n\r\0"), (r"a\x1fB", b"a\x1fB"), (r"\\t", rb"\t"), ("é", "é".encode())],
)
def test_escapes_in_separators_and_formats(typed, data):
    assert unescaped(typed) == data
    assert parse_format(typed + "%o")(RECORD) == data + b"42\n"


@pytest.mark.parametrize("typed", ["\\", r"\q", r"\x", r"\x1", r"\xg0", r"\x 1"])
def test_an_unknown_escape_is_refused(typed):
    for parse in (unescaped, parse_format):
        with pytest.raises(ValueError, match="is not an escape"):
            parse(typed)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("beginning", Start(EARLIEST)),
        ("earliest", Start(EARLIEST)),
        ("end", Start(LATEST)),
        ("latest", Start(LATEST)),
        ("17", Start(17)),
        ("-10", Start(LATEST, before_end=10)),
        ("-1", Start(LATEST, before_end=1)),
        ("-0", Start(LATEST)),
        ("1h", Start(timestamp_ms=NOW - 3_600_000)),
        ("1.5s", Start(timestamp_ms=NOW - 1_500)),
        ("100000d", Start(EARLIEST)),
        ("@1700000000000", Start(timestamp_ms=1_700_000_000_000)),
        (str(NUMBER_MAX), Start(NUMBER_MAX)),
        (f"@{NUMBER_MAX}", Start(timestamp_ms=NUMBER_MAX)),
        ("2023-11-14T22:13:20Z", Start(timestamp_ms=1_700_000_000_000)),
        ("2023-11-14T23:13:20.0005+01:00", Start(timestamp_ms=1_700_000_000_001)),
        ("2023-11-14 22:13:20", Start(timestamp_ms=1_700_000_000_000)),
        ("1970-01-01T00:00:00Z", Start(timestamp_ms=0)),
        ("1969-12-31T23:59:59.9999Z", Start(timestamp_ms=0)),
    ],
)
def test_places_to_begin(text, start, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert parse_start(text, "--from", NOW) == start


def test_a_time_before_1970_is_the_beginning_and_no_number_of_the_protocol():
    near = [f"1969-12-31T23:59:59.{999 - back:03}Z" for back in range(10)]
    far = [f"{year:04}-01-01T00:00:00{zone}" for year in (1, 1582, 1969) for zone in ("Z", "+14:00", "-12:00", "")]
    for text in [*near, *far, "1969-06-01", *(f"@{-number}" for number in range(1, 10)), "30000d"]:
        assert parse_start(text, "--from", NOW) == Start(EARLIEST), text


@pytest.mark.parametrize(
    "text",
    ["yesterday", "", "@", "@x", "@@1", "--1", "-", "-1h", "1y", "h", "1.h5", "1e3", "٣", "@٣", "2026-13-01", "24:00",
     "2026-01-31T12:00:60Z", str(NUMBER_MAX + 1), f"@{NUMBER_MAX + 1}", "9" * 5_000, "0x10", "+1", "1 "],
)  # fmt: skip
def test_a_place_that_is_none_is_refused_by_the_option(text):
    for option in ("--from", "--to"):
        with pytest.raises(ValueError, match=f"^{option} .*(give earliest, latest, an offset|the limit is)"):
            parse_start(text, option, NOW)


def test_durations():
    assert [parse_duration(one) for one in ("20s", "500ms", "2m", "1.5h", "1d", "")] == [
        20, 0.5, 120, 5400, 86_400, math.inf
    ]  # fmt: skip
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("soon")


LINES = [b"first", b"", b"x" * 200_000, b"ends in cr", b"", b"cr in\rside", b"no new line at the end"]
TEXT = b"first\n\n" + b"x" * 200_000 + b"\nends in cr\r\n\r\ncr in\rside\nno new line at the end"
MARK = b"\xef\xbb\xbf"


async def lines_of(tmp_path, data, line_bytes_max=1 << 20):
    path = tmp_path / "lines"
    path.write_bytes(data)
    with path.open("rb") as reading:
        return [line async for line in read_lines(reading.fileno(), line_bytes_max)]


async def test_lines_are_the_same_however_they_are_saved(tmp_path):
    """Every combination of mark, line ends and an end of the last line; empty lines at each place."""
    for lines in ([], [b""], [b"a"], [b"a", b""], [b"", b"a"], [b"a", b"", b"b"], [b"\xff\xfe", MARK], [b"\xc3"]):
        for mark, end, last in itertools.product((b"", MARK), (b"\n", b"\r\n"), (True, False)):
            if lines and not last and not lines[-1]:
                continue  # an empty last line without an end is no line
            data = mark + end.join(lines) + (end if lines and last else b"")
            assert await lines_of(tmp_path, data) == lines, data
    assert await lines_of(tmp_path, b"a\r\nb\r") == [b"a", b"b"]
    assert await lines_of(tmp_path, b"a\n" + MARK) == [b"a", MARK]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
async def test_utf_16_is_named_with_the_fix(tmp_path, encoding):
    mark = {"utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    with pytest.raises(Unfit, match=r"UTF-16.*iconv"):
        await lines_of(tmp_path, mark + '{"value": 1}\r\n'.encode(encoding))


async def test_a_mark_that_a_pipe_delivers_in_pieces_is_skipped(nursery):
    reading, writing = os.pipe()

    async def write():
        async with trio.lowlevel.FdStream(writing) as stream:
            for one in (MARK[:1], MARK[1:2], MARK[2:], b"a\nb"):
                await stream.send_all(one)
                await trio.testing.wait_all_tasks_blocked()

    nursery.start_soon(write)
    try:
        assert [line async for line in read_lines(reading, 100)] == [b"a", b"b"]
    finally:
        os.close(reading)


async def test_lines_of_a_file_are_whole(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(TEXT)
    with path.open("rb") as reading:
        assert [line async for line in read_lines(reading.fileno(), 1 << 20)] == LINES


async def test_lines_of_a_pipe_are_whole_however_they_arrive(nursery):
    reading, writing = os.pipe()

    async def write():
        async with trio.lowlevel.FdStream(writing) as stream:
            await stream.send_all(TEXT)

    nursery.start_soon(write)
    try:
        assert [line async for line in read_lines(reading, 1 << 20)] == LINES
    finally:
        os.close(reading)


async def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\n" + b"x" * 200_000)
    with path.open("rb") as reading, pytest.raises(Unfit, match="Line 3 is longer than 100000 bytes"):
        [line async for line in read_lines(reading.fileno(), 100_000)]
