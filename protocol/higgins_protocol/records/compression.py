"""Compress and decompress the records of a batch: gzip, snappy, lz4, zstd, in the framing that Kafka clients use.

The output is limited before it is allocated: by the caller's limit, and by 200 times the input plus a mebibyte. Larger
output is refused, and so is a zstd window above 8 MiB, which protects against decompression bombs. Concatenated frames,
and frames that do not state their content size, are read completely.
"""

import zlib
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from struct import error as StructError

import cramjam

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records import zstd_frames

RATIO_MAX = 200
RATIO_SLACK_BYTES = 1 << 20

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK_BYTES = 32 << 10
_XERIAL_SIZE = Struct(">i")

# Magic; version 1 with independent blocks (the Java client reads no others) of 64 KiB; the checksum of these two bytes.
_LZ4_HEADER = b"\x04\x22\x4d\x18\x60\x40\x82"
_LZ4_BLOCK_BYTES = 64 << 10
_LZ4_STORED = 0x80000000
_LZ4_SIZE = Struct("<I")
_LZ4_END = bytes(4)

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
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
    bound = min(bytes_max, RATIO_MAX * len(data) + RATIO_SLACK_BYTES)
    match codec:
        case Codec.NONE:
            return _plain(data, bytes_max)
        case Codec.GZIP:
            return _decompress_gzip(data, bound)
        case Codec.SNAPPY:
            return _decompress_snappy(memoryview(data), bound)
        case Codec.LZ4:
            return _decompress_frames(cramjam.lz4.decompress_into, data, bound, guess=0)
        case Codec.ZSTD:
            content = zstd_frames.content_bytes(memoryview(data))
            if content > bound:
                raise _too_large(bound)
            return _decompress_frames(cramjam.zstd.decompress_into, data, bound, guess=content)
    raise _unknown(codec)


def _plain(data: Buffer, bytes_max: int) -> bytes:
    if len(data) > bytes_max:
        raise _too_large(bytes_max)
    return bytes(data)


def _decompress_gzip(data: Buffer, bound: int) -> bytes:
    out = bytearray()
    unread = bytes(data)
    while unread:
        member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        try:
            out += member.decompress(unread, bound + 1 - len(out))
        except zlib.error as error:
            raise _corrupt("gzip", error) from error
        if len(out) > bound:
            raise _too_large(bound)
        if not member.eof:
            raise _corrupt("gzip", "it is cut off")
        unread = member.unused_data
    return bytes(out)


def _compress_snappy(data: memoryview) -> bytes:
    out = bytearray(_XERIAL_HEADER)
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES])
        out += _XERIAL_SIZE.pack(len(block))
        out += block
    return bytes(out)


def _decompress_snappy(data: memoryview, bound: int) -> bytes:
    if data[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        return _decompress_snappy_block(data, bound, bound)
    out = bytearray()
    position = len(_XERIAL_HEADER)
    while position < len(data):
        try:
            (size,) = _XERIAL_SIZE.unpack_from(data, position)
        except StructError as error:
            raise _corrupt("snappy", "it is cut off") from error
        position += _XERIAL_SIZE.size
        if not 0 <= size <= len(data) - position:
            raise _corrupt("snappy", f"a block of {size} bytes, {len(data) - position} left")
        out += _decompress_snappy_block(data[position : position + size], bound - len(out), bound)
        position += size
    return bytes(out)


def _decompress_snappy_block(block: memoryview, remaining: int, bound: int) -> bytes:
    """One raw block. It begins with the size of its output, which is checked against what remains of the bound."""
    try:
        if cramjam.snappy.decompress_raw_len(block) > remaining:
            raise _too_large(bound)
        return bytes(cramjam.snappy.decompress_raw(block))
    except (cramjam.DecompressionError, ValueError, OverflowError) as error:
        raise _corrupt("snappy", error) from error


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
    decompress_into: Callable[[Buffer, bytearray], int], data: Buffer, bound: int, *, guess: int
) -> bytes:
    """Decompress into a buffer that grows up to the bound until the output fits: the library itself has no limit."""
    if not len(data):
        raise _corrupt("the batch", "it is empty")
    size = min(bound, guess or max(_GUESS_BYTES_MIN, _GUESS_GROWTH * len(data)))
    while True:
        out = bytearray(size)
        try:
            return bytes(memoryview(out)[: decompress_into(data, out)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise _corrupt("the batch", error) from error
        if size >= bound:
            raise _too_large(bound)
        size = min(bound, size * _GUESS_GROWTH)


def _corrupt(what: str, why: object) -> RecordError:
    return RecordError(ErrorCode.CORRUPT_MESSAGE, f"{what} cannot be decompressed: {why}")


def _too_large(bound: int) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, f"the records decompress to more than {bound} bytes")


def _unknown(codec: int) -> RecordError:
    return RecordError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"there is no compression codec {codec}")
