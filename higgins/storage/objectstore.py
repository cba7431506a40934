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
from obstore.exceptions import BaseError

from higgins.model.errors import Corrupt, ObjectMissing
from higgins.model.pointer import Buffer, ObjectKey
from higgins.runtime import Runtime
from higgins.storage.answers import Bucket, Operation, error_of
from higgins.storage.cache import COPIED_BYTES_MAX
from higgins.storage.store import ListedObject, StoreTraits

T = TypeVar("T")

LIST_CHUNK = 1000
CREATE_TIMEOUT_S = 3.0
"""Timeout of a create. Commits are small, and every producer waits for them; after this time, reading the key back is
the quicker way to learn the outcome."""


class ObjectStore:
    """The store port over obstore."""

    def __init__(
        self, runtime: Runtime, without_retries: Any, with_retries: Any, bucket: Bucket, traits: StoreTraits
    ) -> None:
        """The clients are obstore stores of the same bucket: one for creates, one for requests that may be repeated."""
        self._runtime = runtime
        self._without_retries = without_retries
        self._with_retries = with_retries
        self._bucket = bucket
        self._traits = traits

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        def call() -> None:
            # Never a multipart upload: the condition holds for one request, not for several.
            obstore.put(self._without_retries, key, list(pieces), mode="create", use_multipart=False)

        await self._call("commit", "create", key, call)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        def call() -> None:
            obstore.put(self._with_retries, key, list(pieces), use_multipart=False)

        await self._call("put", "put", key, call)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        # An object store makes an object visible only once it is durable, so `durable` needs nothing more.
        def call() -> memoryview:
            return _own(memoryview(obstore.get(self._with_retries, key).bytes()))

        return await self._call("read", "get", key, call)

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

        view = await self._call("read", "get", key, call)
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
                # Not every service honours the offset (fake-gcs-server does not).
                rows += [ListedObject(ObjectKey(meta["path"]), meta["size"]) for meta in chunk if meta["path"] > after]
                if len(rows) >= limit:
                    break
            rows.sort(key=lambda row: row.key)
            return rows[:limit]

        return await self._call("read", "list", prefix, call)

    async def delete(self, key: ObjectKey) -> None:
        try:
            await self._call("put", "delete", key, lambda: obstore.delete(self._with_retries, key))
        except ObjectMissing:
            return

    async def _call(self, limiter: str, operation: Operation, key: str, function: Callable[[], T]) -> T:
        # Abandoned when cancelled: a request may take its whole timeout, and neither an interrupt nor a deadline of the
        # caller waits for that. What a create or a put then does is as unknown as after a lost answer.
        try:
            return await self._runtime.offload_abandonable(limiter, function)
        except (BaseError, OSError) as error:
            raise error_of(error, operation, key, self._bucket) from error


def _own(body: memoryview) -> memoryview:
    """The same bytes, of which nothing else is kept alive: a small body is a view of all that was read at once."""
    return memoryview(bytes(body)) if len(body) <= COPIED_BYTES_MAX else body
