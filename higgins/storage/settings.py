"""Settings of the store."""

import msgspec


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where data is stored, and how.

    Without credentials here, they are read from the variables of the cloud's own tools. With credentials here, none of
    those variables is read.
    """

    url: str = "./higgins-data"
    """A directory (path or `file://`), `memory://`, `s3://BUCKET/PREFIX`, `gs://BUCKET` or `az://CONTAINER`."""
    durability: str = "fsync"
    """For a directory: `fsync` syncs files before anything is acknowledged; `os` leaves it to the operating system."""
    private: bool = True
    """For a directory: whether only this user may read what is stored; otherwise the umask decides."""
    endpoint: str = ""
    """The URL of the service, where it is not the cloud's own; `http://` is accepted too."""
    region: str = ""
    """The region of the bucket. S3 only."""
    access_key_id: str = ""
    """The access key. S3 only, as are the next two."""
    secret_access_key: str = ""
    """The secret of the access key."""
    session_token: str = ""
    """The token of temporary credentials."""
    account_name: str = ""
    """The name of the storage account. Azure only."""
    account_key: str = ""
    """The key of the storage account. Azure only."""
    credentials_file: str = ""
    """The path of a service account's key file. Google only."""
    cache_bytes_max: int = 64 << 20
    """Largest size of the read cache of the node."""
    linger_ms: int | None = None
    """How long records wait for more before a commit; None: 0 for memory and directories, 250 for cloud stores."""
    request_timeout_s: float = 10.0
    """How long one request to the store may take."""
