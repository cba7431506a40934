"""Metrics of a store: counts every operation by kind, with its duration, bytes and outcome, and passes it on."""

import builtins
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from higgins.model.errors import HigginsError, StorageUnavailable
from higgins.model.pointer import Buffer, ObjectKey
from higgins.storage.health import StoreHealth
from higgins.storage.store import ListedObject, Store, StoreTraits
from higgins.telemetry.metrics import OK, OperationCounts, StoreCounts

T = TypeVar("T")


class MeteredStore:
    """The store port around another store."""

    def __init__(
        self, store: Store, counts: StoreCounts, clock: Callable[[], float], health: StoreHealth | None = None
    ) -> None:
        """`health`, where given, is told of every outcome."""
        self._store = store
        self._health = health
        self._counts = counts
        self._clock = clock
        # Read once: the traits never change, and the writer reads them for every flush.
        self._traits = store.traits

    @property
    def traits(self) -> StoreTraits:
        return self._traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        counts = self._counts.create
        await self._counted(counts, self._store.create(key, pieces), writes=True)
        counts.bytes += sum(map(len, pieces))

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        counts, started_s = self._counts.create, self._clock()
        if not self._store.create_nowait(key, pieces):
            return False
        self._record_success(counts, started_s)
        if self._health is not None:
            self._health.succeeded(writes=True)
        counts.bytes += sum(map(len, pieces))
        return True

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        counts = self._counts.put
        await self._counted(counts, self._store.put(key, pieces), writes=True)
        counts.bytes += sum(map(len, pieces))

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        counts = self._counts.get
        data = await self._counted(counts, self._store.get(key, durable=durable))
        counts.bytes += len(data)
        return data

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        counts = self._counts.get_range
        data = await self._counted(counts, self._store.get_range(key, position, length))
        counts.bytes += length
        return data

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> builtins.list[memoryview] | None:
        counts, started_s = self._counts.get_range, self._clock()
        views = self._store.get_range_nowait(key, position, length)
        if views is not None:
            self._record_success(counts, started_s)
            counts.bytes += length
        return views

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        return await self._counted(self._counts.list, self._store.list(prefix, after=after, limit=limit))

    async def delete(self, key: ObjectKey) -> None:
        # Not a write here: a full disk deletes, and so would seem to accept writes.
        await self._counted(self._counts.delete, self._store.delete(key), writes=None)

    def _record_success(self, counts: OperationCounts, started_s: float) -> None:
        counts.seconds.observe(self._clock() - started_s)
        counts.outcomes[OK] += 1

    async def _counted(
        self, counts: OperationCounts, operation: Awaitable[T], *, writes: bool | None = False
    ) -> T:
        started_s = self._clock()
        try:
            result = await operation
        except HigginsError as error:
            name = type(error).__name__
            counts.outcomes[name] = counts.outcomes.get(name, 0) + 1
            took_s = self._clock() - started_s
            counts.seconds.observe(took_s)
            if self._health is not None and writes is not None:
                if isinstance(error, StorageUnavailable):
                    self._health.failed(error, took_s, writes=writes)
                else:
                    self._health.succeeded(writes=writes)
            raise
        if self._health is not None and writes is not None:
            self._health.succeeded(writes=writes)
        self._record_success(counts, started_s)
        return result
