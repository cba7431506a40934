"""Settings of the store."""

import msgspec


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where data is stored, and how. Empty credentials are read from the variables of the cloud's own tools."""

    url: str = "./higgins-data"
    """A directory (path or `file://`), `memory://`, `s3://BUCKET/PREFIX`, `gs://BUCKET` or `az://CONTAINER`."""
    durability: str = "fsync"
    """For a directory: `fsync` syncs files before anything is acknowledged; `os` leaves it to the operating system."""
    endpoint: str = ""
    """The URL of an S3-compatible service; `http://` is accepted too. Empty: the cloud's own."""
    region: str = ""
    """The region of the bucket."""
    access_key_id: str = ""
    """The access key of an S3-compatible service."""
    secret_access_key: str = ""
    """The secret of the access key."""
    cache_bytes_max: int = 64 << 20
    """Largest size of the read cache of the node."""
    linger_ms: int | None = None
    """How long records wait for more before a commit; None: 0 for memory and directories, 250 for cloud stores."""
    request_timeout_s: float = 10.0
    """How long one request to the store may take."""
