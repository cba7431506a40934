"""Legal forms of each codec that stock clients and their libraries write or read, built by hand from the formats."""

import struct
import zlib
from collections.abc import Iterator

import cramjam

from higgins_protocol.records.compression import Codec

MASK = 0xFFFFFFFF
SKIPPABLE = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"


def packed_forms(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """(name, codec, bytes) of every form of this data, which is not empty."""
    for codec, forms in (
        (Codec.GZIP, gzip_forms),
        (Codec.SNAPPY, snappy_forms),
        (Codec.LZ4, lz4_forms),
        (Codec.ZSTD, zstd_forms),
    ):
        for name, packed in forms(data):
            yield f"{codec.name.lower()}: {name}", codec, packed


def halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


# ---- gzip (RFC 1952) -------------------------------------------------------------------------------------------------


def gzip_member(data: bytes, *, level: int = 6, strategy: int = 0, flags: int = 0, fields: bytes = b"") -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\x01\x02\x03\x04\x00\xff" + fields
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    return header + deflater.compress(data) + deflater.flush() + struct.pack("<II", zlib.crc32(data), len(data) & MASK)


def gzip_forms(data: bytes) -> Iterator[tuple[str, bytes]]:
    first, second = halves(data)
    for level in (0, 1, 9):
        yield f"level {level}", gzip_member(data, level=level)
    for strategy in (zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
        yield f"strategy {strategy}", gzip_member(data, strategy=strategy)
    fields = struct.pack("<H", 5) + b"extra" + b"name\0" + b"a comment\0"
    yield "every header field", gzip_member(data, flags=0b11111, fields=fields)
    yield "two members", gzip_member(first) + gzip_member(second)
    yield "an empty member first", gzip_member(b"") + gzip_member(data)
    yield "an empty member last", gzip_member(data) + gzip_member(b"")
    yield "zeros behind", gzip_member(data) + bytes(500)


# ---- snappy: raw, and in the blocks of xerial's library --------------------------------------------------------------


def xerial(data: bytes, block_bytes: int, versions: tuple[int, int] = (1, 1)) -> bytes:
    blocks = [bytes(cramjam.snappy.compress_raw(data[i : i + block_bytes])) for i in range(0, len(data), block_bytes)]
    return b"\x82SNAPPY\0" + struct.pack(">ii", *versions) + b"".join(struct.pack(">i", len(b)) + b for b in blocks)


def snappy_forms(data: bytes) -> Iterator[tuple[str, bytes]]:
    first, second = halves(data)
    yield "raw", bytes(cramjam.snappy.compress_raw(data))
    for block_bytes in (1 << 10, 32 << 10, 1 << 20):
        yield f"blocks of {block_bytes}", xerial(data, block_bytes)
    yield "a later version", xerial(data, 32 << 10, (2, 1))
    yield "two streams", xerial(first, 32 << 10) + xerial(second, 32 << 10)
    yield "an empty stream first", xerial(b"", 1) + xerial(data, 32 << 10)
    yield "an empty stream last", xerial(data, 32 << 10) + xerial(b"", 1)


# ---- lz4 frames ------------------------------------------------------------------------------------------------------


def xxh32(data: bytes) -> int:
    primes = 2654435761, 2246822519, 3266489917, 668265263, 374761393

    def rotated(value: int, bits: int) -> int:
        return (value << bits | value >> 32 - bits) & MASK

    at = 0
    if len(data) >= 16:
        lanes = [(primes[0] + primes[1]) & MASK, primes[1], 0, -primes[0] & MASK]
        while at + 16 <= len(data):
            for i, word in enumerate(struct.unpack_from("<4I", data, at)):
                lanes[i] = rotated((lanes[i] + word * primes[1]) & MASK, 13) * primes[0] & MASK
            at += 16
        value = sum(rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
    else:
        value = primes[4]
    value = (value + len(data)) & MASK
    while at + 4 <= len(data):
        value = rotated((value + struct.unpack_from("<I", data, at)[0] * primes[2]) & MASK, 17) * primes[3] & MASK
        at += 4
    for byte in data[at:]:
        value = rotated((value + byte * primes[4]) & MASK, 11) * primes[0] & MASK
    value = (value ^ value >> 15) * primes[1] & MASK
    value = (value ^ value >> 13) * primes[2] & MASK
    return value ^ value >> 16


def lz4_block(data: bytes) -> bytes:
    packed = bytes(cramjam.lz4.compress_block(data, store_size=False))
    return struct.pack("<I", len(packed)) + packed if len(packed) < len(data) else lz4_stored(data)


def lz4_stored(data: bytes) -> bytes:
    return struct.pack("<I", len(data) | 1 << 31) + data


def lz4_repeat(length: int, distance: int, last: bytes) -> bytes:
    """A block that repeats `length` bytes from `distance` bytes back, and ends with five literals."""
    assert len(last) == 5 and length >= 19
    rest = length - 19
    packed = b"\x0f" + struct.pack("<H", distance) + b"\xff" * (rest // 255) + bytes([rest % 255]) + b"\x50" + last
    return struct.pack("<I", len(packed)) + packed


def lz4_frame(
    blocks: list[bytes], data: bytes, *, independent: bool = True, size: bool = False, checksum: bool = False,
    block_checksums: bool = False, block_code: int = 4,
) -> bytes:  # fmt: skip
    flags = 0x40 | independent << 5 | block_checksums << 4 | size << 3 | checksum << 2
    descriptor = bytes([flags, block_code << 4]) + (struct.pack("<Q", len(data)) if size else b"")
    out = b"\x04\x22\x4d\x18" + descriptor + bytes([xxh32(descriptor) >> 8 & 0xFF])
    for block in blocks:
        out += block + (struct.pack("<I", xxh32(block[4:])) if block_checksums else b"")
    return out + bytes(4) + (struct.pack("<I", xxh32(data)) if checksum else b"")


def lz4_forms(data: bytes) -> Iterator[tuple[str, bytes]]:
    def blocks(block_bytes: int) -> list[bytes]:
        return [lz4_block(data[i : i + block_bytes]) for i in range(0, len(data), block_bytes)]

    for bits in range(8):
        options = {"size": bool(bits & 1), "checksum": bool(bits & 2), "block_checksums": bool(bits & 4)}
        name = ", ".join(key for key, value in options.items() if value) or "plain"
        yield name, lz4_frame(blocks(64 << 10), data, **options)
    for code, block_bytes in ((5, 256 << 10), (6, 1 << 20), (7, 4 << 20)):
        yield f"blocks of {block_bytes}", lz4_frame(blocks(block_bytes), data, block_code=code)
    yield "stored blocks", lz4_frame([lz4_stored(data[i : i + 9999]) for i in range(0, len(data), 9999)], data)
    yield "small blocks", lz4_frame(blocks(1000), data)
    yield "a skippable frame behind", lz4_frame(blocks(64 << 10), data) + SKIPPABLE


def lz4_forms_for_nobody(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Forms that lz4 allows and Kafka refuses, or reads only because the first frame holds all records."""
    first, second = halves(data)
    whole = lz4_frame([lz4_stored(data)], data, block_code=7)
    for bits in range(8):
        options = {"size": bool(bits & 1), "checksum": bool(bits & 2), "block_checksums": bool(bits & 4)}
        name = ", ".join(key for key, value in options.items() if value) or "plain"
        one = lz4_frame([lz4_stored(first)], first, block_code=7, **options)
        other = lz4_frame([lz4_stored(second)], second, block_code=7, **options)
        yield f"two frames, {name}", one + other
        dependent = lz4_frame([lz4_stored(first), lz4_stored(second)], data, block_code=7, independent=False, **options)
        yield f"dependent blocks, {name}", dependent
    yield "one dependent block", lz4_frame([lz4_block(data[: 64 << 10])], data, independent=False)
    yield "a skippable frame first", SKIPPABLE + whole
    yield "an empty frame first", lz4_frame([], b"") + whole
    yield "an empty frame behind", whole + lz4_frame([], b"")


# ---- zstd (RFC 8878) -------------------------------------------------------------------------------------------------


def zstd_raw(data: bytes, *, window_log: int = 20, block_bytes: int = 100 << 10) -> bytes:
    """A frame of stored blocks that does not state its content size."""
    out = b"\x28\xb5\x2f\xfd\x00" + bytes([window_log - 10 << 3])
    starts = range(0, len(data), block_bytes)
    for start in starts:
        block = data[start : start + block_bytes]
        out += (len(block) << 3 | (start == starts[-1])).to_bytes(3, "little") + block
    return out if data else out + b"\x01\x00\x00"


def zstd_streamed(data: bytes, window_log: int, level: int) -> bytes:
    """As a streaming encoder writes it: without the content size, and with the window that the level wants."""
    packed = bytes(cramjam.zstd.compress(data, level=level))
    descriptor = packed[4]
    single, checksum = descriptor >> 5 & 1, descriptor & 4
    width = (0, 2, 4, 8)[descriptor >> 6] or single
    blocks = packed[5 + (not single) + width :]
    return packed[:4] + bytes([checksum, window_log - 10 << 3]) + blocks


def zstd_forms(data: bytes) -> Iterator[tuple[str, bytes]]:
    first, second = halves(data)
    for level in (-5, 1, 3, 19, 22):
        yield f"level {level}", bytes(cramjam.zstd.compress(data, level=level))
    for window_log in (23, 24, 27):
        yield f"streamed, a window of 2^{window_log}", zstd_streamed(data, window_log, 3)
    yield "stored blocks", zstd_raw(data)
    yield "many small blocks", zstd_raw(data, block_bytes=500)
    yield "two frames", bytes(cramjam.zstd.compress(first)) + zstd_raw(second)
    yield "skippable frames", SKIPPABLE + bytes(cramjam.zstd.compress(data)) + SKIPPABLE
    yield "an empty frame first", zstd_raw(b"") + bytes(cramjam.zstd.compress(data))
    yield "an empty frame last", zstd_streamed(data, 20, 3) + zstd_raw(b"")
