"""Walk the frames of an lz4 batch, to find what lz4 allows and Kafka's clients do not read. Decompresses nothing.

Java's clients read one frame, whose blocks are independent, and ignore what follows. librdkafka reads one frame with
blocks of both kinds, and nothing else. So a batch in two frames, or one that begins with a skippable frame, is read by
neither of them, and one with dependent blocks stops every Java client at its offset. Kafka refuses all three.
"""

from higgins_protocol.errors import ErrorCode, RecordError

_MAGIC = 0x184D2204
_SKIPPABLE_MAGIC = 0x184D2A50
_SKIPPABLE_MASK = 0xFFFFFFF0
_STORED = 0x80000000

_HAS_DICTIONARY_ID = 0x01
_HAS_CONTENT_CHECKSUM = 0x04
_HAS_CONTENT_SIZE = 0x08
_HAS_BLOCK_CHECKSUMS = 0x10
_IS_INDEPENDENT = 0x20


def check_readable(data: memoryview) -> None:
    """Check that clients read this output of lz4, provided that it can be decompressed.

    Raises: RecordError, with INVALID_RECORD.
    """
    if _uint32(data, 0) & _SKIPPABLE_MASK == _SKIPPABLE_MAGIC:
        raise _unreadable("it begins with a skippable frame")
    if _uint32(data, 0) != _MAGIC or len(data) <= 4:
        raise _unreadable("it is no lz4 frame")
    if not data[4] & _IS_INDEPENDENT:
        raise _unreadable("its blocks depend on one another; compress with independent blocks")
    end = _end_of_frame(data)
    if end + 4 <= len(data) and _uint32(data, end) == _MAGIC:
        raise _unreadable("it has more than one lz4 frame")


def _end_of_frame(data: memoryview) -> int:
    """Where the first frame ends; beyond the data if it is cut off."""
    flags = data[4]
    position = 4 + 2 + 1  # the magic, the flags with the block size, and their checksum
    position += 8 if flags & _HAS_CONTENT_SIZE else 0
    position += 4 if flags & _HAS_DICTIONARY_ID else 0
    checksum_bytes = 4 if flags & _HAS_BLOCK_CHECKSUMS else 0
    while position + 4 <= len(data) and (size := _uint32(data, position)):
        position += 4 + (size & ~_STORED) + checksum_bytes
    return position + 4 + (4 if flags & _HAS_CONTENT_CHECKSUM else 0)


def _uint32(data: memoryview, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "little")


def _unreadable(why: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, f"clients cannot read this lz4: {why}")
