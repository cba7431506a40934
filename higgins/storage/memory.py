"""The memory store: objects in this process, lost when it ends. For tests and demonstrations.

No call waits, so `create_nowait` and `get_range_nowait` succeed wherever the calls they stand for would.
"""

from collections.abc import Sequence
from typing import TypeAlias

from higgins.model.errors import Corrupt, ObjectExists, ObjectMissing, StorageUnavailable
from higgins.model.pointer import Buffer, ObjectKey
from higgins.runtime import Runtime
from higgins.storage.arena import Arena
from higgins.storage.cache import Blob
from higgins.storage.settings import StoreSettings
from higgins.storage.store import ListedObject, StoreTraits

Listing: TypeAlias = list[ListedObject]

REFERENCED_BYTES_MAX = 64 << 10
"""Objects up to this size keep references to the caller's buffers; larger ones are copied into the arena.

The pieces of a large object are views of receive buffers. Keeping those would force the server to allocate fresh
buffers for the next requests, which costs more than the copy (see `arena`); after a copy it can reuse them.
"""


class MemoryStore:
    """The store port over a dictionary.

    Callers must not change a `bytes` or `memoryview` piece afterwards. A `bytearray` is copied, since its owner may.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._blobs: dict[ObjectKey, Blob] = {}
        self._arena = Arena()
        self._traits = StoreTraits(
            description="memory (nothing outlives this process)",
            linger_ms=0 if settings.linger_ms is None else settings.linger_ms,
            inline_bytes_max=64 << 10,
            follow_ms=5,
            reads_are_direct=True,
            is_remote=False,
            outlives_process=False,
        )

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        if key in self._blobs:
            raise ObjectExists(f"Object {key} exists already.")
        self._blobs[key] = self._blob_of(pieces)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        if key in self._blobs:
            return False
        try:
            self._blobs[key] = self._blob_of(pieces)
        except StorageUnavailable:
            return False
        return True

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        self._blobs[key] = self._blob_of(pieces)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        blob = self._blob(key)
        return _joined(blob.slice(0, blob.length))

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        blob = self._blob(key)
        if not 0 <= position <= position + length <= blob.length:
            raise Corrupt(
                f"Object {key} has {blob.length} bytes; {length} bytes at position {position} were requested."
            )
        return _joined(blob.slice(position, length))

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> list[memoryview] | None:
        blob = self._blobs.get(key)
        if blob is None or not 0 <= position <= position + length <= blob.length:
            return None
        return blob.slice(position, length)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> Listing:
        keys = sorted(key for key in self._blobs if key.startswith(prefix) and key > after)
        return [ListedObject(key, self._blobs[key].length) for key in keys[:limit]]

    async def delete(self, key: ObjectKey) -> None:
        self._blobs.pop(key, None)

    def _blob_of(self, pieces: Sequence[Buffer]) -> Blob:
        length = sum(map(len, pieces))
        if length > REFERENCED_BYTES_MAX:
            return Blob([self._arena.append(pieces)], length)
        blob = Blob([bytes(piece) if isinstance(piece, bytearray) else piece for piece in pieces], length)
        # A small batch of a large request must not keep the whole request alive.
        return blob.kept() if blob.held_bytes() > 2 * length else blob

    def _blob(self, key: ObjectKey) -> Blob:
        try:
            return self._blobs[key]
        except KeyError as error:
            raise ObjectMissing(f"No object {key}.") from error


def memory_store(runtime: Runtime, settings: StoreSettings) -> MemoryStore:
    """An empty store."""
    return MemoryStore(settings)


def _joined(views: Sequence[memoryview]) -> memoryview:
    return views[0] if len(views) == 1 else memoryview(b"".join(views))
