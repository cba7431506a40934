"""The read cache and its blobs."""

from hypothesis import given
from hypothesis import strategies as st

from higgins.model.pointer import ObjectId
from higgins.storage.cache import BLOB_OVERHEAD_BYTES, Blob, Cache


@given(st.lists(st.binary(max_size=9), max_size=8), st.data())
def test_a_slice_of_a_blob_equals_the_slice_of_its_joined_pieces(pieces: list[bytes], data: st.DataObject) -> None:
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


def object_id(i: int) -> ObjectId:
    return ObjectId(i)


def test_the_least_recently_used_blob_is_evicted_first() -> None:
    cache = Cache(3 * (100 + BLOB_OVERHEAD_BYTES))
    for i in range(3):
        cache.put(object_id(i), Blob([bytes(100)]))
    assert cache.get(object_id(0)) is not None
    cache.put(object_id(3), Blob([bytes(100)]))
    assert cache.get(object_id(1)) is None
    assert all(cache.get(object_id(i)) is not None for i in (0, 2, 3))
    assert (cache.hits, cache.misses) == (4, 1)


def test_the_bound_includes_the_overhead_of_tiny_blobs() -> None:
    cache = Cache(64 << 10)
    for i in range(10_000):
        cache.put(object_id(i), Blob([b"x"]))
        assert cache.bytes <= 64 << 10
    assert cache.get(object_id(9_999)) is not None


def test_a_blob_larger_than_half_the_bound_is_not_cached() -> None:
    cache = Cache(10_000)
    cache.put(object_id(1), Blob([bytes(2_000)]))
    cache.put(object_id(2), Blob([bytes(5_001)]))
    assert cache.get(object_id(2)) is None and cache.get(object_id(1)) is not None


def test_a_blob_put_again_is_counted_once() -> None:
    cache = Cache(10_000)
    for _ in range(5):
        cache.put(object_id(1), Blob([bytes(100)]))
    assert cache.bytes == 100 + BLOB_OVERHEAD_BYTES
