"""Compression: output of other tools is read, our output has the framing of Kafka clients, and bombs are refused."""

import mmap
import random
import tracemalloc
import zlib

import cramjam
import pytest

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.records.compression import Codec, compress, decompress, unpack
from higgins_protocol.records.zstd_frames import output_bytes
from tests.protocol.packed_forms import lz4_frame, lz4_repeat, lz4_stored, packed_forms

TEXT = b"the same line again. " * 40
MIB = 1 << 20

# Written by the tools lz4 1.9, zstd 1.5 and gzip 1.12 from TEXT.
LZ4 = "04224d186440a723000000ff067468652073616d65206c696e6520616761696e2e201500ffffff1e5061696e2e200000000064f026b9"
LZ4_WITH_SIZE = (
    "04224d186c404803000000000000e523000000ff067468652073616d65206c696e6520616761696e2e201500ffffff1e5061696e2e"
    "200000000064f026b9"
)
ZSTD = "28b52ffd644802e50000a87468652073616d65206c696e6520616761696e2e20010061623599dd9ed51d"
ZSTD_WITHOUT_SIZE = "28b52ffd0458e50000a87468652073616d65206c696e6520616761696e2e20010061623599dd9ed51d"
ZSTD_WINDOW_128_MIB = "28b52ffd0488e50000a87468652073616d65206c696e6520616761696e2e20010061623599dd9ed51d"
ZSTD_WINDOW_144_MIB = ZSTD_WINDOW_128_MIB.replace("28b52ffd0488", "28b52ffd0489")
ZSTD_SKIPPABLE = "502a4d1803000000aabbcc"
GZIP = "1f8b08000000000000032bc94855284ecc4d55c8c9cc4b55484c4fccccd3532819151c151c15244510004e10aa3a48030000"

compressing = pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("data", [b"", b"a", TEXT, bytes(3 * MIB // 4), random.Random(1).randbytes(200_000)])
def test_compressed_data_is_decompressed_again(codec: Codec, data: bytes) -> None:
    assert decompress(codec, memoryview(compress(codec, memoryview(data))), bytes_max=MIB) == data


@pytest.mark.parametrize("codec", list(Codec))
def test_equal_records_compress_to_equal_bytes(codec: Codec) -> None:
    assert compress(codec, TEXT) == compress(codec, bytearray(TEXT))


@pytest.mark.parametrize(
    ("codec", "frame"),
    [
        (Codec.GZIP, GZIP),
        (Codec.LZ4, LZ4),
        (Codec.LZ4, LZ4_WITH_SIZE),
        (Codec.ZSTD, ZSTD),
        (Codec.ZSTD, ZSTD_WITHOUT_SIZE),
        (Codec.ZSTD, ZSTD_SKIPPABLE + ZSTD),
    ],
)
def test_frames_of_other_tools_are_read_alone_and_concatenated(codec: Codec, frame: str) -> None:
    data = bytes.fromhex(frame)
    assert decompress(codec, data, bytes_max=MIB) == TEXT
    assert decompress(codec, data * 3, bytes_max=MIB) == TEXT * 3


@pytest.mark.parametrize("data", [TEXT, random.Random(6).randbytes(90_000) + TEXT * 500], ids=["short", "long"])
def test_every_legal_form_is_read(data: bytes) -> None:
    forms = list(packed_forms(data))
    assert len(forms) > 43
    for name, codec, packed in forms:
        assert decompress(codec, packed, bytes_max=MIB) == data, name
        assert decompress(codec, memoryview(bytearray(packed)), bytes_max=len(data)) == data, name
        with pytest.raises(RecordError) as caught:
            decompress(codec, packed, bytes_max=len(data) - 1)
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE, name


def test_lz4_blocks_may_refer_to_the_block_before() -> None:
    data = random.Random(7).randbytes(1000)
    whole = data + data[:300] + b"12345"
    frame = lz4_frame([lz4_stored(data), lz4_repeat(300, 1000, b"12345")], whole, independent=False, checksum=True)
    assert decompress(Codec.LZ4, frame, bytes_max=MIB) == whole


def test_our_gzip_is_read_by_zlib() -> None:
    assert zlib.decompress(compress(Codec.GZIP, TEXT), wbits=31) == TEXT


def test_our_lz4_has_independent_blocks_as_the_java_client_requires() -> None:
    frame = compress(Codec.LZ4, TEXT * 200)
    flags = frame[4]
    assert (flags >> 6, flags >> 5 & 1) == (1, 1)
    assert bytes(cramjam.lz4.decompress(frame)) == TEXT * 200


def test_our_snappy_has_xerial_framing_in_blocks_of_32_kib() -> None:
    data = random.Random(2).randbytes(70_000)
    frame = compress(Codec.SNAPPY, data)
    assert frame[:16] == b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
    position, blocks = 16, []
    while position < len(frame):
        size = int.from_bytes(frame[position : position + 4], "big")
        blocks.append(bytes(cramjam.snappy.decompress_raw(frame[position + 4 : position + 4 + size])))
        position += 4 + size
    assert [len(block) for block in blocks] == [32_768, 32_768, 4_464]
    assert b"".join(blocks) == data


def test_snappy_without_xerial_frames_is_read() -> None:
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT)), bytes_max=MIB) == TEXT


