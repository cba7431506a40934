"""The metered store counts the operations of the store it wraps, and passes them on unchanged."""

import pytest

from higgins.model.errors import ObjectExists, ObjectMissing
from higgins.runtime import Runtime
from higgins.storage.memory import memory_store
from higgins.storage.metered import MeteredStore
from higgins.storage.settings import StoreSettings
from higgins.telemetry.metrics import StoreCounts


class TickingClock:
    """A clock that advances by a second with every reading."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


async def test_operations_are_counted_by_kind_and_outcome_with_bytes_and_duration():
    counts = StoreCounts()
    wrapped = memory_store(Runtime(), StoreSettings(url="memory://"))
    store = MeteredStore(wrapped, counts, TickingClock())
    assert store.traits == wrapped.traits
    await store.create("a", [b"12", b"345"])
    assert store.create_nowait("b", [b"1"])
    with pytest.raises(ObjectExists):
        await store.create("a", [b"other"])
    assert not store.create_nowait("a", [b"other"])
    await store.put("c", [b"123"])
    assert bytes(await store.get("a")) == b"12345"
    with pytest.raises(ObjectMissing):
        await store.get("z")
    assert bytes(await store.get_range("a", 1, 3)) == b"234"
    assert b"".join(store.get_range_nowait("a", 0, 2)) == b"12"
    assert store.get_range_nowait("z", 0, 2) is None
    assert [row.key for row in await store.list("")] == ["a", "b", "c"]
    await store.delete("c")
    counted = {
        kind: (of_kind.outcomes, of_kind.bytes, of_kind.seconds.count) for kind, of_kind in counts.by_kind.items()
    }
    assert counted == {
        "create": ({"ok": 2, "ObjectExists": 1}, 6, 3),
        "put": ({"ok": 1}, 3, 1),
        "get": ({"ok": 1, "ObjectMissing": 1}, 5, 2),
        "get_range": ({"ok": 2}, 5, 2),
        "list": ({"ok": 1}, 0, 1),
        "delete": ({"ok": 1}, 0, 1),
    }
    assert counts.create.seconds.total == 3
