"""What the store port promises, tested on every store."""

import pytest
import trio

from higgins.model.errors import Corrupt, ObjectExists, ObjectMissing
from higgins.model.pointer import Buffer, ObjectKey
from higgins.runtime import Runtime
from higgins.storage.open import store_from
from higgins.storage.probe import probe
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store

KEY = ObjectKey("ledger/commits/000000000/000000000001")


async def test_a_created_object_is_read_back(store: Store) -> None:
    await store.create(KEY, [b"one"])
    assert bytes(await store.get(KEY)) == b"one"
    assert bytes(await store.get(KEY, durable=True)) == b"one"


async def test_a_put_object_is_read_back(store: Store) -> None:
    await store.put(KEY, [b"one"])
    assert bytes(await store.get(KEY)) == b"one"


async def test_creating_an_existing_key_fails_and_keeps_its_bytes(store: Store) -> None:
    await store.create(KEY, [b"first"])
    with pytest.raises(ObjectExists):
        await store.create(KEY, [b"second"])
    assert bytes(await store.get(KEY, durable=True)) == b"first"


async def test_create_nowait_creates_the_object_or_does_nothing(store: Store) -> None:
    created = store.create_nowait(KEY, [b"first"])
    assert created == store.traits.reads_are_direct
    if not created:
        await store.create(KEY, [b"first"])
    assert not store.create_nowait(KEY, [b"second"])
    assert bytes(await store.get(KEY)) == b"first"


async def test_creating_a_key_that_was_put_fails(store: Store) -> None:
    await store.put(KEY, [b"first"])
    with pytest.raises(ObjectExists):
        await store.create(KEY, [b"second"])


async def test_a_put_can_be_repeated(store: Store) -> None:
    await store.put(KEY, [b"same"])
    await store.put(KEY, [b"same"])
    assert bytes(await store.get(KEY)) == b"same"


async def test_of_sixteen_concurrent_creates_exactly_one_wins(store: Store) -> None:
    winners: list[int] = []
    losers: list[int] = []

    async def create(i: int) -> None:
        try:
            await store.create(KEY, [b"%d" % i * 1000])
            winners.append(i)
        except ObjectExists:
            losers.append(i)

    async with trio.open_nursery() as nursery:
        for i in range(16):
            nursery.start_soon(create, i)
    assert len(winners) == 1 and len(losers) == 15
    assert bytes(await store.get(KEY, durable=True)) == b"%d" % winners[0] * 1000


async def test_no_reader_sees_a_partial_object(store: Store) -> None:
    whole = b"x" * (2 << 20)
    lengths: list[int] = []

    async def watch(until: trio.Event) -> None:
        while not until.is_set():
            try:
                lengths.append(len(await store.get(KEY)))
            except ObjectMissing:
                await trio.lowlevel.checkpoint()

    created = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, created)
        await store.create(KEY, [whole])
        created.set()
    assert set(lengths) <= {len(whole)}


async def test_reading_a_key_that_does_not_exist_raises_object_missing(store: Store) -> None:
    with pytest.raises(ObjectMissing):
        await store.get(KEY)
    with pytest.raises(ObjectMissing):
        await store.get(KEY, durable=True)
    with pytest.raises(ObjectMissing):
        await store.get_range(KEY, 0, 1)


async def test_an_object_is_readable_right_after_a_miss_and_its_create(store: Store) -> None:
    for i in range(5):
        key = ObjectKey(f"probe/{i}")
        with pytest.raises(ObjectMissing):
            await store.get(key)
        await store.create(key, [b"there"])
        assert bytes(await store.get(key)) == b"there"


async def test_pieces_are_stored_one_after_another(store: Store) -> None:
    pieces: list[Buffer] = [b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3], b"", b"g"]
    await store.create(KEY, pieces)
    await store.put(ObjectKey("data/1"), pieces)
    assert bytes(await store.get(KEY)) == bytes(await store.get(ObjectKey("data/1"))) == b"abcdefg"


async def test_more_pieces_than_one_system_call_accepts(store: Store) -> None:
    pieces = [b"%06d" % i for i in range(3000)]
    await store.put(KEY, pieces)
    assert bytes(await store.get(KEY)) == b"".join(pieces)