@compressing
def test_the_callers_limit_is_exact(codec: Codec) -> None:
    data = random.Random(3).randbytes(100_000)
    packed = compress(codec, data)
    assert decompress(codec, packed, bytes_max=100_000) == data
    with pytest.raises(RecordError, match="more than 99999 bytes"):
        decompress(codec, packed, bytes_max=99_999)


@compressing
def test_a_bomb_is_refused_with_the_code_that_makes_producers_split_a_batch(codec: Codec) -> None:
    bomb = compress(codec, bytes(96 * MIB))
    with pytest.raises(RecordError, match=f"more than {64 * MIB} bytes") as caught:
        decompress(codec, bomb, bytes_max=64 * MIB)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


@compressing
def test_equal_bytes_are_decompressed_whatever_the_ratio(codec: Codec) -> None:
    data = bytes(24 * MIB)
    packed = compress(codec, data)
    assert decompress(codec, packed, bytes_max=64 * MIB) == data


def zstd_of_zeros(mebibytes: int) -> bytes:
    """A frame that does not say its content size: blocks of four bytes that each repeat one byte 128 Ki times."""
    block = 128 << 10 << 3 | 1 << 1
    blocks = [(block | last).to_bytes(3, "little") + b"\x00" for last in [0] * (8 * mebibytes - 1) + [1]]
    return b"\x28\xb5\x2f\xfd\x00\x50" + b"".join(blocks)


