"""The arena: bytes read back unchanged after the buffers they came in are reused, and memory is freed."""

import errno
import os
import random

import pytest

from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage.arena import FIRST_CHUNK_BYTES, Arena
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings


def test_appended_bytes_read_back_after_their_buffers_are_reused() -> None:
    source = random.Random(1)
    arena = Arena()
    arena._next_chunk_bytes = 64 << 10
    expected, views = [], []
    for _ in range(200):
        pieces = [bytearray(source.randbytes(source.randrange(0, 20_000))) for _ in range(source.randrange(1, 6))]
        expected.append(b"".join(pieces))
        views.append(arena.append(pieces))
        for piece in pieces:
            piece[:] = bytes(len(piece))
    assert [bytes(view) for view in views] == expected


def test_many_pieces_and_pieces_larger_than_a_chunk_read_back() -> None:
    arena = Arena()
    many = [bytes([i % 256]) * 100 for i in range(2_000)]
    assert arena.append(many) == b"".join(many)
    large = os.urandom(FIRST_CHUNK_BYTES + 12_345)
    assert arena.append([large[:1000], large[1000:]]) == large


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="reads the kernel's list of mappings")
def test_a_chunk_is_unmapped_with_its_last_view() -> None:
    def mappings() -> int:
        with open("/proc/self/maps") as file:
            return sum("higgins-arena" in line for line in file)

    before = mappings()
    arena = Arena()
    view = arena.append([b"x" * 100_000])
    assert mappings() == before + 1
    del arena
    assert view[:3] == b"xxx"
    del view
    assert mappings() == before


def test_without_memfd_bytes_are_copied_into_process_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    buffer = bytearray(b"abc" * 50_000)
    view = Arena().append([buffer])
    buffer[:3] = b"zzz"
    assert view[:3] == b"abc"


async def test_out_of_memory_is_reported_and_existing_objects_stay_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = memory_store(Runtime(), StoreSettings(url="memory://"))
    large, key = b"x" * 100_000, ObjectKey("data/1")
    await store.create(key, [large])
    with monkeypatch.context() as exhausted:

        def fail(*args: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        exhausted.setattr(os, "pwritev", fail)
        assert not store.create_nowait(ObjectKey("data/2"), [large]), "`create` must report the reason"
        for write in (store.create, store.put):
            with pytest.raises(StorageUnavailable, match="cannot hold another"):
                await write(ObjectKey("data/2"), [large])
    assert await store.get(key) == large
    assert store.create_nowait(ObjectKey("data/2"), [large])
