"""Batches of passed rows: their bounds, met exactly, and batches of which a whole slice was left out."""

import random

import pytest

from higgins.columns.encode import BatchBuilder
from higgins_protocol.records.batch import read_header
from higgins_protocol.records.record import decode_records, encode_batch
from tests.columns.test_columns import NOON_MS, large_batch, passed_on, record, records_of, slices


@pytest.mark.parametrize("rows_max", [1, 7, 50])
def test_a_batch_has_as_many_rows_as_allowed_and_not_one_more(rows_max: int) -> None:
    builder = BatchBuilder(rows_max=rows_max)
    for number in range(3 * rows_max + 1):
        builder.append(NOON_MS + number, None, b"x")
    assert [read_header(batch).count for batch in builder.finish()] == [rows_max] * 3 + [1]


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_of_several_rows_is_never_larger_than_allowed(seed: int) -> None:
    chance = random.Random(seed)
    bytes_max = 500
    builder = BatchBuilder(bytes_max=bytes_max)
    values = [bytes(chance.randrange(1, 100)) for _ in range(500)]
    for value in values:
        builder.append(chance.choice((0, NOON_MS, 1 << 61)), None, value)
    batches = builder.finish()
    assert [row.value for batch in batches for row in decode_records(memoryview(batch))] == values
    assert all(len(batch) <= bytes_max for batch in batches)
    assert max(len(batch) for batch in batches) > bytes_max * 0.8


@pytest.mark.parametrize("left_out", [range(20, 40), range(80, 100), range(60, 100)], ids=str)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_batch_of_which_a_slice_was_left_out_is_encoded_again_whatever_stands_beside_it(
    left_out: range, position: int
) -> None:
    batches = [large_batch(first, 100) for first in (0, 100, 200)]
    keep = [offset for offset in range(300) if offset - 100 * position not in left_out]
    everything = records_of(batches)
    out = passed_on(batches, keep, rows_max=20)
    assert records_of(out) == [everything[offset] for offset in keep]
    stored = [batch[16:] for number, batch in enumerate(batches) if number != position]
    assert [batch[16:] for batch in out if read_header(batch).count == 100] == stored


def test_the_greatest_timestamp_of_a_batch_is_that_of_its_latest_record() -> None:
    times = [NOON_MS + delta for delta in (5, 9, 3, 9, 1)]
    (columns,) = slices([encode_batch([record(n, b"x", at_ms=at_ms) for n, at_ms in enumerate(times)])])
    builder = BatchBuilder()
    builder.add(columns, range(5))
    (batch,) = builder.finish()
    assert (read_header(batch).base_timestamp, read_header(batch).max_timestamp) == (NOON_MS + 5, NOON_MS + 9)
