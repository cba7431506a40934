"""The read cache of a node: an LRU of objects by id, bounded in bytes.

It holds what this node has just flushed, the inline payloads of commits, and small objects read whole from a remote
store. Nothing is ever invalidated, because objects never change. Whole objects are cached, not ranges: consumers read
forward, so the next fetch wants the bytes behind this one, and one object usually serves many partitions.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate

from higgins.model.pointer import Buffer, ObjectId


class Blob:
    """The bytes of an object, in the pieces in which they were written or read. Joining them would cost a copy."""

    __slots__ = ("_pieces", "_starts", "counted_bytes", "length")

    def __init__(self, pieces: Sequence[Buffer], length: int | None = None) -> None:
        """`length` is the total length of the pieces, for callers that know it already."""
        self.counted_bytes = 0
        """What the cache has counted for it."""
        self._pieces = pieces
        self._starts: list[int] | None = None
        self.length = sum(map(len, pieces)) if length is None else length

    def slice(self, position: int, length: int) -> list[memoryview]:
        """Views of [position, position + length), one for each piece it touches. The range must lie inside."""
        assert position >= 0 and position + length <= self.length, (position, length, self.length)
        if len(self._pieces) == 1:
            return [memoryview(self._pieces[0])[position : position + length]] if length else []
        starts = self._starts
        if starts is None:
            # Computed on the first read: most blobs of small payloads are evicted without one.
            starts = self._starts = [0, *accumulate(len(piece) for piece in self._pieces)][:-1]
        i = bisect_right(starts, position) - 1
        views: list[memoryview] = []
        while length > 0:
            start = position - starts[i]
            view = memoryview(self._pieces[i])[start : start + length]
            if len(view):
                views.append(view)
            position += len(view)
            length -= len(view)
            i += 1
        return views

    def kept(self) -> "Blob":
        """The same bytes, in memory of which little else is kept alive: for a blob that is kept for long.

        A piece is often a view of a buffer that is larger: of the request in which it arrived, of the commit around a
        payload, or of what an HTTP client read at once, whose size nothing shows. Small blobs are therefore always
        copied, large ones when the buffers that they are known to keep alive are more than twice as large.
        """
        if self.length <= COPIED_BYTES_MAX or self.held_bytes() > 2 * self.length:
            return Blob([b"".join(self._pieces)], self.length)
        return self

    def held_bytes(self) -> int:
        """The size of the buffers that the pieces keep alive, as far as Python shows it."""
        owners = {id(owner): owner for owner in map(_owner, self._pieces)}
        return sum(memoryview(owner).nbytes for owner in owners.values())


def _owner(piece: Buffer) -> Buffer:
    return piece.obj if isinstance(piece, memoryview) else piece  # type: ignore[return-value]  # typed as object


COPIED_BYTES_MAX = 32 << 10
"""Blobs up to this size are copied when they are cached, which takes a few microseconds."""

BLOB_OVERHEAD_BYTES = 1024
"""Counted for each blob beside its bytes, so that a cache full of tiny payloads respects its bound too."""


class Cache:
    """Blobs by object id, at most `bytes_max` bytes in total, overhead included. What is counted is what is held."""

    def __init__(self, bytes_max: int) -> None:
        self._blobs: OrderedDict[ObjectId, Blob] = OrderedDict()
        self._bytes_max = bytes_max
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def put(self, object_id: ObjectId, blob: Blob) -> None:
        """Add a blob, unless it is larger than half the bound: it would evict nearly everything else."""
        if blob.length > self._bytes_max // 2 or object_id in self._blobs:
            return
        blob = blob.kept()
        blob.counted_bytes = max(blob.length, blob.held_bytes()) + BLOB_OVERHEAD_BYTES
        self._blobs[object_id] = blob
        self.bytes += blob.counted_bytes
        while self.bytes > self._bytes_max:
            _, evicted = self._blobs.popitem(last=False)
            self.bytes -= evicted.counted_bytes

    def get(self, object_id: ObjectId) -> Blob | None:
        """A blob, which becomes the most recently used; None when it is not cached."""
        blob = self._blobs.get(object_id)
        if blob is None:
            self.misses += 1
            return None
        self.hits += 1
        self._blobs.move_to_end(object_id)
        return blob
