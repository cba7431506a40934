"""Edges of the stores and the cache: bounds met exactly, listings of many objects, and what is synced before what."""

import contextlib
import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import ObjectId, ObjectKey, Pointer, data_object, object_key
from higgins.runtime import Runtime
from higgins.storage import arena
from higgins.storage.arena import Arena
from higgins.storage.cache import COPIED_BYTES_MAX, Blob, Cache
from higgins.storage.dereference import WHOLE_OBJECT_BYTES_MAX, Dereferencer
from higgins.storage.directory import DirectoryStore
from higgins.storage.memory import REFERENCED_BYTES_MAX, memory_store
from higgins.storage.metered import MeteredStore
from higgins.storage.settings import StoreSettings
from higgins.telemetry.metrics import StoreCounts
from tests.storage.fakes import FakeStore


def open_below(root: Path) -> int:
    """How many descriptors of this process are of files or folders below a folder."""
    links = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(entry.path))
    return sum(link.startswith(str(root)) for link in links)


class Trusting:
    """A verifier to which everything is sound."""

    async def check_batches(self, object_id: ObjectId, view: memoryview, position: int) -> None:
        return

    async def is_sound(self, object_id: ObjectId, view: memoryview) -> bool:
        return True


def directory(root: Path) -> DirectoryStore:
    return DirectoryStore(Runtime(), root, StoreSettings())


