"""Cloud stores through obstore: S3 and compatible services, Google Cloud Storage, Azure Blob.

obstore's synchronous calls run in threads, because its asynchronous ones need asyncio.

There are two clients. Creates use one without retries: if the answer to a create is lost after the service has stored
the object, a retry inside the client would find the key taken and report that another node had won. Everything else may
be repeated and uses a client with retries.
"""

import builtins
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from higgins.model.errors import Corrupt, ObjectExists, ObjectMissing, StorageUnavailable, Unfit
from higgins.model.pointer import Buffer, ObjectKey
from higgins.runtime import Runtime
from higgins.storage.cache import COPIED_BYTES_MAX
from higgins.storage.settings import StoreSettings
from higgins.storage.store import ListedObject, StoreTraits

T = TypeVar("T")

LIST_CHUNK = 1000
CREATE_TIMEOUT_S = 3.0
"""Timeout of a create. Commits are small, and every producer waits for them; after this time, reading the key back is
the quicker way to learn the outcome."""


class ObjectStore:
    """The store port over obstore."""

    def __init__(self, runtime: Runtime, without_retries: Any, with_retries: Any, traits: StoreTraits) -> None:
        """The clients are obstore stores of the same bucket: one for creates, one for requests that may be repeated."""
        self._runtime = runtime
        self._without_retries = without_retries
        self._with_retries = with_retries
        self._traits = traits

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        def call() -> None:
            # Never a multipart upload: the condition holds for one request, not for several.
            obstore.put(self._without_retries, key, list(pieces), mode="create", use_multipart=False)

        await self._call("commit", key, call)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        def call() -> None:
            obstore.put(self._with_retries, key, list(pieces), use_multipart=False)

        await self._call("put", key, call)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        # An object store makes an object visible only once it is durable, so `durable` needs nothing more.
        return await self._call("read", key, lambda: _own(memoryview(obstore.get(self._with_retries, key).bytes())))

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        def call() -> memoryview:
            try:
                return _own(memoryview(obstore.get_range(self._with_retries, key, start=position, length=length)))
            except FileNotFoundError:
                raise
            except BaseError:
                # Services report a range beyond the end with different errors; the length of the object tells it apart.
                if obstore.head(self._with_retries, key)["size"] < position + length:
                    return memoryview(b"")
                raise

        view = await self._call("read", key, call)
        if len(view) != length:
            raise Corrupt(f"Object {key} is too short: {length} bytes at position {position} were requested.")
        return view

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> builtins.list[memoryview] | None:
        return None

    async def list(self, prefix: str, *, after: str = "", limit: int = LIST_CHUNK) -> list[ListedObject]:
        def call() -> list[ListedObject]:
            rows: list[ListedObject] = []
            for chunk in obstore.list(
                self._with_retries, prefix, offset=after or None, chunk_size=min(limit, LIST_CHUNK)
            ):
                rows += [ListedObject(ObjectKey(meta["path"]), meta["size"]) for meta in chunk]
                if len(rows) >= limit:
                    break
            rows.sort(key=lambda row: row.key)
            return rows[:limit]

        return await self._call("read", prefix, call)

    async def delete(self, key: ObjectKey) -> None:
        try:
            await self._call("put", key, lambda: obstore.delete(self._with_retries, key))
        except ObjectMissing:
            return

    async def _call(self, limiter: str, key: str, function: Callable[[], T]) -> T:
        try:
            return await self._runtime.offload(limiter, function)
        except FileNotFoundError as error:
            raise ObjectMissing(f"No object {key}.") from error
        except (AlreadyExistsError, PreconditionError) as error:
            raise ObjectExists(f"Object {key} exists already.") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StorageUnavailable(
                f"The store denied access to {key}. Check the credentials and their permissions."
            ) from error
        except (BaseError, OSError) as error:
            raise StorageUnavailable(f"The request for {key} failed: {_first_line(error)}") from error


def _own(body: memoryview) -> memoryview:
    """The same bytes, of which nothing else is kept alive: a small body is a view of all that was read at once."""
    return memoryview(bytes(body)) if len(body) <= COPIED_BYTES_MAX else body


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def cloud_store(runtime: Runtime, settings: StoreSettings) -> ObjectStore:
    """The store for a bucket. Raises: Unfit when obstore rejects the URL or the settings."""
    config: dict[str, Any] = {}
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.region:
        config["region"] = settings.region
    elif settings.endpoint:
        config["region"] = "us-east-1"
    if settings.access_key_id:
        config["access_key_id"] = settings.access_key_id
    if settings.secret_access_key:
        config["secret_access_key"] = settings.secret_access_key
    client = {
        "connect_timeout": "5s",
        "allow_http": settings.endpoint.startswith("http://"),
        "pool_idle_timeout": "60s",
    }

    def connect(retries: int, timeout_s: float) -> Any:
        options = {**client, "timeout": f"{timeout_s:g}s"}
        retry = {"max_retries": retries, "retry_timeout": _seconds(3 * settings.request_timeout_s)}
        return from_url(settings.url, config=config, client_options=options, retry_config=retry)  # type: ignore[call-overload]

    try:
        without_retries = connect(0, min(settings.request_timeout_s, CREATE_TIMEOUT_S))
        with_retries = connect(3, settings.request_timeout_s)
    except (BaseError, ValueError, TypeError) as error:
        raise Unfit(
            f"The store '{settings.url}' cannot be used: {_first_line(error)} "
            "Use s3://BUCKET[/PREFIX], a directory or memory://, and the endpoint and credentials it needs."
        ) from error
    return ObjectStore(
        runtime,
        without_retries,
        with_retries,
        StoreTraits(
            description=f"{settings.url} (durable when the service acknowledges)",
            linger_ms=250 if settings.linger_ms is None else settings.linger_ms,
            inline_bytes_max=512 << 10,
            follow_ms=100,
            reads_are_direct=False,
            is_remote=True,
        ),
    )


def _seconds(seconds: float) -> Any:
    from datetime import timedelta  # noqa: PLC0415 - only cloud stores need it

    return timedelta(seconds=seconds)