@pytest.mark.parametrize("frames", [zstd_of_zeros(256), bytes(cramjam.zstd.compress(bytes(8 * MIB))) * 32])
def test_a_small_bomb_is_refused_without_its_output_in_memory(frames: bytes) -> None:
    """256 MiB of zeros; a refusal may touch the limit, and no more."""
    tracemalloc.start()
    with pytest.raises(RecordError):
        unpack(Codec.ZSTD, frames, bytes_max=16 * MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 17 * MIB


@compressing
@pytest.mark.parametrize("size", [100, MIB - 1, MIB, MIB + 1, 5 * MIB])
def test_unpacking_gives_the_output_and_nothing_behind_it(codec: Codec, size: int) -> None:
    data = random.Random(size).randbytes(1000) * (size // 1000 + 1)
    halves = compress(codec, data[:700]) + compress(codec, data[700:])
    for packed in (compress(codec, data), halves):
        assert bytes(unpack(codec, packed, bytes_max=64 * MIB)) == data
        assert bytes(unpack(codec, packed, bytes_max=len(data))) == data


@compressing
def test_large_output_is_never_filled_with_zeros_or_copied(codec: Codec) -> None:
    """That would hold the interpreter lock, and with it the event loop, for as long as it takes."""
    unpacked = unpack(codec, compress(codec, bytes(16 * MIB)), bytes_max=64 * MIB)
    assert isinstance(unpacked, memoryview) and isinstance(unpacked.obj, mmap.mmap)


@compressing
def test_unpacking_holds_the_output_once(codec: Codec) -> None:
    packed = compress(codec, bytes(16 * MIB))
    tracemalloc.start()
    unpacked = unpack(codec, packed, bytes_max=64 * MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(unpacked) == 16 * MIB
    # Those that do not state their size are decompressed into buffers that grow; zlib and snappy's frames grow by half.
    assert peak < 33 * MIB


def test_a_snappy_block_that_claims_more_than_it_can_hold_takes_no_memory() -> None:
    claim = b"\x80\x80\x80\x20" + bytes(100)
    tracemalloc.start()
    with pytest.raises(RecordError):
        decompress(Codec.SNAPPY, claim, bytes_max=64 * MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


@pytest.mark.parametrize("size", [1, 255, 256, 840, 65_791, 65_792, 3 * MIB])
def test_the_content_size_of_zstd_frames_is_checked_before_decompression(size: int) -> None:
    """Each width of the content size field, alone and end to end with a frame that is only stepped over."""
    frame = bytes(cramjam.zstd.compress(bytes(size)))
    stated, largest = output_bytes(memoryview(frame))
    assert stated == size <= largest
    assert output_bytes(memoryview(frame + bytes.fromhex(ZSTD_SKIPPABLE) + frame)) == (2 * size, 2 * largest)
    stated, largest = output_bytes(memoryview(frame + bytes.fromhex(ZSTD_WITHOUT_SIZE)))
    assert stated == 0 and largest >= size + len(TEXT)


def test_a_zstd_frame_without_its_content_size_hides_the_total_wherever_it_stands() -> None:
    sized, unsized = bytes.fromhex(ZSTD), bytes.fromhex(ZSTD_WITHOUT_SIZE)
    for frames in ((unsized, sized), (sized, unsized), (sized, unsized, sized), (unsized, sized, sized)):
        stated, largest = output_bytes(memoryview(b"".join(frames)))
        assert stated == 0 and largest >= len(frames) * len(TEXT)


def zstd_single_segment(content: int) -> bytes:
    """The header of a frame whose window is its content, of four bytes' size; then an empty last block."""
    return b"\x28\xb5\x2f\xfd\xa0" + content.to_bytes(4, "little") + b"\x01\x00\x00"


def test_the_window_of_a_zstd_frame_in_one_segment_is_its_content() -> None:
    assert output_bytes(memoryview(zstd_single_segment(128 * MIB))) == (128 * MIB, 0)
    with pytest.raises(RecordError, match="window") as caught:
        output_bytes(memoryview(zstd_single_segment(128 * MIB + 1)))
    assert caught.value.code is ErrorCode.INVALID_RECORD


def test_zstd_rle_blocks_are_read() -> None:
    assert decompress(Codec.ZSTD, zstd_of_zeros(1), bytes_max=MIB) == bytes(MIB)


def test_a_snappy_block_with_a_wrong_output_size_is_refused_without_decompression() -> None:
    with pytest.raises(RecordError):
        decompress(Codec.SNAPPY, b"\xff\xff\xff\xff\x0f" + b"\x00" * 20, bytes_max=64 * MIB)


def test_a_zstd_window_may_have_128_mib_as_at_its_highest_level_and_no_more() -> None:
    tracemalloc.start()
    assert decompress(Codec.ZSTD, bytes.fromhex(ZSTD_WINDOW_128_MIB), bytes_max=MIB) == TEXT
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB, "only the output is held"
    for frames in (ZSTD_WINDOW_144_MIB, ZSTD + ZSTD_WINDOW_144_MIB):
        with pytest.raises(RecordError, match="window"):
            decompress(Codec.ZSTD, bytes.fromhex(frames), bytes_max=MIB)


@compressing
def test_truncated_or_damaged_data_is_a_record_error(codec: Codec) -> None:
    packed = compress(codec, TEXT + random.Random(4).randbytes(300))
    for cut in range(1, len(packed)):
        try:
            shorter = decompress(codec, packed[:cut], bytes_max=MIB)
        except RecordError as error:
            assert error.code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)
        else:
            # Only xerial's blocks may end early without a trace: a batch's checksum is what tells.
            assert codec is Codec.SNAPPY
            assert len(shorter) < len(TEXT) + 300
    rng = random.Random(5)
    for _ in range(300):
        damaged = bytearray(packed)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            decompress(codec, damaged, bytes_max=MIB)
        except RecordError as error:
            assert error.code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)


@pytest.mark.parametrize("codec", [Codec.LZ4, Codec.ZSTD, Codec.SNAPPY])
def test_empty_data_is_not_a_frame(codec: Codec) -> None:
    with pytest.raises(RecordError):
        decompress(codec, b"", bytes_max=MIB)


def test_an_unknown_codec_is_refused() -> None:
    for call in (lambda: compress(5, TEXT), lambda: decompress(7, TEXT, bytes_max=MIB)):
        with pytest.raises(RecordError) as caught:
            call()
        assert caught.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
