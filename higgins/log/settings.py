"""What a user tunes about the log."""

import msgspec


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Flushes, buffers and answers of one node."""

    linger_ms: int | None = None
    """How long data waits for company, counted from the flush before; None: as the store has it. A topic may differ."""
    inline_bytes_max: int | None = None
    """A flush no larger than this rides in the commit itself and costs one put instead of two.

    None: 64 KiB on memory and directories; 512 KiB on cloud stores, where a put's price does not grow with its size.
    """
    object_bytes_max: int = 8 << 20
    puts_in_flight_max: int = 4
    buffer_bytes_max: int = 256 << 20
    put_patience_s: float = 30.0
    """How long one flush is tried before its producers are told that it failed."""
    gap_patience_ms: int = 100
    """How long a batch that comes before its predecessor may wait for it, beside two lingers."""
