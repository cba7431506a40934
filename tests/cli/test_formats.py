"""What people type: formats, places to begin, durations, lines."""

import math
import os

import pytest
import trio

from higgins.cli.consume import Start, parse_start
from higgins.cli.produce import record_from_json, record_from_text
from higgins.cli.record_format import parse_format, render_json
from higgins.cli.stdin import read_lines
from higgins.client import ConsumedRecord
from higgins.client.offsets import EARLIEST, LATEST
from higgins.model.errors import Unfit

RECORD = ConsumedRecord("orders", 3, 42, 1700000000123, b"ada", b'{"qty": 7}', (("a", b"1"), ("b", None)))


def test_a_format_prints_every_field():
    line = parse_format("%k %v %p %o %t %T %h %K %V 100%%")(RECORD)
    assert line == b'ada {"qty": 7} 3 42 orders 1700000000123 a=1,b= 3 10 100%\n'


def test_a_format_ends_with_a_new_line_unless_it_says_how_it_ends():
    assert parse_format("%o")(RECORD) == b"42\n"
    assert parse_format("%o\\n")(RECORD) == b"42\n"
    assert parse_format("%o\\0")(RECORD) == b"42\0"
    assert parse_format("%o\\t%p")(RECORD) == b"42\t3\n"


@pytest.mark.parametrize("text", ["%z", "%", "\\q", "\\"])
def test_an_unknown_part_of_a_format_is_refused(text):
    with pytest.raises(ValueError, match="of a format"):
        parse_format(text)


def test_a_record_printed_as_json_can_be_written_again():
    draft = record_from_json(render_json(RECORD), 1, (), None)
    assert (draft.key, draft.value, draft.headers) == (RECORD.key, RECORD.value, RECORD.headers)
    binary = ConsumedRecord("t", 0, 0, 0, b"\xff\xfe", None, ())
    again = record_from_json(render_json(binary), 1, (), None)
    assert (again.key, again.value) == (b"\xff\xfe", None)


def test_json_lines_take_any_value_and_refuse_what_they_do_not_know():
    draft = record_from_json(b'{"value": {"qty": 7}, "key": "k", "headers": {"h": "v"}}', 1, (), 2)
    assert (draft.key, draft.value, draft.headers, draft.partition) == (b"k", b'{"qty": 7}', (("h", b"v"),), 2)
    assert record_from_json(b"{}", 1, (), None).value is None
    with pytest.raises(Unfit, match="Line 3 is not a record in JSON"):
        record_from_json(b'{"valeu": 1}', 3, (), None)


def test_a_key_separator_divides_at_its_first_place():
    assert record_from_text(b"k:v:w", 1, ":", (), None).value == b"v:w"
    with pytest.raises(Unfit, match="Line 9 has no key separator"):
        record_from_text(b"nothing", 9, ":", (), None)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("beginning", Start(EARLIEST)),
        ("end", Start(LATEST)),
        ("17", Start(17)),
        ("@1700000000000", Start(timestamp_ms=1_700_000_000_000)),
        ("2023-11-14T22:13:20Z", Start(timestamp_ms=1_700_000_000_000)),
    ],
)
def test_places_to_begin(text, start):
    assert parse_start(text) == start


def test_a_place_that_is_none_is_refused_with_examples():
    with pytest.raises(ValueError, match="give beginning, end, an offset, or a time"):
        parse_start("yesterday")


def test_durations():
    from higgins.cli.demo import parse_duration  # noqa: PLC0415 - it brings the broker along

    assert [parse_duration(one) for one in ("20s", "500ms", "2m", "1.5h", "")] == [20, 0.5, 120, 5400, math.inf]
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("soon")


LINES = [b"first", b"", b"x" * 200_000, b"ends in cr", b"no new line at the end"]
TEXT = b"first\n\n" + b"x" * 200_000 + b"\nends in cr\r\nno new line at the end"


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
    path.write_bytes(b"x" * 200_000)
    with path.open("rb") as reading, pytest.raises(Unfit, match="longer than 100000 bytes"):
        [line async for line in read_lines(reading.fileno(), 100_000)]
