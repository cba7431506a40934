"""Record batches of magic 2, by their headers: read, check, split, patch, stamp. Records are never decoded here.

A batch is 61 bytes of header and then its records, perhaps compressed. Base offset, length, leader epoch and magic lie
before what the checksum covers, so that a broker may give a batch its offsets without touching anything else (KIP-98).
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
"""Base offset, batch length, leader epoch: what is patched when a batch is served."""
LENGTH_OVERHEAD = 12
"""What the batch length does not count: base offset and itself."""

LEGACY_LENGTH_MIN = 14
"""What the shortest record of the old formats says of itself."""

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
    """The 61 bytes in front of a batch's records, in wire order."""

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
        """How many offsets the batch takes."""
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
    """The header that begins here, unchecked. Raises: RecordError for fewer than 61 bytes, or a magic that is not 2."""
    left = len(view) - position
    if left > MAGIC_AT and view[position + MAGIC_AT] != MAGIC:
        (length,) = _LENGTH.unpack_from(view, position + BATCH_LENGTH_AT)
        if length < LEGACY_LENGTH_MIN:
            raise _corrupt(f"a length of {length} holds no record of any format")
        raise legacy.refusal(view[position + MAGIC_AT])
    if left < HEADER_BYTES:
        raise _invalid(f"{left} bytes are no batch; its header has {HEADER_BYTES}")
    return BatchHeader(*_HEADER.unpack_from(view, position))


def split(records: Buffer, *, batch_bytes_max: int) -> list[tuple[BatchHeader, memoryview]]:
    """What a producer sent, batch by batch, each with its checked header and a view of its bytes; at least one.

    Checked: sizes, magic, checksum, codec, count; not the records inside. Raises: RecordError with the code to answer.
    """
    view = memoryview(records)
    end = len(view)
    if not end:
        raise RecordError(ErrorCode.INVALID_RECORD, "a produce request has at least one batch for each partition")
    found = []
    position = 0
    while position < end:
        header = read_header(view, position)
        batch = view[position : position + header.size] if position or header.size != end else view
        check(header, batch, batch_bytes_max=batch_bytes_max)
        found.append((header, batch))
        position += header.size
    return found


def check(header: BatchHeader, batch: memoryview, *, batch_bytes_max: int) -> None:
    """Raise RecordError unless a producer may send this batch; `batch` is its bytes, as far as they are there."""
    size = header.batch_length + LENGTH_OVERHEAD
    if size < HEADER_BYTES:
        raise _corrupt(f"a batch length of {header.batch_length} does not hold its header")
    if size > batch_bytes_max:
        raise RecordError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"a batch of {size} bytes; max.message.bytes of this topic is {batch_bytes_max}",
        )
    if size != len(batch):
        raise _invalid(f"a batch of {size} bytes, of which {len(batch)} came")
    checksum = crc32c(batch[ATTRIBUTES_AT:])
    if checksum != header.crc:
        raise _corrupt(f"the batch has checksum {checksum:#010x} and says {header.crc:#010x}")
    count = header.record_count
    if count <= 0 or header.last_offset_delta != count - 1:
        raise _invalid(f"{count} records and a last offset delta of {header.last_offset_delta}, not one less")
    if header.base_offset:
        raise _invalid(f"a base offset of {header.base_offset}; offsets are given here, and a batch comes with 0")
    attributes = header.attributes
    if attributes & (TRANSACTIONAL | CONTROL):
        raise _invalid("control batches and transactional batches are not accepted from producers here")
    if attributes & CODEC_MASK > CODEC_MAX:
        raise RecordError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"compression codec {attributes & CODEC_MASK} is unknown; none, gzip, snappy, lz4, zstd are 0 to 4",
        )
    if header.producer_id >= 0 and (header.base_sequence < 0 or header.producer_epoch < 0):
        raise _invalid(
            f"producer id {header.producer_id} with epoch {header.producer_epoch} and sequence {header.base_sequence}"
        )


def walk(view: Buffer, position: int = 0) -> Iterator[tuple[int, int, int, int]]:
    """(position, size, count, max timestamp) of each whole batch from here on; a batch that is cut off ends the walk.

    For bytes that were checked when they came in: only what would walk astray is looked at.
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
    """The first 16 bytes of a batch with its offset and leader epoch; the stored bytes follow from byte 16 on.

    `prefix` is the batch, or as much of it as holds the batch length.
    """
    (length,) = _LENGTH.unpack_from(prefix, BATCH_LENGTH_AT)
    return _PREFIX.pack(base_offset, length, leader_epoch)


def stamp_log_append_time(batch: Buffer, timestamp_ms: int) -> bytearray:
    """A copy of the batch whose records all have this timestamp: flag, greatest timestamp and checksum are set anew."""
    stamped = bytearray(batch)
    attributes = int.from_bytes(stamped[ATTRIBUTES_AT:LAST_OFFSET_DELTA_AT], "big") | LOG_APPEND_TIME
    stamped[ATTRIBUTES_AT:LAST_OFFSET_DELTA_AT] = attributes.to_bytes(2, "big")
    stamped[MAX_TIMESTAMP_AT:PRODUCER_ID_AT] = timestamp_ms.to_bytes(8, "big", signed=True)
    _seal(stamped)
    return stamped


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
    """A batch around records that are encoded, and compressed as `attributes` says."""
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
