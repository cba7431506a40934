"""HTTP settings."""

import msgspec


class WebSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where HTTP is served, and the limits of its clients."""

    metrics: str = ""
    """HOST:PORT where Prometheus scrapes /metrics; empty: HTTP is not served."""
    connections_max: int = 16
    """A connection beyond this is closed at once."""
    head_bytes_max: int = 8 * 1024
    """A request line and its headers."""
    body_bytes_max: int = 0
    """A request with a longer body is refused with 413. No route takes a body yet."""
    idle_ms: int = 120_000
    """How long a connection may stay open while nothing passes over it, and how long a request head may take to arrive.
    Longer than any usual scrape interval."""
    write_patience_ms: int = 30_000
    """How long a client may take to accept one chunk of a response (64 KiB)."""
    page_bytes_max: int = 64 * 1024 * 1024
    """Metrics of partitions and groups beyond this are left out, and higgins_scrape_truncated is 1."""
