"""Dereferencing: from pointers to bytes, through the cache, with one read in flight for each object or range."""

from collections.abc import Awaitable, Callable

import trio

from higgins.model.errors import HigginsError
from higgins.model.pointer import ObjectId, Pointer, is_inline, object_key
from higgins.storage.cache import Blob, Cache
from higgins.storage.store import Store

WHOLE_OBJECT_BYTES_MAX = 9 << 20
"""Objects up to this are read and cached whole from a store where every read has a price."""


class _Read:
    """A read that others may wait for."""

    __slots__ = ("blob", "done", "error")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.blob: Blob | None = None
        self.error: HigginsError | None = None


class Dereferencer:
    """Turns pointers into bytes."""

    def __init__(self, store: Store, cache: Cache, read_inline: Callable[[ObjectId], Awaitable[Blob]]) -> None:
        """`read_inline` fetches the payload of a commit; only the ledger knows how one is laid out."""
        self._store = store
        self._cache = cache
        self._read_inline = read_inline
        self._reads: dict[Pointer, _Read] = {}

    def fetch_nowait(self, pointer: Pointer) -> list[memoryview] | None:
        """The bytes, if they can be had without waiting."""
        blob = self._cache.get(pointer.object_id)
        if blob is not None:
            return blob.slice(pointer.position, pointer.length)
        if is_inline(pointer.object_id):
            return None
        return self._store.get_range_nowait(object_key(pointer.object_id), pointer.position, pointer.length)

    async def fetch(self, pointer: Pointer, object_length: int) -> list[memoryview]:
        """The bytes, waiting for the store. `object_length` is the whole object's.

        Raises: ObjectMissing, StorageUnavailable, Corrupt.
        """
        ready = self.fetch_nowait(pointer)
        if ready is not None:
            return ready
        whole = is_inline(pointer.object_id) or (
            self._store.traits.is_remote and object_length <= WHOLE_OBJECT_BYTES_MAX
        )
        if not whole:
            blob = await self._shared(pointer, whole=False)
            return blob.slice(0, pointer.length)
        blob = await self._shared(Pointer(pointer.object_id, 0, object_length), whole=True)
        return blob.slice(pointer.position, pointer.length)

    async def _shared(self, pointer: Pointer, *, whole: bool) -> Blob:
        while True:
            read = self._reads.get(pointer)
            if read is None:
                return await self._read(pointer, whole)
            await read.done.wait()
            if read.blob is not None:
                return read.blob
            if read.error is not None:
                raise read.error
            # The reader was cancelled; somebody who waits takes its place.

    async def _read(self, pointer: Pointer, whole: bool) -> Blob:
        read = self._reads[pointer] = _Read()
        try:
            if is_inline(pointer.object_id):
                read.blob = await self._read_inline(pointer.object_id)
            else:
                key = object_key(pointer.object_id)
                read.blob = Blob([await self._store.get_range(key, pointer.position, pointer.length)])
            if whole:
                self._cache.put(pointer.object_id, read.blob)
            return read.blob
        except HigginsError as error:
            read.error = error
            raise
        finally:
            del self._reads[pointer]
            read.done.set()
