"""CRC-32C (Castagnoli, RFC 3720), the checksum of a batch from its attributes to its end."""

from crc32c import crc32c as _crc32c

from higgins_protocol.primitives import Buffer


def crc32c(data: Buffer) -> int:
    """The unsigned checksum of the whole buffer; a view is not copied."""
    return _crc32c(data)
