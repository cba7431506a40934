"""Batch headers: vectors, the checks of the produce path, and the two changes that a broker makes to a batch."""

import os
import random
from struct import pack_into

import pytest
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.records import batch as layout
from higgins_protocol.records.batch import (
    HEADER_BYTES,
    PREFIX_BYTES,
    patch_base_offset,
    read_header,
    split,
    stamp_log_append_time,
    walk,
)
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, decode_records, encode_batch

MAX = 1_048_588
FUZZ_INPUTS = int(os.environ.get("HIGGINS_FUZZ_INPUTS", "6000"))

# One record, worked out by hand: key null, value "v", no headers, all at time 1000.
BY_HAND = bytes.fromhex(
    "0000000000000000"  # base offset
    "00000039"  # 57 bytes follow
    "ffffffff"  # leader epoch
    "02"  # magic
    "00000000"  # checksum, filled in below
    "0000"  # attributes
    "00000000"  # last offset delta
    "00000000000003e8"  # base timestamp
    "00000000000003e8"  # greatest timestamp
    "ffffffffffffffff"  # producer id
    "ffff"  # producer epoch
    "ffffffff"  # base sequence
    "00000001"  # count
    "0e 00 00 00 01 02 76 00".replace(" ", "")
)


def sealed(data: bytes | bytearray) -> bytes:
    """With its checksum made right."""
    data = bytearray(data)
    pack_into(">I", data, layout.CRC_AT, crc32c(bytes(data[layout.ATTRIBUTES_AT :])))
    return bytes(data)


def changed(data: bytes, at: int, form: str, value: int) -> bytes:
    """With one header field set to another value, and the checksum made right."""
    other = bytearray(data)
    pack_into(">" + form, other, at, value)
    return sealed(other)


def refusal(data: bytes, *, batch_bytes_max: int = MAX) -> RecordError:
    with pytest.raises(RecordError) as caught:
        split(memoryview(data), batch_bytes_max=batch_bytes_max)
    return caught.value


@pytest.fixture
def records() -> list[Record]:
    return [Record(offset=number, timestamp=1000 + number, value=b"v%d" % number) for number in range(5)]


@pytest.fixture
def batch(records: list[Record]) -> bytes:
    return encode_batch(records, producer_id=7, producer_epoch=1, base_sequence=40)


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(memoryview(bytes(32))) == 0x8A9136AA


def test_a_hand_computed_batch_is_read_and_written() -> None:
    data = sealed(BY_HAND)
    ((header, view),) = split(data, batch_bytes_max=MAX)
    assert view == data
    assert (header.size, header.count, header.codec) == (69, 1, 0)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (-1, -1, -1)
    assert decode_records(data) == [Record(offset=0, timestamp=1000, value=b"v")]
    assert encode_batch([Record(timestamp=1000, value=b"v")], leader_epoch=-1) == data


@pytest.mark.parametrize("compression", [0, 1])
def test_a_batch_of_kafka_python_is_accepted_unchanged(compression: int) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=7,
        producer_epoch=1,
        base_sequence=3,
        batch_size=1 << 20,
    )
    for number in range(100):
        builder.append(number, 5000 + number, b"k%d" % number, b"v" * 50, [("h", b"x"), ("n", None)])
    data = bytes(builder.build())
    ((header, view),) = split(memoryview(data), batch_bytes_max=MAX)
    assert (header.codec, header.count, header.base_sequence, header.max_timestamp) == (compression, 100, 3, 5099)
    decoded = decode_records(view)
    assert decoded[99] == Record(99, 5099, b"k99", b"v" * 50, (("h", b"x"), ("n", None)))


def test_kafka_python_reads_our_batch(records: list[Record], batch: bytes) -> None:
    theirs = DefaultRecordBatch(bytearray(batch))
    assert theirs.validate_crc()
    assert (theirs.producer_id, theirs.producer_epoch, theirs.base_sequence) == (7, 1, 40)
    assert [(item.offset, item.timestamp, item.value) for item in theirs] == [
        (record.offset, record.timestamp, record.value) for record in records
    ]


