"""Records inside a batch: round trips, vectors, and damaged bytes."""

import os
import random
from collections.abc import Callable

import pytest
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from higgins_protocol.errors import EncodeError, ErrorCode, RecordError
from higgins_protocol.records.batch import HEADER_BYTES, assemble, read_header, split
from higgins_protocol.records.compression import Codec
from higgins_protocol.records.record import Record, decode_records, encode_batch
from higgins_protocol.varint import write_signed

FUZZ_INPUTS = int(os.environ.get("HIGGINS_FUZZ_INPUTS", "6000"))
SIZES = (0, 1, 5, 62, 63, 64, 65, 127, 128, 200, 8_190, 8_192, 20_000)


def some_bytes(rng: random.Random) -> bytes | None:
    return None if rng.random() < 0.2 else rng.randbytes(rng.choice(SIZES[: rng.choice((4, 9, 13))]))


def some_records(seed: int) -> list[Record]:
    rng = random.Random(seed)
    count = rng.choice((1, 2, 70, 300))
    return [
        Record(
            offset=number,
            timestamp=max(0, 10_000 + rng.choice((0, number, -number, rng.randrange(-(1 << 13), 1 << 40)))),
            key=some_bytes(rng),
            value=some_bytes(rng),
            headers=tuple(("h" * rng.randrange(3), some_bytes(rng)) for _ in range(rng.choice((0, 0, 0, 1, 3)))),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("seed", range(6))
def test_records_of_any_size_are_decoded_as_they_were_encoded(codec: Codec, seed: int) -> None:
    records = some_records(seed)
    batch = encode_batch(records, codec=codec, base_offset=0)
    ((header, _),) = split(batch, batch_bytes_max=64 << 20)
    assert (header.codec, header.count) == (codec, len(records))
    assert header.max_timestamp == max(record.timestamp for record in records)
    assert decode_records(batch) == records


@pytest.mark.parametrize("seed", range(6))
def test_kafka_python_reads_the_same_records(seed: int) -> None:
    records = some_records(seed)
    theirs = list(DefaultRecordBatch(bytearray(encode_batch(records))))
    assert [
        (item.offset, item.timestamp, item.key, item.value, tuple((name, value) for name, value in item.headers))
        for item in theirs
    ] == [(item.offset, item.timestamp, item.key, item.value, item.headers) for item in records]


@pytest.mark.parametrize("seed", range(6))
def test_kafka_python_writes_the_same_bytes(seed: int) -> None:
    records = some_records(seed)
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=9,
        producer_epoch=2,
        base_sequence=5,
        batch_size=1 << 30,
    )
    for record in records:
        builder.append(record.offset, record.timestamp, record.key, record.value, list(record.headers))
    ours = encode_batch(records, producer_id=9, producer_epoch=2, base_sequence=5, leader_epoch=-1)
    theirs = bytes(builder.build())
    assert read_header(theirs).partition_leader_epoch in (-1, 0)
    assert ours[:12] + ours[16:] == theirs[:12] + theirs[16:]


def test_offsets_count_from_the_base_and_the_append_time_applies_to_all_records() -> None:
    records = [Record(timestamp=5, value=b"a"), Record(timestamp=6, value=b"b")]
    decoded = decode_records(encode_batch(records, base_offset=100, log_append_time=77))
    assert [(record.offset, record.timestamp) for record in decoded] == [(100, 77), (101, 77)]


def test_a_header_name_that_is_not_utf_8_is_preserved() -> None:
    name = b"\xff\xfe".decode(errors="surrogateescape")
    batch = encode_batch([Record(timestamp=1, headers=((name, b"x"),))])
    assert b"\xff\xfe" in batch
    assert encode_batch(decode_records(batch)) == batch


def test_a_batch_without_records_is_an_encode_error() -> None:
    with pytest.raises(EncodeError):
        encode_batch([])


def test_the_caller_limits_the_output() -> None:
    batch = encode_batch([Record(timestamp=1, value=bytes(100_000))], codec=Codec.LZ4)
    assert len(decode_records(batch, output_bytes_max=100_100)) == 1
    with pytest.raises(RecordError, match="more than 100000 bytes"):
        decode_records(batch, output_bytes_max=100_000)


def body_of(*fields: bytes) -> bytes:
    data = b"".join(fields)
    return write_signed(len(data)) + data


def refusal(body: bytes, count: int = 1) -> RecordError:
    batch = assemble(body, count=count, attributes=0, base_timestamp=0, max_timestamp=0)
    with pytest.raises(RecordError) as caught:
        decode_records(batch)
    return caught.value


ATTRIBUTES, ZERO, NULL = b"\x00", b"\x00", b"\x01"


@pytest.mark.parametrize(
    ("body", "count", "why"),
    [
        (b"", 1, "1 records in 0 bytes"),
        (bytes(20), 1_000_000, "1000000 records in 20 bytes"),
        (body_of(ATTRIBUTES, ZERO, b"\x02", NULL, NULL, ZERO), 1, "offset delta 1"),
        (body_of(ATTRIBUTES, ZERO, b"\x01", NULL, NULL, ZERO), 1, "offset delta -1"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, ZERO) * 2, 2, "record 1 has offset delta 0"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, ZERO) + b"\x00", 1, "1 bytes after"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, ZERO, b"??"), 1, "its length says"),
        (body_of(ATTRIBUTES, ZERO, ZERO, b"\x03", NULL, ZERO), 1, "-2 bytes announced"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, b"\x7e", b"abc", ZERO), 1, "cut off"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, b"\xfe\xff\xff\xff\x0f", b"abc"), 1, "bytes announced"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, b"\xff" * 6, b"abc"), 1, "5 bytes"),
        (body_of(ATTRIBUTES, b"\xff" * 11, ZERO, NULL, NULL, ZERO), 1, "10 bytes"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, b"\xfe\xff\xff\xff\x0f"), 1, "headers in"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, b"\x01", ZERO), 1, "-1 headers"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, b"\x02", NULL, NULL), 1, "without a name"),
        (body_of(ATTRIBUTES, ZERO, ZERO, NULL, NULL, b"\x02", b"\x02h", b"\x7e"), 1, "bytes announced"),
        (b"\x7e" + bytes(10), 1, "cut off"),
        (b"\x0d" + bytes(10), 1, "its length says"),
    ],
)
def test_an_inconsistent_record_is_refused(body: bytes, count: int, why: str) -> None:
    error = refusal(body, count)
    assert why in error.what
    assert error.code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)


