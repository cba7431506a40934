"""The survey of a batch: it accepts what can be decoded and nothing else, and it knows the timestamps."""

import os
import random
from collections.abc import Iterator

import pytest

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records.batch import HEADER_BYTES, BatchHeader, assemble, read_header
from higgins_protocol.records.record import Record, decode_records, encode_batch, encode_records
from higgins_protocol.records.survey import Surveyor, keyless, survey, timestamps

FUZZ_INPUTS = int(os.environ.get("HIGGINS_FUZZ_INPUTS", "6000"))
T = 1_800_000_000_000


def parts(batch: bytes) -> tuple[BatchHeader, bytes]:
    return read_header(batch), batch[HEADER_BYTES:]


def uniform(count: int, size: int, *, key: bytes | None = None, step_ms: int = 0, headers: int = 0) -> list[Record]:
    rng = random.Random(count)
    named = (("h", b"x"), ("g", None))[:headers]
    return [Record(timestamp=T + n * step_ms, key=key, value=rng.randbytes(size), headers=named) for n in range(count)]


def scattered(rng: random.Random, spread_ms: int, count: int = 400) -> list[Record]:
    return [Record(timestamp=T + rng.randrange(-spread_ms, spread_ms + 1), value=b"0123456789") for _ in range(count)]


def batches() -> Iterator[tuple[str, list[Record]]]:
    """Records in every arrangement that the search for runs treats on its own."""
    rng = random.Random(1)
    for count in (1, 2, 9, 63, 64, 65, 66, 500, 8191, 8192, 8193, 8300, 17_000):
        yield f"{count} alike", uniform(count, 1)
    for size in (0, 1, 55, 56, 100, 1024, 9000, 70_000):
        yield f"values of {size}", uniform(40, size, step_ms=1)
        yield f"values of {size} with keys and headers", uniform(40, size, key=b"key", step_ms=100, headers=2)
    yield "more than a window", uniform(1500, 1000, step_ms=1)
    yield "a key in the middle", [*uniform(50, 20), Record(timestamp=T, key=b"k", value=bytes(18)), *uniform(50, 20)]
    yield "no key in the middle", [*uniform(50, 20, key=b""), Record(timestamp=T), *uniform(50, 20, key=b"")]
    yield "null values", [Record(timestamp=T + n, key=b"%04d" % n) for n in range(200)]
    yield "two sizes", [Record(timestamp=T + n, value=bytes(rng.choice((30, 31)))) for n in range(900)]
    yield "sizes in turn", [Record(timestamp=T + n, value=bytes(30 + n // 20)) for n in range(900)]
    yield "every size", [Record(timestamp=T + n, value=bytes(rng.randrange(200))) for n in range(900)]
    for spread_ms in (0, 1, 30, 63, 64, 65, 5000, 8191, 8192, 10**6, 10**9, 10**12):
        yield f"times within {spread_ms} ms", scattered(rng, spread_ms)
    for step_ms in (1, -1, 63, -64, 300, -5000, 10**7):
        yield f"steps of {step_ms} ms", uniform(300, 10, step_ms=step_ms)
    yield "the latest in the middle", [*uniform(99, 10), Record(timestamp=T + 60, value=bytes(10)), *uniform(99, 10)]
    yield "the earliest in the middle", [*uniform(99, 10), Record(timestamp=T - 60, value=bytes(10)), *uniform(99, 10)]
    yield "without times", [Record(value=b"x") for _ in range(100)]
    yield "of 1969", [Record(timestamp=-5 - n % 3, value=b"x") for n in range(100)]


ARRANGED = dict(batches())


def forms(data: bytes) -> Iterator[Buffer]:
    """What a batch may lie in: the last one is how requests are received."""
    yield data
    yield bytearray(data)
    yield memoryview(data)
    yield memoryview(bytearray(b"xyz" + data + b"uvw"))[3 : 3 + len(data)]


@pytest.mark.parametrize("name", ARRANGED)
def test_it_knows_what_the_records_say_wherever_they_lie(name: str) -> None:
    given = ARRANGED[name]
    header, data = parts(encode_batch(given))
    times = [record.timestamp for record in given]
    without = [index for index, record in enumerate(given) if record.key is None]
    for form in forms(data):
        found = survey(header, form, wants_min=True)
        assert (found.max_timestamp, found.min_timestamp) == (max(-1, *times), min(times))
        assert found.is_keyless == bool(without)
        assert survey(header, form).max_timestamp == max(-1, *times)
    assert list(timestamps(header, data)) == list(enumerate(times))
    assert keyless(header, data) == without


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The records with a few bytes changed, preferably where a record begins."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(changed))
        kind = rng.randrange(4)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at] = rng.choice((0, 1, 2, 3, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del changed[at : at + rng.choice((1, 2, 30))]
        else:
            changed[at:at] = rng.randbytes(rng.choice((1, 2)))
        if not changed:
            return b"\0"
    return bytes(changed)


def decoded(batch: bytes) -> list[Record] | None:
    try:
        return decode_records(batch)
    except RecordError:
        return None


@pytest.mark.parametrize("seed", range(8))
def test_it_accepts_exactly_what_can_be_decoded(seed: int) -> None:
    """Small records, so that most bytes are lengths; and many of one shape, so that most are checked as runs."""
    rng = random.Random(seed)
    accepted = refused = 0
    for _ in range(FUZZ_INPUTS // 16):
        arranged = uniform(rng.choice((3, 20, 90)), rng.choice((0, 1, 3)), key=rng.choice((None, b"", b"k")),
                           step_ms=rng.choice((0, 1, 40)), headers=rng.choice((0, 0, 1, 2)))  # fmt: skip
        data = damaged(rng, bytes(encode_records(arranged, T)))
        batch = assemble(data, count=len(arranged), attributes=0, base_timestamp=T, max_timestamp=T)
        header, records = parts(batch)
        expected = decoded(batch)
        for form in forms(records):
            try:
                found = survey(header, form, wants_min=True)
            except RecordError as error:
                assert expected is None, (data, error)
                assert error.code is ErrorCode.INVALID_RECORD
                refused += 1
            else:
                assert expected is not None, data
                times = [record.timestamp for record in expected]
                assert (found.max_timestamp, found.min_timestamp) == (max(-1, *times), min(times))
                assert found.is_keyless == any(record.key is None for record in expected)
                accepted += 1
    assert accepted > 100 and refused > 100


@pytest.mark.parametrize("at", [1, 40, 63, 64, 300, 8191, 8192, 9000])
def test_one_record_that_differs_in_a_long_run_is_noticed(at: int) -> None:
    """Each byte of the record, changed; the run around it is thousands of records long."""
    data = bytes(encode_records(uniform(9500, 3, key=b"k"), T))
    position, starts = 0, []
    for _ in range(9500):
        starts.append(position)
        position += 1 + (data[position] >> 1)
    start, stop = starts[at], (*starts, len(data))[at + 1]
    for place in range(start, stop):
        for bit in (1, 2, 0x40, 0x80):
            changed = bytearray(data)
            changed[place] ^= bit
            batch = assemble(changed, count=9500, attributes=0, base_timestamp=T, max_timestamp=T)
            expected = decoded(batch) is not None
            for form in (bytes(changed), memoryview(changed)):
                try:
                    survey(read_header(batch), form)
                except RecordError:
                    assert not expected, (place - start, bit)
                else:
                    assert expected, (place - start, bit)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 1000, 2**31 - 1, -1])
def test_the_count_must_be_that_of_the_records(count: int) -> None:
    data = bytes(encode_records(uniform(3, 5), T))
    header = read_header(assemble(data, count=count, attributes=0, base_timestamp=T, max_timestamp=T))
    with pytest.raises(RecordError):
        survey(header, data)


def test_no_record_at_all_is_a_valid_survey() -> None:
    header = read_header(assemble(b"", count=0, attributes=0, base_timestamp=T, max_timestamp=T))
    assert survey(header, b"", wants_min=True).max_timestamp == -1


@pytest.mark.parametrize("base", [2**63 - 1, -(2**63)])
def test_a_timestamp_of_more_than_64_bits_is_refused(base: int) -> None:
    data = bytes(encode_records([Record(timestamp=0), Record(timestamp=1 if base > 0 else -1)], 0))
    header = read_header(assemble(data, count=2, attributes=0, base_timestamp=base, max_timestamp=0))
    with pytest.raises(RecordError):
        survey(header, data, wants_min=True)


def test_a_survey_in_steps_reads_no_more_than_it_may() -> None:
    rng = random.Random(3)
    header, data = parts(encode_batch([Record(timestamp=T + n, value=bytes(rng.randrange(99))) for n in range(1000)]))
    surveyor = Surveyor(header, data)
    steps = 0
    while not surveyor.advance(50):
        steps += 1
        assert surveyor.records_read <= 50 * steps
    assert steps >= 15
    assert surveyor.survey().max_timestamp == T + 999


def test_records_alike_are_not_read_one_by_one() -> None:
    header, data = parts(encode_batch(uniform(8000, 20, step_ms=1)))
    surveyor = Surveyor(header, memoryview(bytearray(data)))
    assert surveyor.advance(100)
    assert surveyor.records_read < 50


def test_a_record_of_very_many_headers_is_left_for_a_larger_step() -> None:
    many = Record(timestamp=T + 7, value=b"v", headers=tuple(("h", None) for _ in range(5000)))
    header, data = parts(encode_batch([Record(timestamp=T), many, Record(timestamp=T)]))
    surveyor = Surveyor(header, data)
    assert not surveyor.advance(1000) and not surveyor.advance(1000)
    assert surveyor.advance(10_000)
    assert surveyor.survey().max_timestamp == T + 7
