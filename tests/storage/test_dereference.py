"""The dereferencer: what it reads and caches on local and remote stores, and coalesced reads."""

import msgspec
import pytest
import trio
import trio.testing

from higgins.model.errors import Corrupt, ObjectMissing, StorageUnavailable
from higgins.model.pointer import ObjectId, Pointer, data_object, inline_payload, object_key
from higgins.storage.cache import Blob, Cache
from higgins.storage.dereference import WHOLE_OBJECT_BYTES_MAX, Dereferencer
from tests.storage.fakes import TRAITS, FakeStore

OBJECT = data_object(1, 1)
BYTES = bytes(range(200))
DAMAGED = b"\xff"
LOCAL_TRAITS = msgspec.structs.replace(TRAITS, is_remote=False)


class World:
    def __init__(self, *, is_remote: bool = True) -> None:
        self.store = FakeStore(TRAITS if is_remote else LOCAL_TRAITS, {object_key(OBJECT): BYTES})
        self.inline_reads = 0
        self.gate = trio.Event()
        self.dereferencer = Dereferencer(self.store, Cache(1 << 20), self._read_inline, self)

    async def _read_inline(self, object_id: ObjectId) -> Blob:
        self.inline_reads += 1
        await trio.lowlevel.checkpoint()
        return Blob([b"inline payload"])

    # The verifier: a part is damaged if it contains DAMAGED.

    async def check_batches(self, object_id: ObjectId, view: memoryview, position: int) -> None:
        if DAMAGED in bytes(view):
            raise Corrupt(f"damaged after {position}")

    async def is_sound(self, object_id: ObjectId, view: memoryview) -> bool:
        return DAMAGED not in bytes(view)

    async def wait_at_gate(self, key: str) -> None:
        await self.gate.wait()

    async def read(self, position: int, length: int, results: list[bytes]) -> None:
        views = await self.dereferencer.fetch(Pointer(OBJECT, position, length), len(BYTES))
        results.append(b"".join(views))


async def test_a_small_remote_object_is_read_whole_once_and_cached() -> None:
    world = World()
    results: list[bytes] = []
    await world.read(10, 5, results)
    await world.read(100, 50, results)
    assert results == [BYTES[10:15], BYTES[100:150]]
    assert world.store.count("get_range") == 1
    assert world.dereferencer.fetch_nowait(Pointer(OBJECT, 0, 3)) is not None


async def test_a_local_store_is_read_by_ranges_and_not_cached() -> None:
    world = World(is_remote=False)
    results: list[bytes] = []
    await world.read(10, 5, results)
    await world.read(10, 5, results)
    assert results == [BYTES[10:15]] * 2
    assert world.store.count("get_range") == 2
    assert world.dereferencer.fetch_nowait(Pointer(OBJECT, 10, 5)) is None


async def test_a_large_remote_object_is_read_by_ranges() -> None:
    world = World()
    views = await world.dereferencer.fetch(Pointer(OBJECT, 10, 5), WHOLE_OBJECT_BYTES_MAX + 1)
    assert b"".join(views) == BYTES[10:15]
    assert world.dereferencer.fetch_nowait(Pointer(OBJECT, 10, 5)) is None


async def test_concurrent_fetches_of_one_object_share_one_read() -> None:
    world = World()
    world.store.before_read = world.wait_at_gate
    results: list[bytes] = []
    async with trio.open_nursery() as nursery:
        for i in range(20):
            nursery.start_soon(world.read, i, 5, results)
        await trio.testing.wait_all_tasks_blocked()
        world.gate.set()
    assert sorted(results) == sorted(BYTES[i : i + 5] for i in range(20))
    assert world.store.count("get_range") == 1


async def test_a_waiter_takes_over_when_the_reading_task_is_cancelled() -> None:
    world = World()
    world.store.before_read = world.wait_at_gate
    results: list[bytes] = []
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def read_in_scope() -> None:
            with scope:
                await world.read(0, 5, results)

        nursery.start_soon(read_in_scope)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(world.read, 7, 5, results)
        nursery.start_soon(world.read, 8, 5, results)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        world.gate.set()
    assert sorted(results) == [BYTES[7:12], BYTES[8:13]]
    assert world.store.count("get_range") == 2


async def test_a_failed_read_fails_its_waiters_and_not_later_fetches() -> None:
    world = World()
    errors: list[Exception] = []
    results: list[bytes] = []

    async def fail(key: str) -> None:
        await world.gate.wait()
        raise StorageUnavailable("no")

    async def read_and_collect_error() -> None:
        try:
            await world.read(0, 5, results)
        except StorageUnavailable as error:
            errors.append(error)

    world.store.before_read = fail
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(read_and_collect_error)
        await trio.testing.wait_all_tasks_blocked()
        world.gate.set()
    assert len(errors) == 3 and not results
    assert world.store.count("get_range") == 1
    world.store.before_read = FakeStore().before_read
    await world.read(0, 5, results)
    assert results == [BYTES[:5]]


async def test_an_inline_payload_is_read_from_its_commit_once_and_cached() -> None:
    world = World(is_remote=False)
    pointer = Pointer(inline_payload(7), 0, 6)
    assert world.dereferencer.fetch_nowait(pointer) is None
    for _ in range(2):
        assert b"".join(await world.dereferencer.fetch(pointer, 0)) == b"inline"
    assert world.inline_reads == 1 and world.store.calls == []


async def test_a_missing_object_raises_object_missing() -> None:
    world = World()
    with pytest.raises(ObjectMissing):
        await world.dereferencer.fetch(Pointer(data_object(1, 2), 0, 5), 5)


async def test_damaged_bytes_of_a_remote_store_are_read_once_more() -> None:
    world = World()
    damaged = BYTES[:10] + DAMAGED + BYTES[11:]
    world.store.objects[object_key(OBJECT)] = damaged

    async def mend(key: str) -> None:
        if world.store.count("get_range") == 2:
            world.store.objects[object_key(OBJECT)] = BYTES

    world.store.before_read = mend
    results: list[bytes] = []
    await world.read(5, 10, results)
    assert results == [BYTES[5:15]] and world.store.count("get_range") == 2


async def test_of_a_damaged_object_the_other_parts_are_served_and_nothing_is_cached() -> None:
    world = World()
    world.store.objects[object_key(OBJECT)] = BYTES[:10] + DAMAGED + BYTES[11:]
    results: list[bytes] = []
    with pytest.raises(Corrupt):
        await world.read(5, 10, results)
    await world.read(20, 10, results)
    assert results == [BYTES[20:30]]
    assert world.dereferencer.fetch_nowait(Pointer(OBJECT, 20, 10)) is None
    world.store.objects[object_key(OBJECT)] = BYTES  # restored from a copy
    await world.read(5, 10, results)
    assert results[-1] == BYTES[5:15]


async def test_a_damaged_range_of_a_local_store_is_refused_and_other_ranges_are_not() -> None:
    world = World(is_remote=False)
    world.store.objects[object_key(OBJECT)] = BYTES[:10] + DAMAGED + BYTES[11:]
    results: list[bytes] = []
    with pytest.raises(Corrupt):
        await world.read(5, 10, results)
    await world.read(20, 10, results)
    assert results == [BYTES[20:30]]


async def test_state_of_operators_has_no_checksum_and_is_not_checked() -> None:
    world = World(is_remote=False)
    world.store.objects[object_key(OBJECT)] = BYTES[:10] + DAMAGED + BYTES[11:]
    views = await world.dereferencer.fetch(Pointer(OBJECT, 5, 10), len(BYTES), batches=False)
    assert len(b"".join(views)) == 10
