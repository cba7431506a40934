"""Compress and decompress the records of a batch: gzip, snappy, lz4, zstd, in the framing that Kafka clients use.

Every legal form of a codec is read: concatenated frames, skippable frames, frames that do not state their content size,
snappy with and without xerial's framing. The output has one limit, the caller's, and it is applied before memory is
allocated: a batch of equal records compresses to a thousandth, and stock clients produce and read such batches, so a
limit on the ratio would refuse them. A zstd window may have 128 MiB, the most that zstd reads by default.
"""

import mmap
import zlib
from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from struct import error as StructError

import cramjam

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records import zstd_frames

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK_BYTES = 32 << 10
_XERIAL_SIZE = Struct(">i")
_XERIAL_MAGIC_AS_SIZE = int.from_bytes(_XERIAL_MAGIC[:4], "big", signed=True)

# A copy of 64 bytes, the densest element, takes three bytes: a larger output than this is claimed and not there.
_SNAPPY_RATIO_MAX = 22

# Magic; version 1 with independent blocks (the Java client reads no others) of 64 KiB; the checksum of these two bytes.
_LZ4_HEADER = b"\x04\x22\x4d\x18\x60\x40\x82"
_LZ4_BLOCK_BYTES = 64 << 10
_LZ4_STORED = 0x80000000
_LZ4_SIZE = Struct("<I")
_LZ4_END = bytes(4)

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_SMALL_BYTES_MAX = 1 << 20
_GUESS_BYTES_MIN = 64 << 10
_GUESS_GROWTH = 4


class Codec(IntEnum):
    """The compression of a batch: the low three bits of its attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(codec: int, data: Buffer) -> bytes:
    """The content of a batch with this codec. Equal input gives equal output."""
    match codec:
        case Codec.NONE:
            return bytes(data)
        case Codec.GZIP:
            compressor = zlib.compressobj(wbits=_GZIP_WINDOW)
            return compressor.compress(data) + compressor.flush()
        case Codec.SNAPPY:
            return _compress_snappy(memoryview(data))
        case Codec.LZ4:
            return _compress_lz4(memoryview(data))
        case Codec.ZSTD:
            return bytes(cramjam.zstd.compress(data))
    raise _unknown(codec)


def decompress(codec: int, data: Buffer, *, bytes_max: int) -> bytes:
    """The whole output, at most `bytes_max` bytes. Raises: RecordError where it is corrupt or would be larger."""
    return bytes(unpack(codec, data, bytes_max=bytes_max))


def unpack(codec: int, data: Buffer, *, bytes_max: int) -> Buffer:
    """As `decompress`, but a view of whatever the output was written to: it is in memory once, and never copied.

    Output of more than a mebibyte is in an mmap, which is the view's `obj` and may be longer. Work on it does not hold
    the interpreter lock for long, so that a thread can decompress beside an event loop.
    """
    match codec:
        case Codec.NONE:
            if len(data) > bytes_max:
                raise _too_large(bytes_max)
            return data
        case Codec.GZIP:
            return _decompress_gzip(data, bytes_max)
        case Codec.SNAPPY:
            return _decompress_snappy(memoryview(data), bytes_max)
        case Codec.LZ4:
            return _decompress_frames(cramjam.lz4.decompress_into, data, bytes_max, guess=0)
        case Codec.ZSTD:
            stated, largest = zstd_frames.output_bytes(memoryview(data))
            if stated > bytes_max:
                raise _too_large(bytes_max)
            return _decompress_frames(cramjam.zstd.decompress_into, data, bytes_max, guess=stated or largest)
    raise _unknown(codec)


def _decompress_gzip(data: Buffer, bound: int) -> Buffer:
    """In pieces of at most a mebibyte, since zlib would hold the output three times while it grows."""
    first = b""
    out: memoryview | None = None
    length = 0
    unread: Buffer = data
    while unread:
        member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        while not member.eof:
            try:
                piece = member.decompress(unread, min(_SMALL_BYTES_MAX, bound + 1 - length))
            except zlib.error as error:
                raise _corrupt("gzip", error) from None
            if length + len(piece) > bound:
                raise _too_large(bound)
            if not length:
                first = piece
            elif piece:
                if out is None:
                    out = memoryview(_memory(bound))
                    out[:length] = first
                out[length : length + len(piece)] = piece
            length += len(piece)
            unread = member.unconsumed_tail
            if not piece and not unread and not member.eof:
                raise _corrupt("gzip", "it is cut off")
        # Zeros may follow the last member, to fill a block of a tape or a disk.
        unread = member.unused_data.lstrip(b"\0")
    return first if out is None else out[:length]


def _compress_snappy(data: memoryview) -> bytes:
    out = bytearray(_XERIAL_HEADER)
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES])
        out += _XERIAL_SIZE.pack(len(block))
        out += block
    return bytes(out)


def _decompress_snappy(data: memoryview, bound: int) -> Buffer:
    """One raw block, or xerial's frames of blocks. Each block begins with the size of its output."""
    blocks = list(_xerial_blocks(data)) if data[: len(_XERIAL_MAGIC)] == _XERIAL_MAGIC else [data]
    try:
        sizes = [cramjam.snappy.decompress_raw_len(block) for block in blocks]
        total = sum(sizes)
        if total > bound:
            raise _too_large(bound)
        if total > _SNAPPY_RATIO_MAX * len(data):
            raise _corrupt("snappy", f"{len(data)} bytes cannot be {total}")
        out = memoryview(_memory(total))[:total]
        position = 0
        for block, size in zip(blocks, sizes, strict=True):
            cramjam.snappy.decompress_raw_into(block, out[position : position + size])
            position += size
    except (cramjam.DecompressionError, ValueError, OverflowError) as error:
        raise _corrupt("snappy", error) from None
    return out


