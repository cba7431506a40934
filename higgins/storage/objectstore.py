"""Any cloud store that obstore speaks to: S3, Google Cloud Storage, Azure.

obstore's synchronous calls run in threads (its asynchronous ones need asyncio). Conditional creates go through a client
that never retries by itself: with retries, a reply lost after the server committed makes our own create come back as
"already exists".
"""

import builtins
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

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
from higgins.storage.settings import StoreSettings
from higgins.storage.store import ListedObject, StoreTraits

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LIST_CHUNK = 1000
CREATE_TIMEOUT_S = 3.0
"""A create is small and everybody waits for it; past this, reading back tells sooner what became of it."""


class ObjectStore:
    """The store port over obstore."""

    def __init__(self, runtime: Runtime, once: Any, patient: Any, traits: StoreTraits) -> None:
        """`once` is the client for creates (no retries), `patient` the one for all that may be repeated."""
        self._runtime = runtime
        self._once = once
        self._patient = patient
        self._traits = traits

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        def call() -> None:
            obstore.put(self._once, key, _owned(pieces), mode="create", use_multipart=False)

        await self._call("commit", key, call)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        def call() -> None:
            obstore.put(self._patient, key, _owned(pieces), use_multipart=False)

        await self._call("put", key, call)

    async def get(self, key: ObjectKey, *, settled: bool = False) -> memoryview:
        # What an object store shows, it keeps: `settled` asks for nothing more here.
        return await self._call("read", key, lambda: memoryview(obstore.get(self._patient, key).bytes()))

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        def call() -> memoryview:
            try:
                return memoryview(obstore.get_range(self._patient, key, start=position, length=length))
            except FileNotFoundError:
                raise
            except BaseError:
                # Stores have no common word for a range that lies outside; the object's length tells it from the rest.
                if obstore.head(self._patient, key)["size"] < position + length:
                    return memoryview(b"")
                raise

        view = await self._call("read", key, call)
        if len(view) != length:
            raise Corrupt(f"Object {key} does not hold the {length} bytes asked for at position {position}.")
        return view

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> builtins.list[memoryview] | None:
        return None

    async def list(self, prefix: str, *, after: str = "", limit: int = LIST_CHUNK) -> list[ListedObject]:
        def call() -> list[ListedObject]:
            found: list[ListedObject] = []
            for chunk in obstore.list(self._patient, prefix, offset=after or None, chunk_size=min(limit, LIST_CHUNK)):
                found += [ListedObject(ObjectKey(meta["path"]), meta["size"]) for meta in chunk]
                if len(found) >= limit:
                    break
            found.sort(key=lambda listed: listed.key)
            return found[:limit]

        return await self._call("read", prefix, call)

    async def delete(self, key: ObjectKey) -> None:
        try:
            await self._call("put", key, lambda: obstore.delete(self._patient, key))
        except ObjectMissing:
            return

    async def _call(self, limiter: str, key: str, function: Callable[[], T]) -> T:
        try:
            return await self._runtime.offload(limiter, function)
        except FileNotFoundError as error:
            raise ObjectMissing(f"No object {key}.") from error
        except (AlreadyExistsError, PreconditionError) as error:
            raise ObjectExists(f"Object {key} is there already.") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StorageUnavailable(
                f"The store refused {key} for lack of permission: check the credentials and their policy."
            ) from error
        except (BaseError, OSError) as error:
            raise StorageUnavailable(f"The store failed on {key}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _owned(pieces: Sequence[Buffer]) -> list[Any]:
    return list(pieces)


def cloud_store(runtime: Runtime, settings: StoreSettings) -> ObjectStore:
    """A bucket, by URL. Raises: Unfit when obstore cannot make sense of URL or settings."""
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
        patience = {**client, "timeout": f"{timeout_s:g}s"}
        retry = {"max_retries": retries, "retry_timeout": _seconds(3 * settings.request_timeout_s)}
        return from_url(settings.url, config=config, client_options=patience, retry_config=retry)  # type: ignore[call-overload]

    try:
        once = connect(0, min(settings.request_timeout_s, CREATE_TIMEOUT_S))
        patient = connect(3, settings.request_timeout_s)
    except (BaseError, ValueError, TypeError) as error:
        raise Unfit(
            f"Store '{settings.url}' cannot be used: {_first_line(error)} "
            "Give s3://BUCKET[/PREFIX], a directory or memory://, and the endpoint and credentials it needs."
        ) from error
    return ObjectStore(
        runtime,
        once,
        patient,
        StoreTraits(
            description=f"{settings.url} (durable once the service says so)",
            linger_ms=250 if settings.linger_ms is None else settings.linger_ms,
            inline_bytes_max=512 << 10,
            follow_ms=100,
            reads_are_direct=False,
            is_remote=True,
        ),
    )


def _seconds(seconds: float) -> Any:
    from datetime import timedelta  # noqa: PLC0415 - only cloud stores want it

    return timedelta(seconds=seconds)
