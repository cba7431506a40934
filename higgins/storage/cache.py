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

    __slots__ = ("_pieces", "_starts", "length")

    def __init__(self, pieces: Sequence[Buffer], length: int | None = None) -> None:
        """`length` is the total length of the pieces, for callers that know it already."""
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


BLOB_OVERHEAD_BYTES = 1024
"""Counted for each blob beside its bytes, so that a cache full of tiny payloads respects its bound too."""


class Cache:
    """Blobs by object id, at most `bytes_max` bytes in total, overhead included."""

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
        self._blobs[object_id] = blob
        self.bytes += blob.length + BLOB_OVERHEAD_BYTES
        while self.bytes > self._bytes_max:
            _, evicted = self._blobs.popitem(last=False)
            self.bytes -= evicted.length + BLOB_OVERHEAD_BYTES

    def get(self, object_id: ObjectId) -> Blob | None:
        """A blob, which becomes the most recently used; None when it is not cached."""
        blob = self._blobs.get(object_id)
        if blob is None:
            self.misses += 1
            return None
        self.hits += 1
        self._blobs.move_to_end(object_id)
        return blob
