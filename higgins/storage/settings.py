"""What a user tunes about the store."""

import msgspec


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where bytes live and how. Credentials left empty are looked up in the environment as the cloud's own tools do."""

    url: str = "./higgins-data"
    """`memory://`, a directory (a path or `file://`), `s3://BUCKET/PREFIX`, `gs://…` or `az://…`."""
    durability: str = "fsync"
    """For a directory: `fsync` syncs file and folder before anything is acknowledged; `os` leaves it to the kernel."""
    endpoint: str = ""
    """For an S3-compatible service: its URL; plain http is accepted here because it is asked for by name."""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    cache_bytes_max: int = 64 << 20
    """Bound of the read cache of one node."""
    linger_ms: int | None = None
    """How long data may wait for company before a commit; None: 0 on memory and directories, 250 on cloud stores."""
    request_timeout_s: float = 10.0
