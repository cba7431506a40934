"""Variable-length numbers: vectors and limits."""

import pytest

from higgins_protocol.errors import DecodeError
from higgins_protocol.varint import read_signed, read_unsigned, write_signed, write_unsigned


@pytest.mark.parametrize(
    ("value", "wire"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (16_383, "ff7f"), (2**32 - 1, "ffffffff0f")],
)
def test_unsigned_numbers_have_kafkas_bytes(value: int, wire: str) -> None:
    assert write_unsigned(value).hex() == wire
    assert read_unsigned(bytes.fromhex(wire), 0) == (value, len(wire) // 2)


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (2**31 - 1, "feffffff0f"),
        (-(2**31), "ffffffff0f"),
        (2**63 - 1, "feffffffffffffffff01"),
        (-(2**63), "ffffffffffffffffff01"),
    ],
)
def test_signed_numbers_have_kafkas_bytes(value: int, wire: str) -> None:
    assert write_signed(value).hex() == wire
    assert read_signed(bytes.fromhex(wire), 0) == (value, len(wire) // 2)


def test_a_longer_encoding_of_a_small_number_is_read() -> None:
    assert read_unsigned(b"\x81\x80\x00", 0) == (1, 3)


@pytest.mark.parametrize("wire", ["ffffffff1f", "808080808001", "ffffffffff"])
def test_more_than_32_bits_are_refused(wire: str) -> None:
    with pytest.raises(DecodeError, match="32 bits"):
        read_unsigned(bytes.fromhex(wire), 0)
    with pytest.raises(DecodeError, match="5 bytes"):
        read_signed(bytes.fromhex(wire), 0, bytes_max=5)


@pytest.mark.parametrize("wire", ["ff" * 9 + "02", "80" * 10 + "01", "ff" * 10])
def test_more_than_64_bits_are_refused(wire: str) -> None:
    with pytest.raises(DecodeError, match="10 bytes"):
        read_signed(bytes.fromhex(wire), 0)


def test_a_truncated_number_raises_index_error() -> None:
    with pytest.raises(IndexError):
        read_unsigned(b"\x80\x80", 0)
    with pytest.raises(IndexError):
        read_signed(b"", 0)
