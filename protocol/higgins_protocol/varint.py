"""Variable-length integers: base 128, least significant group first, as in Kafka's compact lengths, tags and records.

A number has at most five bytes and 32 bits, or ten bytes and 64 bits. A longer encoding of a small number is legal.
"""

from higgins_protocol.errors import DecodeError
from higgins_protocol.primitives import Buffer


def read_unsigned(buf: Buffer, position: int) -> tuple[int, int]:
    """The value of at most 32 bits at this position, and where it ends.

    Raises: DecodeError, or IndexError where the bytes run out.
    """
    value = buf[position]
    position += 1
    if value < 0x80:
        return value, position
    return continue_unsigned(buf, position, value)


def continue_unsigned(buf: Buffer, position: int, first: int) -> tuple[int, int]:
    """As `read_unsigned`, for a caller that has read the first byte already and seen that more bytes follow."""
    value = first & 0x7F
    for shift in (7, 14, 21, 28):
        byte = buf[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                break
            return value, position
    raise DecodeError("a variable-length number of more than 32 bits", field="varint", position=position)


def write_unsigned(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_signed(buf: Buffer, position: int, *, bytes_max: int = 10) -> tuple[int, int]:
    """The zigzag-encoded value at this position, and where it ends; five bytes are 32 bits, ten are 64.

    Raises: DecodeError, or IndexError where the bytes run out.
    """
    value = 0
    for shift in range(0, 7 * bytes_max, 7):
        byte = buf[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> (32 if bytes_max == 5 else 64):
                break
            return (value >> 1) ^ -(value & 1), position
    raise DecodeError(
        f"a variable-length number of more than {bytes_max} bytes or its bits", field="varint", position=position
    )


def write_signed(value: int) -> bytes:
    return write_unsigned(value << 1 if value >= 0 else (-value << 1) - 1)