async def test_a_bytearray_can_be_reused_after_the_call(store: Store) -> None:
    buffer = bytearray(b"before")
    await store.create(KEY, [buffer])
    await store.put(ObjectKey("data/1"), [buffer])
    buffer[:] = b"after!"
    assert bytes(await store.get(KEY)) == bytes(await store.get(ObjectKey("data/1"))) == b"before"


async def test_an_empty_object_exists(store: Store) -> None:
    await store.create(KEY, [])
    assert bytes(await store.get(KEY)) == b""
    with pytest.raises(ObjectExists):
        await store.create(KEY, [b"more"])


async def test_an_object_of_many_megabytes(store: Store) -> None:
    # Larger than the size at which clients switch to multipart uploads, which would not be one conditional request.
    data = bytes(range(256)) * (12 << 12)
    await store.create(KEY, [data[: 5 << 20], data[5 << 20 :]])
    assert bytes(await store.get(KEY)) == data
    assert bytes(await store.get_range(KEY, (8 << 20) - 3, 7)) == data[(8 << 20) - 3 : (8 << 20) + 4]


@pytest.mark.parametrize(("position", "length"), [(0, 1), (0, 10), (3, 4), (9, 1)])
async def test_a_range_has_exactly_the_requested_bytes(store: Store, position: int, length: int) -> None:
    await store.put(KEY, [b"0123456789"])
    expected = b"0123456789"[position : position + length]
    assert bytes(await store.get_range(KEY, position, length)) == expected
    views = store.get_range_nowait(KEY, position, length)
    assert b"".join(views) == expected if views is not None else not store.traits.reads_are_direct


@pytest.mark.parametrize(("position", "length"), [(0, 11), (8, 3), (10, 1), (50, 5)])
async def test_a_range_beyond_the_end_raises_corrupt(store: Store, position: int, length: int) -> None:
    await store.put(KEY, [b"0123456789"])
    assert store.get_range_nowait(KEY, position, length) is None
    with pytest.raises(Corrupt):
        await store.get_range(KEY, position, length)


async def test_a_listing_has_the_keys_below_the_prefix_in_order(store: Store) -> None:
    keys = ["a/1", "b/000", "b/001", "b/010", "b/c/1", "b/c/2", "b2/1", "c/1"]
    for key in reversed(keys):
        await store.put(ObjectKey(key), [key.encode()])
    rows = await store.list("b/")
    assert [(row.key, row.length) for row in rows] == [(key, len(key)) for key in keys if key.startswith("b/")]


async def test_a_listing_starts_after_a_key_and_stops_at_the_limit(store: Store) -> None:
    for i in range(12):
        await store.put(ObjectKey(f"l/{i:03d}"), [b"."])
    assert [row.key for row in await store.list("l/", limit=5)] == [f"l/{i:03d}" for i in range(5)]
    assert [row.key for row in await store.list("l/", after="l/004", limit=5)] == [f"l/{i:03d}" for i in range(5, 10)]
    assert [row.key for row in await store.list("l/", after="l/009x")] == ["l/010", "l/011"]
    assert await store.list("l/", after="l/011") == []


async def test_a_listing_without_matches_is_empty(store: Store) -> None:
    assert await store.list("nothing/") == []


async def test_a_new_object_is_listed_immediately(store: Store) -> None:
    for i in range(5):
        await store.create(ObjectKey(f"fresh/{i}"), [b"."])
        assert len(await store.list("fresh/")) == i + 1


async def test_a_deleted_object_is_neither_read_nor_listed(store: Store) -> None:
    await store.put(KEY, [b"one"])
    await store.delete(KEY)
    with pytest.raises(ObjectMissing):
        await store.get(KEY)
    assert await store.list("ledger/") == []


async def test_deleting_a_missing_object_is_no_error(store: Store) -> None:
    await store.delete(ObjectKey("never/was"))


async def test_a_second_client_of_the_same_store_sees_its_objects(settings: StoreSettings, store: Store) -> None:
    if not store.traits.outlives_process:
        pytest.skip("the store does not outlive its process")
    await store.create(KEY, [b"one"])
    other = store_from(Runtime(), settings)
    assert bytes(await other.get(KEY, durable=True)) == b"one"
    with pytest.raises(ObjectExists):
        await other.create(KEY, [b"two"])


async def test_the_probe_passes_and_deletes_its_objects(settings: StoreSettings) -> None:
    store = store_from(Runtime(), settings)
    await probe(store, "token")
    assert await store.list("probe/") == []
