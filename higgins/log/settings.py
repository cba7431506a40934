"""Settings of the log."""

import msgspec


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Flushes and buffers of one node."""

    linger_ms: int | None = None
    """How long records wait for more records before a flush, counted from the flush before; None: `store.linger_ms`.

    A topic can have another value: its config entry `higgins.linger.ms`.
    """
    inline_bytes_max: int | None = None
    """A flush up to this size is stored inside the commit, which saves one put; None: 64 KiB for memory and
    directories, 512 KiB for cloud stores, where a put costs the same whatever its size.
    """
    object_bytes_max: int = 8 << 20
    """Largest data object of a flush."""
    puts_in_flight_max: int = 4
    """Largest number of data objects that are written at the same time."""
    buffer_bytes_max: int = 256 << 20
    """Largest size of produced records that wait for a flush; above it, connections that produce are not read."""
    put_patience_s: float = 30.0
    """How long a flush is retried before its producers get an error."""
    gap_patience_ms: int = 100
    """How long a batch that arrives before its predecessor waits for it, in addition to twice the linger."""
