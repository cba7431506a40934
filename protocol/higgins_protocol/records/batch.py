"""The headers of record batches (magic 2): read, check, split, patch, stamp. Records are never decoded here.

A batch is a header of 61 bytes followed by its records, which may be compressed. The checksum does not cover the base
offset, the length, the leader epoch and the magic, so a broker can assign offsets without changing the rest (KIP-98).

The header is read with one `struct` call and not through construct: it is read for every batch that is produced or
fetched, and its layout is the same in all versions of the protocol.
"""

from collections.abc import Iterator
from struct import Struct

import msgspec

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records import legacy
from higgins_protocol.records.crc import crc32c

HEADER_BYTES = 61
PREFIX_BYTES = 16
"""Base offset, batch length, leader epoch: the fields that are patched when a batch is served."""
LENGTH_OVERHEAD = 12
"""The fields that the batch length does not count: the base offset and the length itself."""

LEGACY_LENGTH_MIN = 14
"""The size field of the shortest message in the formats before magic 2."""

BASE_OFFSET_AT = 0
BATCH_LENGTH_AT = 8
LEADER_EPOCH_AT = 12
MAGIC_AT = 16
CRC_AT = 17
ATTRIBUTES_AT = 21
LAST_OFFSET_DELTA_AT = 23
BASE_TIMESTAMP_AT = 27
MAX_TIMESTAMP_AT = 35
PRODUCER_ID_AT = 43
PRODUCER_EPOCH_AT = 51
BASE_SEQUENCE_AT = 53
RECORD_COUNT_AT = 57

MAGIC = 2
CODEC_MASK = 0x07
CODEC_MAX = 4
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20

_HEADER = Struct(">qiibIhiqqqhii")
_PREFIX = Struct(">qii")
_LENGTH = Struct(">i")
_CRC = Struct(">I")
_WALKED = Struct(">8xi11xi8xq")
assert _HEADER.size == HEADER_BYTES
assert _PREFIX.size == PREFIX_BYTES


