"""Decode the records of a batch, and encode records into a batch. Producing and fetching do not need either.

Decoding is one pass over the bytes, with short variable-length numbers read in place: a call for each number would cost
more than the rest of the record. Every length is checked against the length of its record, and the offsets in a batch
must be consecutive.
"""

from collections.abc import Sequence

import msgspec

from higgins_protocol.errors import DecodeError, EncodeError, ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records.batch import CODEC_MASK, HEADER_BYTES, LOG_APPEND_TIME, BatchHeader, assemble, read_header
from higgins_protocol.records.compression import Codec, compress, decompress
from higgins_protocol.varint import read_signed, write_signed

OUTPUT_BYTES_MAX = 64 << 20
RECORD_BYTES_MIN = 7
"""Length, attributes, timestamp, offset, null key, null value and the number of headers: a byte each."""

Headers = tuple[tuple[str, bytes | None], ...]


class Record(msgspec.Struct, frozen=True):
    """One record. Header names that are not UTF-8 survive decoding and encoding, as surrogate escapes."""

    offset: int = 0
    timestamp: int = -1
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()


def decode_records(batch: Buffer, *, output_bytes_max: int = OUTPUT_BYTES_MAX) -> list[Record]:
    """All records of one whole batch, decompressed to at most `output_bytes_max` bytes. The checksum is not checked.

    Raises: RecordError.
    """
    header = read_header(batch)
    if header.size != len(batch):
        raise _corrupt(f"a batch of {header.size} bytes, not {len(batch)}")
    data = decompress(header.codec, memoryview(batch)[HEADER_BYTES:], bytes_max=output_bytes_max)
    if not 0 <= header.record_count <= len(data) // RECORD_BYTES_MIN:
        raise _corrupt(f"{header.record_count} records in {len(data)} bytes")
    try:
        records, position = _decode_all(data, header)
    except IndexError:
        raise _corrupt("the records are cut off") from None
    except DecodeError as error:
        raise _corrupt(str(error)) from error
    if position != len(data):
        raise _corrupt(f"{len(data) - position} bytes after the last record")
    return records


def _decode_all(data: bytes, header: BatchHeader) -> tuple[list[Record], int]:
    """The records, and where they end. Numbers of one or two bytes, which are nearly all, are read in place."""
    records: list[Record] = []
    append = records.append
    key: bytes | None
    value: bytes | None
    headers: Headers
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.is_log_append_time else None
    end = len(data)
    position = 0
    for delta in range(header.record_count):
        byte = data[position]
        if byte < 0x80:
            stop = position + 1 + (byte >> 1 ^ -(byte & 1))
            position += 2
        elif data[position + 1] < 0x80:
            raw = byte & 0x7F | data[position + 1] << 7
            stop = position + 2 + (raw >> 1 ^ -(raw & 1))
            position += 3
        else:
            size, position = read_signed(data, position, bytes_max=5)
            stop = position + size
            position += 1
        if stop > end:
            raise _corrupt(f"record {delta} is cut off")

        byte = data[position]
        if byte < 0x80:
            timestamp = base_timestamp + (byte >> 1 ^ -(byte & 1))
            position += 1
        else:
            timestamp, position = read_signed(data, position)
            timestamp += base_timestamp

        byte = data[position]
        if byte < 0x80:
            offset_delta = byte >> 1 ^ -(byte & 1)
            position += 1
        elif data[position + 1] < 0x80:
            raw = byte & 0x7F | data[position + 1] << 7
            offset_delta = raw >> 1 ^ -(raw & 1)
            position += 2
        else:
            offset_delta, position = read_signed(data, position, bytes_max=5)
        if offset_delta != delta:
            raise _invalid(f"record {delta} has offset delta {offset_delta}")

        byte = data[position]
        if byte == 1:
            key = None
            position += 1
        elif byte < 0x80 and not byte & 1:
            start = position + 1
            position = start + (byte >> 1)
            key = data[start:position]
        else:
            key, position = _bytes(data, position, stop)
        byte = data[position]
        if byte < 0x80 and not byte & 1:
            start = position + 1
            position = start + (byte >> 1)
            value = data[start:position]
        elif byte >= 0x80 and data[position + 1] < 0x80 and not byte & 1:
            start = position + 2
            position = start + ((byte & 0x7F | data[position + 1] << 7) >> 1)
            value = data[start:position]
        else:
            value, position = _bytes(data, position, stop)

        if data[position]:
            headers, position = _headers(data, position, stop)
        else:
            headers = ()
            position += 1
        if position != stop:
            raise _corrupt(f"record {delta} ends at byte {position}, its length says {stop}")
        append(Record(base_offset + delta, timestamp if append_time is None else append_time, key, value, headers))
    return records, position


def _bytes(data: bytes, position: int, stop: int) -> tuple[bytes | None, int]:
    size, position = read_signed(data, position, bytes_max=5)
    if size == -1:
        return None, position
    if not 0 <= size <= stop - position:
        raise _corrupt(f"{size} bytes announced, {stop - position} left in the record")
    return data[position : position + size], position + size


def _headers(data: bytes, position: int, stop: int) -> tuple[Headers, int]:
    count, position = read_signed(data, position, bytes_max=5)
    if not 0 <= count <= (stop - position) // 2:
        raise _corrupt(f"{count} headers in {stop - position} bytes")
    headers = []
    for _ in range(count):
        name, position = _bytes(data, position, stop)
        if name is None:
            raise _invalid("a header without a name")
        value, position = _bytes(data, position, stop)
        headers.append((name.decode(errors="surrogateescape"), value))
    return tuple(headers), position


def encode_batch(
    records: Sequence[Record],
    *,
    codec: int = Codec.NONE,
    base_offset: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    leader_epoch: int = 0,
    log_append_time: int | None = None,
) -> bytes:
    """One batch of at least one record. Offsets count from `base_offset`; those of the records are ignored."""
    if not records:
        raise EncodeError("a batch has at least one record")
    base_timestamp = records[0].timestamp
    body = encode_records(records, base_timestamp)
    return assemble(
        body if codec == Codec.NONE else compress(codec, body),
        count=len(records),
        attributes=codec & CODEC_MASK | (0 if log_append_time is None else LOG_APPEND_TIME),
        base_timestamp=base_timestamp,
        max_timestamp=max(record.timestamp for record in records) if log_append_time is None else log_append_time,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
    )


_SMALL = [write_signed(number) for number in range(256)]
_NULL = write_signed(-1)
_NO_HEADERS = write_signed(0)


def encode_records(records: Sequence[Record], base_timestamp: int) -> bytearray:
    """The records as they follow the header of a batch, uncompressed."""
    out = bytearray()
    for delta, record in enumerate(records):
        parts = [b"\x00", _number(record.timestamp - base_timestamp), _number(delta)]
        _add(parts, record.key)
        _add(parts, record.value)
        if record.headers:
            parts.append(_number(len(record.headers)))
            for name, value in record.headers:
                _add(parts, name.encode(errors="surrogateescape"))
                _add(parts, value)
        else:
            parts.append(_NO_HEADERS)
        data = b"".join(parts)
        out += _number(len(data))
        out += data
    return out


def _number(value: int) -> bytes:
    return _SMALL[value] if 0 <= value < 256 else write_signed(value)


def _add(parts: list[bytes], data: bytes | None) -> None:
    if data is None:
        parts.append(_NULL)
    else:
        parts.append(_number(len(data)))
        parts.append(data)


def _corrupt(what: str) -> RecordError:
    return RecordError(ErrorCode.CORRUPT_MESSAGE, what)


def _invalid(what: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, what)
