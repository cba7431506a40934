"""Dereferencing: from pointers to bytes, through the cache, with at most one read in flight per object or range.

How much a miss reads depends on the store. On a remote store a request costs money and tens of milliseconds, whatever
its size, so an object of up to 9 MiB (a flush makes objects of about 8 MiB at most) is read whole and cached. A
consumer that reads forward, or many consumers of the partitions that share the object, then cost one GET. On a local
store only the range is read and nothing is cached: the operating system's page cache holds these bytes already, and a
second copy would take memory from it. The payload of a commit is always read whole, since a commit is decoded as one.

Bytes from the store are checked before anything is served or cached (see `Verifier`). A remote store is asked once more
when they are damaged, since something between may have changed them. An object with a damaged part is not cached; the
other parts are served.

Reads are coalesced: many fetches that miss the same object or range at the same time (a consumer group after a
restart, say) wait for one request to the store instead of making one each.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from higgins.model.errors import Corrupt, HigginsError
from higgins.model.future import Future
from higgins.model.pointer import ObjectId, Pointer, is_inline, object_key
from higgins.storage.cache import Blob, Cache
from higgins.storage.store import Store

WHOLE_OBJECT_BYTES_MAX = 9 << 20
"""Objects up to this size are read and cached whole from a remote store."""


READS_OF_DAMAGED = 2
"""How often damaged bytes of a remote store are read before they are believed."""

DAMAGED_MAX = 1000
"""Objects with a damaged part that are remembered; a forgotten one is checked again when it is read."""


class _ReadCancelled(HigginsError):
    """The task that read was cancelled before the bytes arrived. Never leaves this module."""


class Verifier(Protocol):
    """Knows what the bytes of data objects must look like; this module does not."""

    async def check_batches(self, object_id: ObjectId, view: memoryview, position: int) -> None:
        """Check batches that begin at `position`. Raises: Corrupt."""
        ...

    async def is_sound(self, object_id: ObjectId, view: memoryview) -> bool:
        """Whether all of a whole object is as it was written."""
        ...


class Dereferencer:
    """Turns pointers into bytes."""

    def __init__(
        self, store: Store, cache: Cache, read_inline: Callable[[ObjectId], Awaitable[Blob]], verifier: Verifier
    ) -> None:
        """`read_inline` reads the payload of a commit; only the ledger knows the layout of one."""
        self._verifier = verifier
        self._damaged: OrderedDict[ObjectId, None] = OrderedDict()
        """Objects of which a part is damaged."""
        self._store = store
        self._cache = cache
        self._read_inline = read_inline
        self._reads_in_flight: dict[Pointer, Future[Blob]] = {}

    def fetch_nowait(self, pointer: Pointer) -> list[memoryview] | None:
        """The bytes, or None when getting them would have to wait."""
        blob = self._cache.get(pointer.object_id)
        if blob is not None:
            return blob.slice(pointer.position, pointer.length)
        if is_inline(pointer.object_id):
            return None
        return self._store.get_range_nowait(object_key(pointer.object_id), pointer.position, pointer.length)

    async def fetch(self, pointer: Pointer, object_length: int, *, batches: bool = True) -> list[memoryview]:
        """The bytes, waiting for the store. `object_length` is the length of the whole object.

        With `batches` the pointer leads to whole batches, whose checksums are checked.

        Raises: ObjectMissing, StorageUnavailable, Corrupt.
        """
        views = self.fetch_nowait(pointer)
        if views is not None:
            return views
        whole = is_inline(pointer.object_id) or (
            self._store.traits.is_remote and object_length <= WHOLE_OBJECT_BYTES_MAX
        )
        if not whole:
            blob = await self._read_coalesced(pointer, whole=False, batches=batches)
            return blob.slice(0, pointer.length)
        blob = await self._read_coalesced(Pointer(pointer.object_id, 0, object_length), whole=True, batches=batches)
        views = blob.slice(pointer.position, pointer.length)
        if batches and pointer.object_id in self._damaged:
            position = pointer.position
            for view in views:
                await self._verifier.check_batches(pointer.object_id, view, position)
                position += len(view)
        return views

    async def _read_coalesced(self, pointer: Pointer, *, whole: bool, batches: bool) -> Blob:
        """Read, or wait for the read of the same pointer that is in flight."""
        while True:
            in_flight = self._reads_in_flight.get(pointer)
            if in_flight is None:
                return await self._read(pointer, whole=whole, batches=batches)
            try:
                return await in_flight.wait()
            except _ReadCancelled:
                # Its client disconnected, say. The first waiter that runs reads in its place; the others wait again.
                continue

    async def _read(self, pointer: Pointer, *, whole: bool, batches: bool) -> Blob:
        # The read runs in the task of its first caller, not in one of its own: a nursery for reads would have to
        # outlive every caller, and cancelling the only caller should also cancel the request.
        future: Future[Blob] = Future()
        self._reads_in_flight[pointer] = future
        try:
            if is_inline(pointer.object_id):
                blob = await self._read_inline(pointer.object_id)
            else:
                blob = await self._read_checked(pointer, whole=whole, batches=batches)
            if whole and pointer.object_id not in self._damaged:
                self._cache.put(pointer.object_id, blob)
            future.set_result(blob)
            return blob
        except HigginsError as error:
            future.set_error(error)
            raise
        finally:
            # Removed whatever the outcome: a failure is passed to those who waited, not to later callers.
            del self._reads_in_flight[pointer]
            if not future.is_done:
                future.set_error(_ReadCancelled())

    async def _read_checked(self, pointer: Pointer, *, whole: bool, batches: bool) -> Blob:
        object_id, key = pointer.object_id, object_key(pointer.object_id)
        attempts = READS_OF_DAMAGED if self._store.traits.is_remote else 1
        while True:
            attempts -= 1
            view = await self._store.get_range(key, pointer.position, pointer.length)
            if whole:
                if await self._verifier.is_sound(object_id, view):
                    self._damaged.pop(object_id, None)
                    return Blob([view])
                if not attempts:
                    self._damaged[object_id] = None
                    if len(self._damaged) > DAMAGED_MAX:
                        self._damaged.popitem(last=False)
                    return Blob([view])
            elif batches:
                try:
                    await self._verifier.check_batches(object_id, view, pointer.position)
                    return Blob([view])
                except Corrupt:
                    if not attempts:
                        raise
            else:
                return Blob([view])
