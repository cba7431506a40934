"""Open the store that the setting `store.url` names. The caller probes it (see `probe`)."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.storage.cloud import CLOUDS, cloud_store
from higgins.storage.directory import DirectoryStore
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store


def store_from(runtime: Runtime, settings: StoreSettings) -> Store:
    """The store for `settings.url`, not yet probed. Raises: Unfit (unknown scheme, no bucket, unusable directory)."""
    scheme, separator, _ = settings.url.partition("://")
    if not separator:
        return DirectoryStore(runtime, Path(settings.url).expanduser().absolute(), settings)
    if scheme == "memory":
        return memory_store(runtime, settings)
    if scheme == "file":
        return DirectoryStore(runtime, Path(unquote(urlsplit(settings.url).path)).absolute(), settings)
    if scheme in CLOUDS:
        return cloud_store(runtime, settings)
    raise Unfit(
        f"Store '{settings.url}' has an unknown scheme '{scheme}'. Use a directory, memory://, s3://, gs:// or az://."
    )