def _xerial_blocks(data: memoryview) -> Iterator[memoryview]:
    position = len(_XERIAL_HEADER)
    while position < len(data):
        try:
            (size,) = _XERIAL_SIZE.unpack_from(data, position)
        except StructError:
            raise _corrupt("snappy", "it is cut off") from None
        if size == _XERIAL_MAGIC_AS_SIZE:
            position += len(_XERIAL_HEADER)  # Streams may be concatenated, and each begins with a header.
            continue
        position += _XERIAL_SIZE.size
        if not 0 <= size <= len(data) - position:
            raise _corrupt("snappy", f"a block of {size} bytes, {len(data) - position} left")
        yield data[position : position + size]
        position += size


def _compress_lz4(data: memoryview) -> bytes:
    out = bytearray(_LZ4_HEADER)
    for start in range(0, len(data), _LZ4_BLOCK_BYTES):
        block = data[start : start + _LZ4_BLOCK_BYTES]
        packed = bytes(cramjam.lz4.compress_block(block, store_size=False))
        if len(packed) < len(block):
            out += _LZ4_SIZE.pack(len(packed))
            out += packed
        else:
            out += _LZ4_SIZE.pack(len(block) | _LZ4_STORED)
            out += block
    out += _LZ4_END
    return bytes(out)


def _decompress_frames(
    decompress_into: Callable[[Buffer, memoryview], int], data: Buffer, bound: int, *, guess: int
) -> Buffer:
    """Decompress into a buffer of the size guessed, and if the output does not fit, of the size allowed."""
    if not len(data):
        raise _corrupt("the batch", "it is empty")
    for size in (min(bound, guess or max(_GUESS_BYTES_MIN, _GUESS_GROWTH * len(data))), bound):
        out = memoryview(_memory(size))
        try:
            return out[: decompress_into(data, out)]
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise _corrupt("the batch", error) from None
    raise _too_large(bound)


def _memory(size: int) -> bytearray | mmap.mmap:
    """At least `size` writable bytes.

    Large memory is not touched before it is written to: filling a bytearray of 64 MiB with zeros would hold the
    interpreter lock for 80 ms, whereas decompression releases it.
    """
    if size <= _SMALL_BYTES_MAX:
        return bytearray(size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _corrupt(what: str, why: object) -> RecordError:
    return RecordError(ErrorCode.CORRUPT_MESSAGE, f"{what} cannot be decompressed: {why}")


def _too_large(bound: int) -> RecordError:
    # Java's producer splits a batch and sends it again when it hears this code.
    return RecordError(ErrorCode.MESSAGE_TOO_LARGE, f"the records decompress to more than {bound} bytes")


def _unknown(codec: int) -> RecordError:
    return RecordError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"there is no compression codec {codec}")