def test_several_batches_are_split_into_views(batch: bytes) -> None:
    other = sealed(BY_HAND)
    data = memoryview(batch + other + batch)
    found = split(data, batch_bytes_max=MAX)
    assert [bytes(view) for _, view in found] == [batch, other, batch]
    assert all(view.obj is data.obj for _, view in found)
    assert [header.count for header, _ in found] == [5, 1, 5]


@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_sets_are_refused_as_kafka_4_does(magic: int) -> None:
    message_set = bytes(8) + (14).to_bytes(4, "big") + bytes(4) + bytes([magic]) + bytes(9)
    error = refusal(message_set)
    assert error.code is ErrorCode.INVALID_RECORD
    assert f"format v{magic}" in error.what


def test_an_unknown_magic_is_corrupt(batch: bytes) -> None:
    assert refusal(changed(batch, layout.MAGIC_AT, "b", 3)).code is ErrorCode.CORRUPT_MESSAGE


def test_empty_record_bytes_are_refused() -> None:
    assert refusal(b"").code is ErrorCode.INVALID_RECORD


def test_a_batch_cut_anywhere_is_refused(batch: bytes) -> None:
    assert {refusal(batch[:cut]).code for cut in range(1, len(batch))} == {ErrorCode.INVALID_RECORD}
    assert refusal(batch + b"\x00").code is ErrorCode.INVALID_RECORD


def test_any_flipped_bit_after_the_checksum_is_detected(batch: bytes) -> None:
    for at in range(layout.CRC_AT, len(batch)):
        damaged = bytearray(batch)
        damaged[at] ^= 0x10
        assert refusal(bytes(damaged)).code is ErrorCode.CORRUPT_MESSAGE


def test_base_offset_and_leader_epoch_are_not_part_of_the_checksum(batch: bytes) -> None:
    stored = patch_base_offset(batch, 1 << 40, leader_epoch=6) + batch[PREFIX_BYTES:]
    header = read_header(stored)
    assert (header.base_offset, header.partition_leader_epoch) == (1 << 40, 6)
    assert header.crc == crc32c(stored[layout.ATTRIBUTES_AT :])
    assert [record.offset for record in decode_records(stored)] == [(1 << 40) + number for number in range(5)]
    assert patch_base_offset(memoryview(batch)[:12], 9) == patch_base_offset(batch, 9)


def test_a_producer_cannot_assign_offsets(batch: bytes) -> None:
    for offset in (7, -7):
        with pytest.raises(RecordError) as refused:
            split(patch_base_offset(batch, offset) + batch[PREFIX_BYTES:], batch_bytes_max=MAX)
        assert refused.value.code == ErrorCode.INVALID_RECORD


