"""Read the headers of zstd frames (RFC 8878) to learn the size of the output before anything is decompressed."""

from higgins_protocol.errors import ErrorCode, RecordError

WINDOW_BYTES_MAX = 128 << 20
"""The most that zstd's decoder accepts by default; its highest levels use it. A decoder touches no more of its window
than its output fills, so that the limit on the output is also that of the memory."""
BLOCK_BYTES_MAX = 128 << 10
"""The largest output of a block."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)
_DICTIONARY_ID_BYTES = (0, 1, 2, 4)
_RLE = 1
_COMPRESSED = 2
_RESERVED = 3


def output_bytes(data: memoryview) -> tuple[int, int]:
    """(the output size that all frames state together, or 0 where one does not; the largest that their blocks allow).

    Raises: RecordError for a window above 128 MiB, or for anything but a sequence of whole frames.
    """
    position = 0
    total = largest = 0
    is_stated = True
    try:
        while position < len(data):
            if data[position + 1 : position + 4] == _SKIPPABLE_MAGIC and data[position] >> 4 == 5:
                position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
                continue
            if data[position : position + 4] != _MAGIC:
                raise _corrupt("a zstd frame does not begin with its magic number")
            position, content, blocks_bytes = _frame(data, position + 4)
            is_stated = is_stated and content >= 0
            total += content
            largest += blocks_bytes
    except IndexError:
        raise _corrupt("a zstd frame is cut off") from None
    if position > len(data):
        raise _corrupt("a zstd frame is cut off")
    return total if is_stated else 0, largest


def _frame(data: memoryview, position: int) -> tuple[int, int, int]:
    """(where the frame ends, its content size or -1, the largest output that its blocks can have)."""
    descriptor = data[position]
    is_single = bool(descriptor >> 5 & 1)
    position += 1
    window = 0
    if not is_single:
        exponent, mantissa = data[position] >> 3, data[position] & 7
        window = (1 << 10 + exponent) // 8 * (8 + mantissa)
        position += 1
    position += _DICTIONARY_ID_BYTES[descriptor & 3]
    width = _CONTENT_SIZE_BYTES[descriptor >> 6] or int(is_single)
    content = int.from_bytes(data[position : position + width], "little") if width else -1
    if width == 2:
        # RFC 8878, 3.1.1.1.4: two bytes count from 256.
        content += 256
    position += width
    if max(window, content if is_single else 0) > WINDOW_BYTES_MAX:
        raise RecordError(
            ErrorCode.INVALID_RECORD,
            f"a zstd window of more than {WINDOW_BYTES_MAX} bytes; use a lower compression level",
        )
    position, largest = _blocks(data, position)
    return position + (4 if descriptor >> 2 & 1 else 0), content, largest


def _blocks(data: memoryview, position: int) -> tuple[int, int]:
    """Where the blocks of a frame end, and the largest output that they can have."""
    largest = 0
    while True:
        head = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        kind, size = head >> 1 & 3, head >> 3
        if kind == _RESERVED:
            raise _corrupt("a zstd block of the reserved type")
        position += 3 + (1 if kind == _RLE else size)
        largest += BLOCK_BYTES_MAX if kind == _COMPRESSED else size
        if head & 1:
            return position, largest


def _corrupt(what: str) -> RecordError:
    return RecordError(ErrorCode.CORRUPT_MESSAGE, what)
