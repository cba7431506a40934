"""Record batches to columns and back: what a record was is what comes out, whatever its shape; damage is counted."""

import random
from collections.abc import Iterator, Sequence

import pytest

from higgins.columns.columns import Columns
from higgins.columns.decode import Block, Packed, Tally, gather, rows, stored
from higgins.columns.encode import BatchBuilder
from higgins.model.errors import Corrupt
from higgins_protocol.records.batch import (
    ATTRIBUTES_AT,
    CRC_AT,
    HEADER_BYTES,
    LAST_OFFSET_DELTA_AT,
    TRANSACTIONAL,
    assemble,
    read_header,
    stamp_log_append_time,
)
from higgins_protocol.records.control import Ending, Marker, encode_marker
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, decode_records, encode_batch, encode_records

CODECS = (0, 1, 2, 3, 4)
NOON_MS = 1_700_000_000_000


def record(
    offset: int, value: bytes | None, *, key: bytes | None = None, at_ms: int = NOON_MS, headers: object = ()
) -> Record:
    return Record(offset=offset, timestamp=at_ms, key=key, value=value, headers=headers)  # type: ignore[arg-type]


def some_bytes(chance: random.Random) -> bytes | None:
    size = chance.choice((None, 0, 1, 5, 63, 64, 100, 8_191, 8_192, 20_000))
    return None if size is None else chance.randbytes(size)


def some_records(chance: random.Random, first_offset: int, count: int) -> list[Record]:
    return [
        record(
            first_offset + number,
            some_bytes(chance),
            key=some_bytes(chance),
            at_ms=NOON_MS + chance.choice((0, 1, 63, 64, 8_000, 20_000, -1, -70, -9_000, 10**11)),
            headers=tuple(
                (chance.choice("abc") * chance.choice((1, 70)), some_bytes(chance))
                for _ in range(chance.choice((0, 0, 1, 3)))
            ),
        )
        for number in range(count)
    ]


def slices(batches: Sequence[bytes], *, tally: Tally | None = None, rows_max: int = 2_000) -> Iterator[Columns]:
    tally = tally if tally is not None else Tally()
    for part in gather(stored(batches)):
        block = part.expand() if isinstance(part, Packed) else part
        yield from rows(block, 3, tally, rows_max=rows_max)


def as_records(columns: Columns) -> list[Record]:
    return [
        record(
            columns.offsets[row],
            columns.values[row],
            key=columns.key(row),
            at_ms=columns.timestamps[row],
            headers=tuple(columns.headers(row)),
        )
        for row in range(len(columns))
    ]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("seed", range(8))
def test_columns_hold_what_the_records_held(codec: int, seed: int) -> None:
    chance = random.Random(seed * 10 + codec)
    batches, expected, offset = [], [], chance.randrange(10**12)
    for _ in range(chance.randrange(1, 6)):
        records = some_records(chance, offset, chance.randrange(1, 60))
        batches.append(encode_batch(records, codec=codec, base_offset=offset))
        expected += records
        offset += len(records)
    found = [row for columns in slices(batches, rows_max=chance.choice((1, 7, 2_000))) for row in as_records(columns)]
    assert found == expected


