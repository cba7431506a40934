"""CRC-32C (Castagnoli, RFC 3720), which covers a batch from its attributes to its end."""

from crc32c import crc32c as _crc32c

from higgins_protocol.primitives import Buffer


def crc32c(data: Buffer) -> int:
    """Of the whole buffer, unsigned; views are read in place."""
    return _crc32c(data)
