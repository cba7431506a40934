"""An arena for bytes that stay: the kernel's page cache rather than memory of this process's own.

Memory written through a file is neither zeroed nor faulted in page by page first, which for fresh memory is most of the
cost of keeping anything (measured here: 0.4 CPU seconds per GB instead of 0.7 to 2.4). Reading it back is a view of a
mapping and costs what any warm memory costs.
"""

import mmap
import os
from collections.abc import Sequence

from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import Buffer

FIRST_CHUNK_BYTES = 32 << 20
LARGEST_CHUNK_BYTES = 256 << 20
"""Each chunk is twice the one before, up to this: a mapping holds a descriptor, and those are few."""

PIECES_PER_WRITE = 512


class Arena:
    """Appends bytes to anonymous files; a chunk is given back to the system once nobody holds a view of it.

    Where the system has no anonymous files, bytes are copied into the process's own memory instead.
    """

    def __init__(self) -> None:
        self._has_files = hasattr(os, "memfd_create")
        self._chunk: _Chunk | None = None
        self._next_chunk_bytes = FIRST_CHUNK_BYTES

    def keep(self, pieces: Sequence[Buffer]) -> memoryview:
        """A copy of the pieces, one after another. Raises: StorageUnavailable when the system has no memory left."""
        length = sum(map(len, pieces))
        if not self._has_files or not length:
            return memoryview(b"".join(pieces))
        chunk = self._chunk
        if chunk is None or chunk.left < length:
            try:
                chunk = self._chunk = _Chunk(max(self._next_chunk_bytes, length))
            except OSError:
                # No descriptor or no mapping left: what the process's own memory can hold still goes on.
                return memoryview(b"".join(pieces))
            self._next_chunk_bytes = min(2 * self._next_chunk_bytes, LARGEST_CHUNK_BYTES)
        try:
            return chunk.append(pieces, length)
        except OSError as error:
            raise StorageUnavailable(f"No memory left to keep {length} bytes: {error.strerror}.") from error


class _Chunk:
    __slots__ = ("_descriptor", "_filled", "_size", "_view")

    def __init__(self, size: int) -> None:
        self._descriptor = os.memfd_create("higgins-arena", os.MFD_CLOEXEC)
        self._filled = 0
        self._size = size
        try:
            os.ftruncate(self._descriptor, size)
            self._view = memoryview(mmap.mmap(self._descriptor, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ))
        except BaseException:
            os.close(self._descriptor)
            raise

    def __del__(self) -> None:
        # The mapping lives on as long as a view of it does, and keeps the memory without its descriptor.
        os.close(self._descriptor)

    @property
    def left(self) -> int:
        return self._size - self._filled

    def append(self, pieces: Sequence[Buffer], length: int) -> memoryview:
        start = at = self._filled
        self._filled += length
        for first in range(0, len(pieces), PIECES_PER_WRITE):
            group = pieces[first : first + PIECES_PER_WRITE]
            due = sum(map(len, group))
            written = os.pwritev(self._descriptor, group, at)
            if written < due:
                # Short writes are for want of memory only; the rest says so plainly or succeeds.
                rest = memoryview(b"".join(group))[written:]
                while rest:
                    rest = rest[os.pwrite(self._descriptor, rest, at + due - len(rest)) :]
            at += due
        return self._view[start : start + length]
