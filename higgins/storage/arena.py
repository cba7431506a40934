"""Memory for large objects of the memory store, allocated from the kernel's page cache instead of the process heap.

Why not ordinary process memory: the first write to a fresh anonymous page traps into the kernel, which zeroes the page
and maps it, only for us to overwrite it. Here that costs 0.35 to 2.5 CPU seconds per GB, most on virtual machines,
where the host has to provide the page as well; copying into pages that are mapped already costs 0.04. Produced records
are always kept in fresh memory, so this was the largest part of the cost of Produce.

An anonymous file (`memfd_create`) avoids it: `pwritev` copies into the file's pages inside the kernel, without zeroing
them first and without a trap per page. Produce to memory went from 0.95-2.4 to 0.83-1.2 CPU seconds per GB. Readers
get views of a read-only mapping of the same file, which cost what any memory that is in use costs.

Chunks grow from 32 to 256 MiB, because each needs a descriptor until it is full and a mapping, and both are limited.
The price: memory is freed by the chunk, so one small view keeps its whole chunk alive.
"""

import mmap
import os
from collections.abc import Sequence

from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import Buffer

FIRST_CHUNK_BYTES = 32 << 20
LARGEST_CHUNK_BYTES = 256 << 20
"""Each chunk is twice as large as the one before, up to this size."""

PIECES_PER_WRITE = 512
"""Buffers per gathered write; the kernel accepts 1024 (IOV_MAX)."""


class Arena:
    """Appends bytes to anonymous files. A chunk is freed when nobody holds a view of it any more.

    On systems without `memfd_create` (anything but Linux), bytes are copied into process memory instead.
    """

    def __init__(self) -> None:
        self._has_memfd = hasattr(os, "memfd_create")
        self._chunk: _Chunk | None = None
        self._next_chunk_bytes = FIRST_CHUNK_BYTES

    def append(self, pieces: Sequence[Buffer]) -> memoryview:
        """Copy the pieces, one after another; a read-only view of the copy. Raises: StorageUnavailable (no memory)."""
        length = sum(map(len, pieces))
        if not self._has_memfd or not length:
            return memoryview(b"".join(pieces))
        chunk = self._chunk
        if chunk is None or chunk.free_bytes < length:
            try:
                chunk = self._chunk = _Chunk(max(self._next_chunk_bytes, length))
            except OSError:
                # The process is out of descriptors or mappings, not necessarily of memory: use the heap.
                return memoryview(b"".join(pieces))
            self._next_chunk_bytes = min(2 * self._next_chunk_bytes, LARGEST_CHUNK_BYTES)
        try:
            return chunk.append(pieces, length)
        except OSError as error:
            raise StorageUnavailable(
                f"The memory store cannot hold another {length} bytes: {error.strerror}. "
                "Give the process more memory, or delete records."
            ) from error


class _Chunk:
    """One anonymous file of fixed size, filled from the front, and its mapping."""

    __slots__ = ("_descriptor", "_filled", "_size", "_view")

    def __init__(self, size: int) -> None:
        self._descriptor = os.memfd_create("higgins-arena", os.MFD_CLOEXEC)
        self._filled = 0
        self._size = size
        try:
            # A sparse file: it takes memory only as it is written.
            os.ftruncate(self._descriptor, size)
            self._view = memoryview(mmap.mmap(self._descriptor, size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ))
        except BaseException:
            os.close(self._descriptor)
            raise

    def __del__(self) -> None:
        # The mapping does not need the descriptor. It lives, and keeps the memory, until its last view is gone.
        os.close(self._descriptor)

    @property
    def free_bytes(self) -> int:
        return self._size - self._filled

    def append(self, pieces: Sequence[Buffer], length: int) -> memoryview:
        start = position = self._filled
        # Counted before writing: after a failed write this range is skipped, never handed out half written.
        self._filled += length
        for first in range(0, len(pieces), PIECES_PER_WRITE):
            group = pieces[first : first + PIECES_PER_WRITE]
            group_bytes = sum(map(len, group))
            written = os.pwritev(self._descriptor, group, position)
            if written < group_bytes:
                # The kernel ran short of memory in the middle. Writing the rest either succeeds or raises ENOSPC.
                rest = memoryview(b"".join(group))[written:]
                while rest:
                    rest = rest[os.pwrite(self._descriptor, rest, position + group_bytes - len(rest)) :]
            position += group_bytes
        return self._view[start : start + length]