def test_an_incomplete_batch_is_refused() -> None:
    batch = encode_batch(some_records(2))
    with pytest.raises(RecordError):
        decode_records(batch[:-1])
    with pytest.raises(RecordError):
        decode_records(batch + b"\x00")


def flip(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at : at + 3] = rng.choice((b"\xff\xff\xff", b"\x80\x80\x80", b"\x00\x00\x00"))[: len(data) - at]


def exchange(rng: random.Random, data: bytearray) -> None:
    at, to = rng.randrange(len(data)), rng.randrange(len(data))
    data[at], data[to] = data[to], data[at]


@pytest.mark.parametrize("damage", [flip, overwrite, exchange])
@pytest.mark.parametrize("codec", list(Codec))
def test_damaged_records_raise_only_record_errors(
    codec: Codec, damage: Callable[[random.Random, bytearray], None]
) -> None:
    """The checksum is not looked at here, on purpose: whoever sends damage can send the checksum of the damage."""
    rng = random.Random(f"{codec} {damage.__name__}")
    pristine = [encode_batch(some_records(seed)[:20], codec=codec) for seed in range(4)]
    for _ in range(FUZZ_INPUTS // 15):
        batch = rng.choice(pristine)
        body = bytearray(batch[HEADER_BYTES:])
        for _ in range(rng.choice((1, 2, 5))):
            damage(rng, body)
        try:
            decoded = decode_records(batch[:HEADER_BYTES] + body, output_bytes_max=4 << 20)
        except RecordError:
            continue
        assert len(decoded) == read_header(batch).count