def test_a_blob_of_half_the_bound_is_cached_and_one_byte_more_is_not() -> None:
    for bytes_max in (200_000, 200_001):
        cache = Cache(bytes_max)
        cache.put(ObjectId(1), Blob([bytes(bytes_max // 2)]))
        cache.put(ObjectId(2), Blob([bytes(bytes_max // 2 + 1)]))
        assert cache.get(ObjectId(1)) is not None and cache.get(ObjectId(2)) is None


def test_small_blobs_are_copied_into_the_cache_and_large_ones_of_their_own_are_not() -> None:
    for length, is_copied in ((1, True), (COPIED_BYTES_MAX, True), (COPIED_BYTES_MAX + 1, False)):
        cache = Cache(1 << 20)
        piece = bytearray(length)
        cache.put(ObjectId(1), Blob([piece]))
        blob = cache.get(ObjectId(1))
        assert blob is not None
        piece[0] = 1
        assert (blob.slice(0, 1)[0][0] == 0) == is_copied, length


async def test_an_object_of_the_largest_size_that_is_read_whole_is_read_whole() -> None:
    object_id = data_object(1, 1)
    for length, is_whole in ((WHOLE_OBJECT_BYTES_MAX, True), (WHOLE_OBJECT_BYTES_MAX + 1, False)):
        store = FakeStore(objects={object_key(object_id): bytes(length)})
        dereferencer = Dereferencer(store, Cache(64 << 20), lambda _: pytest.fail("it is not inline"), Trusting())
        await dereferencer.fetch(Pointer(object_id, 10, 5), length)
        assert (dereferencer.fetch_nowait(Pointer(object_id, length - 5, 5)) is not None) == is_whole


async def test_a_listing_of_many_objects_is_sorted_before_it_is_cut(tmp_path: Path) -> None:
    store = directory(tmp_path)
    names = [f"data/{number // 100:03}/{number % 100:03}" for number in range(2_300)]
    shuffled = random.Random(4).sample(names, len(names))
    for name in shuffled:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [row.key for row in await store.list("data/", limit=5)] == names[:5]
    assert [row.key for row in await store.list("data/", limit=5_000)] == names
    pages: list[str] = []
    while page := await store.list("data/", after=pages[-1] if pages else "", limit=700):
        assert len(page) <= 700
        pages += [row.key for row in page]
    assert pages == names


async def test_a_durable_read_syncs_the_folder_after_it_has_seen_the_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other way round, the object may be linked between the sync and the read.
    store = directory(tmp_path)
    await store.create(ObjectKey("data/1/a"), [b"x"])
    steps: list[str] = []
    fsync, open_file = os.fsync, Path.open

    def note_sync(descriptor: int) -> None:
        steps.append("sync")
        fsync(descriptor)

    def note_read(self: Path, *args: Any, **kwargs: Any) -> Any:
        steps.append("read")
        return open_file(self, *args, **kwargs)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "open", note_read)
    await store.get(ObjectKey("data/1/a"), durable=True)
    assert steps == ["read", "sync"]


async def test_a_folder_that_another_process_has_made_is_synced_before_a_link_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directory(tmp_path)
    (tmp_path / "data" / "1").mkdir(parents=True)  # by a process that has not synced it yet
    synced: list[str] = []
    fsync, link = os.fsync, os.link

    def note_sync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def check_link(source: Any, target: Any, **kwargs: Any) -> None:
        assert {tmp_path.name, "data"} <= set(synced)
        link(source, target, **kwargs)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", check_link)
    await store.create(ObjectKey("data/1/a"), [b"x"])
    assert synced[-1] == "1"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_quota_that_is_used_up_is_a_full_disk(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = directory(tmp_path)

    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "writev", fail)
    with pytest.raises(StorageUnavailable, match="disk is full"):
        await store.create(ObjectKey("data/1"), [b"x"])


async def test_folders_are_closed_when_the_cache_of_open_ones_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("higgins.storage.directory.FOLDERS_OPEN_MAX", 4)
    store = directory(tmp_path)
    for number in range(60):
        await store.create(ObjectKey(f"data/{number}/a"), [b"x"])
    assert open_below(tmp_path) <= 4


async def test_the_memory_store_keeps_no_request_alive_for_a_small_object() -> None:
    store = memory_store(Runtime(), StoreSettings(url="memory://"))
    request = bytearray(1 << 20)
    await store.create(ObjectKey("data/1"), [memoryview(request)[:1_000]])
    await store.put(ObjectKey("data/2"), [memoryview(request)[:REFERENCED_BYTES_MAX]])
    request.clear()  # Raises BufferError while a view of it is kept.
    assert len(await store.get(ObjectKey("data/1"))) == 1_000


async def test_a_durable_read_stays_durable_through_the_meter() -> None:
    asked: list[bool] = []

    class Asked(FakeStore):
        async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
            asked.append(durable)
            return await super().get(key, durable=durable)

    store = MeteredStore(Asked(objects={"a": b"x"}), StoreCounts(), lambda: 0.0)
    await store.get(ObjectKey("a"), durable=True)
    await store.get(ObjectKey("a"))
    assert asked == [True, False]


def test_a_chunk_that_the_kernel_fills_in_parts_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pwritev, pwrite = os.pwritev, os.pwrite
    monkeypatch.setattr(os, "pwritev", lambda file, views, position: pwritev(file, [views[0][:7]], position))
    monkeypatch.setattr(os, "pwrite", lambda file, data, position: pwrite(file, data[:11], position))
    arena = Arena()
    first, second = [b"abcdefghij" * 3, b"klm", b"n" * 50], [b"0123456789" * 9]
    assert [bytes(arena.append(pieces)) for pieces in (first, second)] == [b"".join(first), b"".join(second)]


def test_chunks_of_the_arena_grow_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "FIRST_CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(arena, "LARGEST_CHUNK_BYTES", 1 << 14)
    create, sizes = os.ftruncate, []

    def note(file: int, size: int) -> None:
        sizes.append(size)
        create(file, size)

    monkeypatch.setattr(os, "ftruncate", note)
    memory = Arena()
    for _ in range(60):
        memory.append([bytes(1_000)])
    memory.append([bytes(20_000)])
    assert sizes[:4] == [1 << 12, 1 << 13, 1 << 14, 1 << 14] and sizes[-1] == 20_000


def test_without_descriptors_the_arena_uses_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(arena, "_Chunk", fail)
    buffer = bytearray(b"abc")
    view = Arena().append([buffer])
    buffer[0] = 0
    assert view == b"abc"
