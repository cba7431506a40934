"""The read cache and its blobs."""

from hypothesis import given
from hypothesis import strategies as st

from higgins.model.pointer import ObjectId
from higgins.storage.cache import BLOB_OVERHEAD_BYTES, Blob, Cache


@given(st.lists(st.binary(max_size=9), max_size=8), st.data())
def test_a_slice_of_pieces_is_the_slice_of_what_they_make(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    position = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - position))
    blob = Blob(pieces)
    assert blob.length == len(whole)
    assert b"".join(blob.slice(position, length)) == whole[position : position + length]


def test_a_slice_copies_nothing() -> None:
    piece = bytearray(b"abcdef")
    (view,) = Blob([piece]).slice(2, 3)
    piece[2] = ord("X")
    assert bytes(view) == b"Xde"


def one(i: int) -> ObjectId:
    return ObjectId(i)


def test_the_least_recently_used_leaves_first() -> None:
    cache = Cache(3 * (100 + BLOB_OVERHEAD_BYTES))
    for i in range(3):
        cache.put(one(i), Blob([bytes(100)]))
    assert cache.get(one(0)) is not None
    cache.put(one(3), Blob([bytes(100)]))
    assert cache.get(one(1)) is None
    assert all(cache.get(one(i)) is not None for i in (0, 2, 3))
    assert (cache.hits, cache.misses) == (4, 1)


def test_the_bound_holds_for_crowds_of_tiny_blobs_too() -> None:
    cache = Cache(64 << 10)
    for i in range(10_000):
        cache.put(one(i), Blob([b"x"]))
        assert cache.bytes <= 64 << 10
    assert cache.get(one(9_999)) is not None


def test_one_blob_may_not_take_it_all() -> None:
    cache = Cache(10_000)
    cache.put(one(1), Blob([bytes(2_000)]))
    cache.put(one(2), Blob([bytes(5_001)]))
    assert cache.get(one(2)) is None and cache.get(one(1)) is not None


def test_putting_again_counts_once() -> None:
    cache = Cache(10_000)
    for _ in range(5):
        cache.put(one(1), Blob([bytes(100)]))
    assert cache.bytes == 100 + BLOB_OVERHEAD_BYTES
