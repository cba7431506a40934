"""The arena: what is kept reads back, whatever the buffers it came in do afterwards."""

import errno
import os
import random

import pytest

from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import ObjectKey
from higgins.runtime import Runtime
from higgins.storage import arena
from higgins.storage.arena import Arena
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings


def test_bytes_read_back_after_their_buffers_are_used_again() -> None:
    chance = random.Random(1)
    kept_in = Arena()
    kept_in._next_chunk_bytes = 64 << 10
    expected, views = [], []
    for _ in range(200):
        pieces = [bytearray(chance.randbytes(chance.randrange(0, 20_000))) for _ in range(chance.randrange(1, 6))]
        expected.append(b"".join(pieces))
        views.append(kept_in.keep(pieces))
        for piece in pieces:
            piece[:] = bytes(len(piece))
    assert [bytes(view) for view in views] == expected


def test_many_pieces_and_one_larger_than_a_chunk() -> None:
    kept_in = Arena()
    many = [bytes([i % 256]) * 100 for i in range(2_000)]
    assert kept_in.keep(many) == b"".join(many)
    large = os.urandom(arena.FIRST_CHUNK_BYTES + 12_345)
    assert kept_in.keep([large[:1000], large[1000:]]) == large


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="reads the kernel's list of mappings")
def test_memory_returns_to_the_system_with_the_last_view() -> None:
    def mappings() -> int:
        with open("/proc/self/maps") as file:
            return sum("higgins-arena" in line for line in file)

    before = mappings()
    kept_in = Arena()
    view = kept_in.keep([b"x" * 100_000])
    assert mappings() == before + 1
    del kept_in
    assert view[:3] == b"xxx"
    del view
    assert mappings() == before


def test_a_system_without_anonymous_files_keeps_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    buffer = bytearray(b"abc" * 50_000)
    view = Arena().keep([buffer])
    buffer[:3] = b"zzz"
    assert view[:3] == b"abc"


async def test_a_store_whose_memory_is_exhausted_says_so_and_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_store(Runtime(), StoreSettings(url="memory://"))
    large, key = b"x" * 100_000, ObjectKey("data/1")
    await store.create(key, [large])
    with monkeypatch.context() as exhausted:

        def fail(*args: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        exhausted.setattr(os, "pwritev", fail)
        assert not store.create_nowait(ObjectKey("data/2"), [large]), "it takes the long way, which says why"
        for write in (store.create, store.put):
            with pytest.raises(StorageUnavailable, match="No memory left"):
                await write(ObjectKey("data/2"), [large])
    assert await store.get(key) == large
    assert store.create_nowait(ObjectKey("data/2"), [large])
