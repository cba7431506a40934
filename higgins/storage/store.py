"""The store port: immutable objects under keys. An adapter knows nothing of offsets, topics or facts.

Create if absent. The ledger has no database and no lock service: the node that creates commit N+1 first has committed,
so everything rests on `create` having exactly one winner per key. The start-up probe (`probe`) refuses stores that do
not honour it.

Unknown outcomes. A create whose answer is lost (timeout, connection reset, 5xx) may have happened, and may even happen
after the error was reported. It must not be retried blindly: the retry would find the key taken by its own first
attempt, and the node would conclude that it had lost to another. So `create` sends one request without retries, reports
StorageUnavailable, and the committer reads the key back and compares a nonce to learn whose object it is. For the same
reason ObjectExists does not prove that somebody else won. `put` has no such problem: its key belongs to one writer, so
a retry with the same bytes changes nothing.

Errors. Adapters map every failure to one of five exceptions, and nothing above catches an error of a particular store:
ObjectMissing, ObjectExists, Corrupt, StorageUnavailable (a retry may help; the outcome is unknown) and
DurabilityUnknown (an fsync failed; the node must stop).
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
    """How a store behaves. Code above the port decides by these traits, never by the kind of store."""

    description: str
    """Shown to users: the kind of store, and how durable acknowledged records are."""
    linger_ms: int
    """How long records wait for more records before a flush, by default; long where each put costs money and time."""
    inline_bytes_max: int
    """Largest flush that is stored inside its commit, by default."""
    follow_ms: int
    """How often a follower polls for the next commit while somebody waits for one."""
    reads_are_direct: bool
    """Reads need neither a thread nor the network, so caching or overlapping them gains nothing."""
    is_remote: bool
    """Each read is a network request, so small objects are read and cached whole."""
    outlives_process: bool = True
    """Whether objects exist after a restart of the process."""


class Store(Protocol):
    """Immutable objects under keys. Keys are `/`-separated ASCII; a key once created never holds other bytes."""

    @property
    def traits(self) -> StoreTraits: ...

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        """Create the object if the key does not exist, with a single request.

        Raises: ObjectExists (the key exists, perhaps from an earlier attempt of the caller: read it back),
        StorageUnavailable (unknown outcome: the object may exist now, or may still appear), DurabilityUnknown.
        """
        ...

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        """`create` without waiting. False when the store has to wait or failed; `create` then raises the reason."""
        ...

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        """Put the object under a key that no other writer uses. May be repeated with the same bytes.

        Raises: StorageUnavailable (unknown outcome), DurabilityUnknown.
        """
        ...

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        """The whole object. With `durable`, only once it would survive a crash of the machine.

        On a directory an object is visible before it is durable. Its creator may be killed before it syncs the folder,
        and a power loss then removes a commit on whose basis other nodes have already answered clients. A
        node therefore reads the commits of other nodes with `durable` before it uses them.

        Raises: ObjectMissing, StorageUnavailable, DurabilityUnknown.
        """
        ...

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        """Bytes [position, position + length).

        Raises: ObjectMissing, StorageUnavailable, Corrupt (the object is shorter).
        """
        ...

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> "list[memoryview] | None":
        """`get_range` without waiting: one view for each piece of the put that the range touches.

        None when the store has to wait, or when the read failed: call `get_range` for the reason.
        """
        ...

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        """At most `limit` objects below `prefix` (which ends with `/`) with keys greater than `after`, in key order."""
        ...

    async def delete(self, key: ObjectKey) -> None:
        """Delete the object; it is no error if there is none. Raises: StorageUnavailable."""
        ...
