"""What a user tunes about HTTP."""

import msgspec


class WebSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Doors for machines that watch, and the limits of whoever comes through them."""

    metrics: str = ""
    """HOST:PORT where Prometheus finds /metrics; empty: nowhere."""
    connections_max: int = 16
    """A connection beyond this is closed at once."""
    head_bytes_max: int = 8 * 1024
    """A request line and its headers."""
    head_patience_ms: int = 10_000
    """How long a request once begun may take to arrive."""
    idle_ms: int = 120_000
    """How long a connection may stay open between two requests: longer than people scrape apart."""
    write_patience_ms: int = 30_000
    """How long a whole answer may take to be taken."""
    page_bytes_max: int = 64 * 1024 * 1024
    """Samples of partitions and groups past this are left out, and the page says so."""
