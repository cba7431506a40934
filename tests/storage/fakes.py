"""A fake of the store port: a dictionary whose calls a test can delay or fail."""

import itertools
from collections.abc import Awaitable, Callable, Sequence

from higgins.model.errors import Corrupt, ObjectExists, ObjectMissing
from higgins.model.pointer import Buffer, ObjectKey
from higgins.storage.store import ListedObject, StoreTraits

TRAITS = StoreTraits(
    description="a fake",
    linger_ms=0,
    inline_bytes_max=64 << 10,
    follow_ms=5,
    reads_are_direct=False,
    is_remote=True,
)


class FakeStore:
    """Objects in a dictionary. The hooks (`before_create` and so on) may wait or raise."""

    def __init__(self, traits: StoreTraits = TRAITS, objects: dict[str, bytes] | None = None) -> None:
        self.traits = traits
        self.objects: dict[str, bytes] = {} if objects is None else objects
        self.calls: list[tuple[str, str]] = []
        self.before_create: Callable[[str], Awaitable[None]] = _do_nothing
        self.after_create: Callable[[str], Awaitable[None]] = _do_nothing
        self.before_put: Callable[[str], Awaitable[None]] = _do_nothing
        self.before_read: Callable[[str], Awaitable[None]] = _do_nothing

    def count(self, call: str) -> int:
        """The number of calls of one method."""
        return sum(1 for name, _ in self.calls if name == call)

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        self.calls.append(("create", key))
        await self.before_create(key)
        if key in self.objects:
            raise ObjectExists(key)
        self.objects[key] = b"".join(pieces)
        await self.after_create(key)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        self.calls.append(("put", key))
        await self.before_put(key)
        self.objects[key] = b"".join(pieces)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        self.calls.append(("get", key))
        await self.before_read(key)
        if key not in self.objects:
            raise ObjectMissing(key)
        return memoryview(self.objects[key])

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        self.calls.append(("get_range", key))
        await self.before_read(key)
        if key not in self.objects:
            raise ObjectMissing(key)
        view = memoryview(self.objects[key])[position : position + length]
        if len(view) != length:
            raise Corrupt(key)
        return view

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> None:
        return None

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        self.calls.append(("list", prefix))
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        return [ListedObject(ObjectKey(key), len(self.objects[key])) for key in itertools.islice(keys, limit)]

    async def delete(self, key: ObjectKey) -> None:
        self.calls.append(("delete", key))
        self.objects.pop(key, None)


async def _do_nothing(key: str) -> None:
    return
