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


@given(
    st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 4), st.integers(0, 200_000)), min_size=1, max_size=4)
)
def test_what_is_cached_keeps_little_else_alive(layout: list[tuple[int, int, int]]) -> None:
    """Pieces of any length, as views of buffers that are larger by any amount, perhaps the same buffer."""
    cache = Cache(10 << 20)
    buffers = [memoryview(bytearray(b"x" * 280_000)) for _ in range(4)]
    pieces = [
        buffers[number % 4][before : before + length] if number else bytes(length) for length, number, before in layout
    ]
    whole = b"".join(pieces)
    cache.put(object_id(1), Blob(pieces))
    blob = cache.get(object_id(1))
    assert blob is not None and b"".join(blob.slice(0, len(whole))) == whole
    views = blob.slice(0, len(whole))
    held = {id(view.obj): memoryview(view.obj).nbytes for view in views}  # type: ignore[arg-type]
    assert sum(held.values()) <= cache.bytes, "what is held is counted"
    assert cache.bytes <= 2 * len(whole) + BLOB_OVERHEAD_BYTES


def test_a_small_view_of_a_large_buffer_is_copied() -> None:
    cache = Cache(10 << 20)
    buffer = bytearray(1 << 20)
    cache.put(object_id(1), Blob([memoryview(buffer)[:1_000]]))
    buffer.clear()  # Raises BufferError while a view of it is kept.
    assert cache.bytes == 1_000 + BLOB_OVERHEAD_BYTES


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


def test_as_many_blobs_are_evicted_as_a_large_one_needs() -> None:
    each = 1_000 + BLOB_OVERHEAD_BYTES
    cache = Cache(8 * each)
    for i in range(8):
        cache.put(object_id(i), Blob([bytes(1_000)]))
    cache.put(object_id(8), Blob([bytes(3 * each)]))
    assert cache.bytes <= 8 * each
    assert [i for i in range(9) if cache.get(object_id(i)) is not None] == [4, 5, 6, 7, 8]


def test_a_blob_put_again_is_counted_once() -> None:
    cache = Cache(10_000)
    for _ in range(5):
        cache.put(object_id(1), Blob([bytes(100)]))
    assert cache.bytes == 100 + BLOB_OVERHEAD_BYTES