def test_slices_have_at_most_the_rows_asked_for_and_cross_batches() -> None:
    batches = [encode_batch([record(offset, b"v")], base_offset=offset) for offset in range(10)]
    assert [columns.offsets for columns in slices(batches, rows_max=4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_stamped_by_the_broker_gives_its_time_to_every_record() -> None:
    batch = encode_batch([record(0, b"a"), record(1, b"b", at_ms=NOON_MS + 5)])
    (columns,) = slices([bytes(stamp_log_append_time(batch, 42))])
    assert columns.timestamps == [42, 42]


def test_batches_are_found_in_pieces_as_the_log_gives_them() -> None:
    batches = [encode_batch([record(offset, b"v%d" % offset)], base_offset=offset) for offset in range(6)]
    split = memoryview(batches[2])
    pieces = [b"".join(batches[:2]), bytes(split[:16]), split[16:], bytearray(batches[3]), b"".join(batches[4:])]
    (columns,) = slices(pieces)  # type: ignore[arg-type]
    assert columns.offsets == [0, 1, 2, 3, 4, 5]
    assert columns.values == [b"v0", b"v1", b"v2", b"v3", b"v4", b"v5"]


def test_a_batch_cut_short_is_corrupt() -> None:
    batch = encode_batch([record(0, b"abc")])
    for length in (len(batch) - 1, 61):
        with pytest.raises(Corrupt):
            list(slices([batch[:length]]))


def test_control_batches_have_no_rows() -> None:
    marker = encode_marker(
        Marker(producer_id=1, producer_epoch=0, ending=Ending.COMMIT, coordinator_epoch=0), base_offset=1
    )
    batches = [encode_batch([record(0, b"a")]), bytes(marker), encode_batch([record(2, b"c")], base_offset=2)]
    assert [columns.offsets for columns in slices(batches)] == [[0, 2]]


def test_changed_bytes_are_corrupt_and_never_passed_on() -> None:
    batch = bytearray(encode_batch([record(0, b"abc")]))
    batch[-2] ^= 1
    with pytest.raises(Corrupt):
        list(slices([bytes(batch)]))


@pytest.mark.parametrize("seed", range(40))
def test_records_that_are_none_are_counted_and_the_next_batch_is_read(seed: int) -> None:
    chance = random.Random(seed)
    records = some_records(chance, 0, 20)
    body = bytearray(encode_records(records, NOON_MS))
    del body[chance.randrange(len(body)) :]
    damaged = assemble(bytes(body), count=20, attributes=0, base_timestamp=NOON_MS, max_timestamp=NOON_MS)
    tally = Tally()
    found = [
        row
        for columns in slices([damaged, encode_batch([record(20, b"!")], base_offset=20)], tally=tally)
        for row in as_records(columns)
    ]
    assert found[-1] == record(20, b"!")
    assert found[:-1] == records[: len(found) - 1]
    assert tally.unreadable == 20 - (len(found) - 1) > 0


@pytest.mark.parametrize("seed", range(60))
def test_no_bytes_at_all_make_the_reader_fail_or_lose_count(seed: int) -> None:
    chance = random.Random(seed)
    body = bytearray(encode_records(some_records(chance, 0, 8), NOON_MS))
    for _ in range(chance.randrange(1, 8)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    codec = chance.choice((0, 0, 1, 2, 3, 4))
    batch = assemble(bytes(body), count=8, attributes=codec, base_timestamp=0, max_timestamp=0)
    tally = Tally()
    kept = sum(len(columns) for columns in slices([batch], tally=tally))
    assert kept + tally.unreadable == 8


def test_selected_rows_keep_key_value_headers_and_time_byte_for_byte() -> None:
    chance = random.Random(7)
    records = some_records(chance, 100, 500)
    builder, expected = BatchBuilder(bytes_max=100_000, rows_max=50), []
    for columns in slices([encode_batch(records, base_offset=100)], rows_max=64):
        chosen = sorted(chance.sample(range(len(columns)), len(columns) // 2))
        builder.add(columns, chosen)
        expected += [as_records(columns)[row] for row in chosen]
    batches = builder.finish()
    found = [row for batch in batches for row in decode_records(memoryview(batch))]
    assert [(row.timestamp, row.key, row.value, row.headers) for row in found] == [
        (row.timestamp, row.key, row.value, row.headers) for row in expected
    ]
    for batch in batches:
        header, inside = read_header(batch), decode_records(memoryview(batch))
        assert header.count == header.record_count == len(inside) <= 50
        assert header.size == len(batch)
        assert header.max_timestamp == max(row.timestamp for row in inside)
        assert len(batch) <= 100_000 or len(inside) == 1


def test_a_record_alone_in_its_batch_never_grows() -> None:
    batch = encode_batch([record(0, bytes(1 << 20), key=b"k", headers=(("h", b"v"),))])
    (columns,) = slices([batch])
    builder = BatchBuilder()
    builder.add(columns, [0])
    (out,) = builder.finish()
    assert len(out) <= len(batch)


def test_an_empty_builder_finishes_with_nothing_and_can_be_used_again() -> None:
    builder = BatchBuilder()
    assert builder.finish() == []
    (columns,) = slices([encode_batch([record(0, b"a"), record(1, b"b")])])
    builder.add(columns, [1])
    assert len(builder.finish()) == 1
    assert builder.finish() == []


def test_a_decompression_bomb_is_counted_and_not_unpacked() -> None:
    batch = encode_batch([record(0, bytes(80 << 20))], codec=4)
    assert len(batch) < 100_000 + HEADER_BYTES
    tally = Tally()
    assert list(slices([batch], tally=tally)) == []
    assert tally.unreadable == 1


def passed_on(batches: Sequence[bytes], keep: Sequence[int] | None = None, *, rows_max: int = 1_000) -> list[bytes]:
    """What comes of passing on the records with these offsets, or all."""
    builder = BatchBuilder()
    for columns in slices(batches, rows_max=rows_max):
        kept = [row for row, offset in enumerate(columns.offsets) if keep is None or offset in keep]
        if kept:
            builder.pass_on(columns, kept)
    return builder.finish()


def large_batch(first_offset: int, count: int, *, codec: int = 0, **header: int) -> bytes:
    records = [record(first_offset + n, b"value %d" % (n % 7), key=b"k") for n in range(count)]
    batch = encode_batch(records, codec=codec, base_offset=first_offset)
    if not header:
        return batch
    read = read_header(batch)
    return assemble(
        batch[HEADER_BYTES:],
        count=count,
        attributes=read.attributes | header.pop("attributes", 0),
        base_timestamp=read.base_timestamp,
        max_timestamp=read.max_timestamp,
        base_offset=first_offset,
        **header,
    )


def records_of(batches: Sequence[bytes]) -> list[tuple[object, ...]]:
    found = [row for batch in batches for row in decode_records(memoryview(batch))]
    return [(row.timestamp, row.key, row.value, row.headers) for row in found]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("rows_max", [7, 100, 1_000])
def test_a_batch_that_is_passed_on_whole_is_appended_as_stored(codec: int, rows_max: int) -> None:
    batches = [large_batch(0, 100, codec=codec), large_batch(100, 250, codec=codec)]
    out = passed_on(batches, rows_max=rows_max)
    # The base offset and the leader epoch, in the first 16 bytes, are assigned when a batch is appended and served.
    assert [batch[16:] for batch in out] == [batch[16:] for batch in batches]
    assert [read_header(batch).base_offset for batch in out] == [0, 0]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("rows_max", [7, 64, 1_000])
@pytest.mark.parametrize("left_out", [0, 1, 63, 64, 99, 128])
def test_a_batch_that_is_passed_on_in_part_is_encoded_again_in_order(codec: int, rows_max: int, left_out: int) -> None:
    batches = [large_batch(first, 100, codec=codec) for first in (0, 100, 200)]
    keep = [offset for offset in range(300) if offset != left_out]
    out = passed_on(batches, keep, rows_max=rows_max)
    complete = [batch for number, batch in enumerate(batches) if number != left_out // 100]
    assert [batch[16:] for batch in out if read_header(batch).count == 100] == [batch[16:] for batch in complete]
    assert records_of(out) == [row for offset, row in enumerate(records_of(batches)) if offset != left_out]


def test_a_slice_without_any_kept_row_makes_its_batch_incomplete() -> None:
    batch = large_batch(0, 300)
    out = passed_on([batch], [*range(100), *range(200, 300)], rows_max=100)
    assert records_of(out) == records_of([batch])[:100] + records_of([batch])[200:]


def test_tiny_batches_are_gathered_instead_of_passed_on() -> None:
    batches = [encode_batch([record(offset, b"v%d" % offset)], base_offset=offset) for offset in range(50)]
    (out,) = passed_on(batches)
    assert records_of([out]) == records_of(batches)


def test_a_passed_batch_has_no_producer_and_no_transaction_any_more() -> None:
    batch = large_batch(0, 50, attributes=TRANSACTIONAL, producer_id=7, producer_epoch=1, base_sequence=30)
    assert read_header(batch).is_transactional
    (out,) = passed_on([batch])
    header = read_header(out)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (-1, -1, -1)
    assert not header.is_transactional
    assert records_of([out]) == records_of([batch])
    assert crc32c(memoryview(out)[ATTRIBUTES_AT:]) == header.crc


def test_a_batch_with_gaps_in_its_offsets_is_encoded_again() -> None:
    batch = bytearray(large_batch(0, 20))
    batch[LAST_OFFSET_DELTA_AT : LAST_OFFSET_DELTA_AT + 4] = (29).to_bytes(4, "big")
    batch[CRC_AT : CRC_AT + 4] = crc32c(memoryview(bytes(batch))[ATTRIBUTES_AT:]).to_bytes(4, "big")
    (out,) = passed_on([bytes(batch)])
    assert read_header(out).count == 20


def test_one_very_large_record_is_passed_on_as_stored() -> None:
    batch = encode_batch([record(0, bytes(100_000))], codec=4)
    (out,) = passed_on([batch])
    assert out == batch


def test_rows_of_a_damaged_batch_are_passed_on_before_what_follows() -> None:
    records = [record(n, b"x" * 300) for n in range(20)]
    body = encode_records(records, NOON_MS)[:-10]
    damaged = assemble(body, count=20, attributes=0, base_timestamp=NOON_MS, max_timestamp=NOON_MS)
    after = large_batch(20, 30)
    out = passed_on([damaged, after], rows_max=5)
    assert records_of(out) == [(NOON_MS, None, b"x" * 300, ())] * 19 + records_of([after])


@pytest.mark.parametrize("seed", range(10))
def test_new_records_and_passed_rows_keep_their_order(seed: int) -> None:
    chance = random.Random(seed)
    builder, expected = BatchBuilder(bytes_max=50_000), []
    batches = [large_batch(number * 40, 40, codec=chance.choice(CODECS)) for number in range(8)]
    for columns in slices(batches, rows_max=chance.choice((9, 40, 1_000))):
        if chance.random() < 0.4:
            new = some_records(chance, 0, 1)[0]
            builder.append(new.timestamp, new.key, new.value, new.headers)
            expected.append((new.timestamp, new.key, new.value, new.headers))
        kept = [row for row in range(len(columns)) if chance.random() < chance.choice((0.5, 1.1))]
        builder.pass_on(columns, kept)
        read = as_records(columns)
        expected += [(read[row].timestamp, read[row].key, read[row].value, read[row].headers) for row in kept]
    assert records_of(builder.finish()) == expected


def test_header_names_that_are_not_utf8_pass_unchanged() -> None:
    batch = encode_batch([record(0, b"v", headers=(("\udcff", b"x"), ("é", None)))])
    (columns,) = slices([batch])
    builder = BatchBuilder()
    builder.append(columns.timestamps[0], columns.key(0), columns.values[0], columns.headers(0))
    assert records_of(builder.finish()) == records_of([batch])


@pytest.mark.parametrize("codec", [0, 4])
def test_a_slice_is_bounded_in_bytes_and_one_larger_record_is_a_slice_of_its_own(codec: int) -> None:
    sizes = [10, 20, 5_000, 10, 400, 400, 400, 10, 9_000, 3, 3]
    records = [Record(offset=n, timestamp=n, key=None, value=b"v" * size, headers=()) for n, size in enumerate(sizes)]
    (part,) = gather(stored([encode_batch(records, codec=codec)]))
    block = part if isinstance(part, Block) else part.expand()
    slices = list(rows(block, 0, Tally(), rows_max=4, bytes_max=1_000))
    assert [len(value or b"") for columns in slices for value in columns.values] == sizes
    assert [offset for columns in slices for offset in columns.offsets] == list(range(len(sizes)))
    for columns in slices:
        assert len(columns) <= 4
        # All but the last record lie within the bound.
        assert columns.starts[-1] - columns.starts[0] < 1_000
    assert [len(columns) for columns in slices] == [3, 4, 2, 2]


def test_a_batch_in_slices_of_bytes_is_passed_on_as_stored() -> None:
    records = [Record(offset=n, timestamp=n, key=None, value=b"v" * 5_000, headers=()) for n in range(30)]
    batch = encode_batch(records)
    (block,) = gather(stored([batch]))
    assert isinstance(block, Block)
    builder = BatchBuilder()
    slices = list(rows(block, 0, Tally(), bytes_max=12_000))
    assert len(slices) == 10
    for columns in slices:
        builder.pass_on(columns, range(len(columns)))
    assert [each[61:] for each in builder.finish()] == [batch[61:]]


@pytest.mark.parametrize(("value_bytes", "at_once"), [(100, True), (60_000, True), (70_000, False), (5_000_000, False)])
@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_decompresses_to_much_is_left_for_a_thread_however_small_it_is(
    codec: int, value_bytes: int, at_once: bool
) -> None:
    data = encode_batch([record(0, bytes(value_bytes))], codec=codec)
    (part,) = gather(stored([data]))
    assert isinstance(part, Packed)
    block = part.expand_at_once()
    assert (block is not None) is (at_once and len(data) < 16_000)
    whole = part.expand()
    assert len(whole.data) > value_bytes and not whole.unreadable
    if block is not None:
        assert block.data == whole.data
    tally = Tally()
    (columns,) = rows(whole, 0, tally)
    assert (columns.values, columns.key(0), columns.headers(0)) == ([bytes(value_bytes)], None, [])
    assert type(columns.values[0]) is type(columns.body(0)) is bytes and not tally.unreadable


@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_cannot_be_decompressed_is_counted_wherever_it_is_expanded(codec: int) -> None:
    data = assemble(b"\x01garbage", count=7, attributes=codec, base_timestamp=0, max_timestamp=0)
    (part,) = gather(stored([data]))
    assert isinstance(part, Packed)
    for block in (part.expand_at_once(), part.expand()):
        assert block is not None and block.unreadable == 7
