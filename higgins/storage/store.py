"""The store port: bytes under keys, and nothing more.

An adapter knows no offset, topic or fact. It maps every failure to one of four words, once: ObjectMissing,
ObjectExists, StorageUnavailable (unknown outcome included) and DurabilityUnknown.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from higgins.model.pointer import Buffer, ObjectKey


class ListedObject(msgspec.Struct, frozen=True):
    """One row of a listing."""

    key: ObjectKey
    length: int


class StoreTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What the rooms above may know of a store: how it behaves, never which it is."""

    description: str
    """For people: what it is and what durability an acknowledgement means."""
    linger_ms: int
    """The default linger: what a put costs in money and time decides how long data waits for company."""
    inline_bytes_max: int
    """How large a flush may ride in a commit by default."""
    follow_ms: int
    """How often a waiting follower looks for the next commit."""
    reads_are_direct: bool
    """A read needs no thread and no network: nothing to cache, nothing to overlap."""
    is_remote: bool
    """A read is worth caching whole objects for."""
    outlives_process: bool = True
    """Whether anything is there after a restart."""


class Store(Protocol):
    """Immutable objects under keys. Keys are `/`-separated ASCII; a key once created never holds other bytes."""

    @property
    def traits(self) -> StoreTraits: ...

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        """Create the object only if the key is free; tried exactly once.

        Raises: ObjectExists (the key is taken, perhaps by this very call's earlier self: read back),
        StorageUnavailable (unknown: it may have happened, or may still happen).
        """
        ...

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        """The same without waiting, where a store can. False: it cannot, or it failed; then `create` says more."""
        ...

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        """Put under a key that nobody else uses. Repeating it with the same bytes is harmless.

        Raises: StorageUnavailable (unknown).
        """
        ...

    async def get(self, key: ObjectKey, *, settled: bool = False) -> memoryview:
        """The whole object. With `settled`, only bytes that survive a crash of whoever created them.

        Raises: ObjectMissing, StorageUnavailable.
        """
        ...

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        """Bytes [position, position + length).

        Raises: ObjectMissing, StorageUnavailable, Corrupt (the object is shorter).
        """
        ...

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> "list[memoryview] | None":
        """The same without waiting, in one view or several as the bytes lie, none of them across two pieces of a put.

        None where a read has to wait, or has failed and must be tried the long way.
        """
        ...

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        """At most `limit` objects below `prefix` (which ends with `/`), in key order, behind `after`."""
        ...

    async def delete(self, key: ObjectKey) -> None:
        """Delete; deleting what is missing is no error. Raises: StorageUnavailable."""
        ...