def test_bytes_shorter_than_any_record_are_corrupt_and_not_an_old_format() -> None:
    for length, code in ((0, ErrorCode.CORRUPT_MESSAGE), (14, ErrorCode.INVALID_RECORD)):
        with pytest.raises(RecordError) as refused:
            split(bytes(8) + length.to_bytes(4, "big") + bytes(100), batch_bytes_max=MAX)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("at", "form", "value", "code"),
    [
        (layout.RECORD_COUNT_AT, "i", 4, ErrorCode.INVALID_RECORD),
        (layout.RECORD_COUNT_AT, "i", 0, ErrorCode.INVALID_RECORD),
        (layout.RECORD_COUNT_AT, "i", -1, ErrorCode.INVALID_RECORD),
        (layout.LAST_OFFSET_DELTA_AT, "i", 5, ErrorCode.INVALID_RECORD),
        (layout.LAST_OFFSET_DELTA_AT, "i", -1, ErrorCode.INVALID_RECORD),
        (layout.ATTRIBUTES_AT, "h", layout.TRANSACTIONAL, ErrorCode.INVALID_RECORD),
        (layout.ATTRIBUTES_AT, "h", layout.CONTROL, ErrorCode.INVALID_RECORD),
        (layout.ATTRIBUTES_AT, "h", layout.CONTROL | layout.TRANSACTIONAL, ErrorCode.INVALID_RECORD),
        (layout.ATTRIBUTES_AT, "h", 5, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (layout.ATTRIBUTES_AT, "h", 7, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (layout.BASE_SEQUENCE_AT, "i", -1, ErrorCode.INVALID_RECORD),
        (layout.PRODUCER_EPOCH_AT, "h", -1, ErrorCode.INVALID_RECORD),
        (layout.BATCH_LENGTH_AT, "i", 48, ErrorCode.CORRUPT_MESSAGE),
        (layout.BATCH_LENGTH_AT, "i", 0, ErrorCode.CORRUPT_MESSAGE),
        (layout.BATCH_LENGTH_AT, "i", -13, ErrorCode.CORRUPT_MESSAGE),
        (layout.BATCH_LENGTH_AT, "i", 1000, ErrorCode.INVALID_RECORD),
        (layout.BATCH_LENGTH_AT, "i", 0x7FFFFFFF, ErrorCode.MESSAGE_TOO_LARGE),
    ],
)
def test_an_inconsistent_header_is_refused(batch: bytes, at: int, form: str, value: int, code: ErrorCode) -> None:
    error = refusal(changed(batch, at, form, value))
    assert error.code is code
    assert error.what


def test_a_batch_without_records_is_refused_even_with_a_consistent_header(batch: bytes) -> None:
    empty = changed(changed(batch, layout.RECORD_COUNT_AT, "i", 0), layout.LAST_OFFSET_DELTA_AT, "i", -1)
    assert refusal(empty).code is ErrorCode.INVALID_RECORD


def test_damaged_batches_are_split_or_raise_a_record_error(batch: bytes) -> None:
    rng = random.Random(11)
    for _ in range(FUZZ_INPUTS // 6):
        data = bytearray(batch + sealed(BY_HAND))
        for _ in range(rng.choice((1, 2, 4))):
            data[rng.randrange(len(data))] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        data = data[: rng.choice((len(data), len(batch), rng.randrange(len(data))))]
        if len(data) >= HEADER_BYTES and rng.random() < 0.7:
            data = bytearray(sealed(data[: len(batch)])) + data[len(batch) :]
        try:
            found = split(data, batch_bytes_max=rng.choice((100, MAX)))
        except RecordError as error:
            assert error.code is not ErrorCode.NONE
        else:
            assert sum(len(view) for _, view in found) == len(data)


def test_the_limit_of_a_batch_is_exact(batch: bytes) -> None:
    assert len(split(batch, batch_bytes_max=len(batch))) == 1
    error = refusal(batch, batch_bytes_max=len(batch) - 1)
    assert error.code is ErrorCode.MESSAGE_TOO_LARGE
    assert "max.message.bytes" in error.what


def test_stamping_sets_the_append_time_of_a_copy(batch: bytes) -> None:
    before = bytes(batch)
    stamped = stamp_log_append_time(batch, 9_000)
    assert batch == before
    ((header, _),) = split(stamped, batch_bytes_max=MAX)
    assert header.is_log_append_time
    assert (header.max_timestamp, header.base_timestamp) == (9_000, 1_000)
    assert {record.timestamp for record in decode_records(stamped)} == {9_000}
    assert DefaultRecordBatch(bytearray(stamped)).validate_crc()


def test_walk_yields_each_whole_batch_and_ends_at_one_that_is_cut_off(batch: bytes) -> None:
    other = sealed(BY_HAND)
    data = memoryview(b"??" + batch + other + batch[:-1])
    assert list(walk(data, 2)) == [(2, len(batch), 5, 1004), (2 + len(batch), len(other), 1, 1000)]
    assert list(walk(data[: HEADER_BYTES + 1], 2)) == []
    assert list(walk(b"")) == []


def test_walk_refuses_a_length_that_would_not_advance() -> None:
    with pytest.raises(RecordError):
        list(walk(bytes(200)))


def test_a_header_is_read_at_its_position(batch: bytes) -> None:
    header = read_header(b"xx" + batch, 2)
    assert header == read_header(batch)
    assert (header.is_control, header.is_transactional, header.is_log_append_time) == (False, False, False)
    assert header.size == len(batch)