class BatchHeader(msgspec.Struct, frozen=True):
    """The fields of a batch header, in the order of the wire."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.batch_length + LENGTH_OVERHEAD

    @property
    def count(self) -> int:
        """How many offsets the batch occupies."""
        return self.last_offset_delta + 1

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & LOG_APPEND_TIME)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)


def read_header(view: Buffer, position: int = 0) -> BatchHeader:
    """The header at this position, unchecked. Raises: RecordError for fewer than 61 bytes, or a magic other than 2."""
    remaining = len(view) - position
    if remaining > MAGIC_AT and view[position + MAGIC_AT] != MAGIC:
        (length,) = _LENGTH.unpack_from(view, position + BATCH_LENGTH_AT)
        if length < LEGACY_LENGTH_MIN:
            raise _corrupt(f"a length of {length} is too short for a record of any format")
        raise legacy.refusal(view[position + MAGIC_AT])
    if remaining < HEADER_BYTES:
        raise _invalid(f"{remaining} bytes are too short for a batch, whose header has {HEADER_BYTES}")
    return BatchHeader(*_HEADER.unpack_from(view, position))


def split(records: Buffer, *, batch_bytes_max: int) -> list[tuple[BatchHeader, memoryview]]:
    """The batches that a producer sent, at least one, each with its header and a view of its bytes.

    Sizes, magic, checksum, codec and record count are checked; the records inside are not. Raises: RecordError with the
    error code for the response.
    """
    view = memoryview(records)
    end = len(view)
    if not end:
        raise RecordError(ErrorCode.INVALID_RECORD, "a produce request has at least one batch for each partition")
    batches = []
    position = 0
    while position < end:
        header = read_header(view, position)
        batch = view[position : position + header.size] if position or header.size != end else view
        check(header, batch, batch_bytes_max=batch_bytes_max)
        batches.append((header, batch))
        position += header.size
    return batches


def check(header: BatchHeader, batch: memoryview, *, batch_bytes_max: int) -> None:
    """Raise RecordError unless a producer may send this batch. `batch` is its bytes, which may be cut off."""
    size = header.batch_length + LENGTH_OVERHEAD
    if size < HEADER_BYTES:
        raise _corrupt(f"a batch length of {header.batch_length} is shorter than the header")
    if size > batch_bytes_max:
        raise RecordError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"a batch of {size} bytes exceeds max.message.bytes of this topic, which is {batch_bytes_max}",
        )
    if size != len(batch):
        raise _invalid(f"a batch of {size} bytes is cut off after {len(batch)}")
    checksum = crc32c(batch[ATTRIBUTES_AT:])
    if checksum != header.crc:
        raise _corrupt(f"the checksum of the batch is {checksum:#010x}, its header says {header.crc:#010x}")
    count = header.record_count
    if count <= 0 or header.last_offset_delta != count - 1:
        raise _invalid(f"a last offset delta of {header.last_offset_delta} does not fit {count} records")
    if header.base_offset:
        raise _invalid(f"a base offset of {header.base_offset}; a producer sends 0, and the broker assigns offsets")
    attributes = header.attributes
    if attributes & (TRANSACTIONAL | CONTROL):
        raise _invalid("control batches and transactional batches are not accepted from producers")
    if attributes & CODEC_MASK > CODEC_MAX:
        raise RecordError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"compression codec {attributes & CODEC_MASK} is unknown; 0 to 4 are none, gzip, snappy, lz4 and zstd",
        )
    if header.producer_id >= 0 and (header.base_sequence < 0 or header.producer_epoch < 0):
        raise _invalid(
            f"producer id {header.producer_id} with epoch {header.producer_epoch} and sequence {header.base_sequence}"
        )


def walk(view: Buffer, position: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """(position, size, count, max timestamp) of each whole batch from this position on, up to one that is cut off.

    For bytes that `split` has checked before: only the batch length is checked again.
    """
    end = len(view)
    unpack = _WALKED.unpack_from
    while end - position >= HEADER_BYTES:
        length, last_offset_delta, max_timestamp = unpack(view, position)
        size = length + LENGTH_OVERHEAD
        if size < HEADER_BYTES:
            raise _corrupt(f"a batch length of {length} at byte {position}")
        if size > end - position:
            return
        yield position, size, last_offset_delta + 1, max_timestamp
        position += size


def patch_base_offset(prefix: Buffer, base_offset: int, *, leader_epoch: int = 0) -> bytes:
    """The first 16 bytes of a batch, with this base offset and leader epoch; send the stored bytes from byte 16 on.

    `prefix` is the batch, or at least its first 12 bytes.
    """
    (length,) = _LENGTH.unpack_from(prefix, BATCH_LENGTH_AT)
    return _PREFIX.pack(base_offset, length, leader_epoch)


def stamp_log_append_time(batch: Buffer, timestamp_ms: int) -> bytearray:
    """A copy of the batch whose records all have this timestamp. Sets the flag, the max timestamp and the checksum."""
    stamped = bytearray(batch)
    attributes = int.from_bytes(stamped[ATTRIBUTES_AT:LAST_OFFSET_DELTA_AT], "big") | LOG_APPEND_TIME
    stamped[ATTRIBUTES_AT:LAST_OFFSET_DELTA_AT] = attributes.to_bytes(2, "big")
    stamped[MAX_TIMESTAMP_AT:PRODUCER_ID_AT] = timestamp_ms.to_bytes(8, "big", signed=True)
    _seal(stamped)
    return stamped


def correct_max_timestamp(batch: Buffer, max_timestamp: int) -> bytearray:
    """A copy of the batch with this max timestamp, whose records have their own timestamps (CreateTime).

    For a producer that left the field unset or computed it wrong. Clears the flag of LogAppendTime, which would hide
    the records' timestamps, and makes the checksum anew.
    """
    corrected = bytearray(batch)
    attributes = int.from_bytes(corrected[ATTRIBUTES_AT:LAST_OFFSET_DELTA_AT], "big") & ~LOG_APPEND_TIME
    corrected[ATTRIBUTES_AT:LAST_OFFSET_DELTA_AT] = attributes.to_bytes(2, "big")
    corrected[MAX_TIMESTAMP_AT:PRODUCER_ID_AT] = max_timestamp.to_bytes(8, "big", signed=True)
    _seal(corrected)
    return corrected


def assemble(
    body: Buffer,
    *,
    count: int,
    attributes: int,
    base_timestamp: int,
    max_timestamp: int,
    base_offset: int = 0,
    leader_epoch: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> bytes:
    """A batch of records that are already encoded, and compressed with the codec in `attributes`."""
    batch = bytearray(HEADER_BYTES)
    length = HEADER_BYTES - LENGTH_OVERHEAD + len(body)
    _HEADER.pack_into(
        batch,
        0,
        base_offset,
        length,
        leader_epoch,
        MAGIC,
        0,
        attributes,
        count - 1,
        base_timestamp,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    batch += body
    _seal(batch)
    return bytes(batch)


def _seal(batch: bytearray) -> None:
    with memoryview(batch) as view:
        _CRC.pack_into(batch, CRC_AT, crc32c(view[ATTRIBUTES_AT:]))


def _corrupt(what: str) -> RecordError:
    return RecordError(ErrorCode.CORRUPT_MESSAGE, what)


def _invalid(what: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, what)
