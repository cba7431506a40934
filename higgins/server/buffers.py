"""Receive buffers that are used again. Memory touched for the first time costs more than everything else in a receive.

A lease is a memoryview; its buffer returns to the pool when the last view of it is gone, whoever holds that view, so
nobody has to give anything back and nothing can be used after it was.
"""

import ctypes
import mmap
import weakref
from collections import deque

SMALLEST_BYTES = 128 << 10
LARGEST_BYTES = 16 << 20


class BufferPool:
    """Anonymous memory in sizes of powers of two; at most `idle_bytes_max` is kept while nobody uses it.

    Fresh memory is not resident before bytes come, so a length that a client merely claims costs address space only.
    """

    def __init__(self, idle_bytes_max: int = 48 << 20) -> None:
        self._idle: dict[int, deque[mmap.mmap]] = {}
        self._idle_bytes_max = idle_bytes_max
        self._idle_bytes = 0

    def lease(self, length: int) -> memoryview:
        """A writable view of `length` bytes with whatever was in them before."""
        size = _size_class(length)
        waiting = self._idle.get(size)
        if waiting:
            memory = waiting.pop()
            self._idle_bytes -= size
        else:
            memory = mmap.mmap(-1, size)
        owner = (ctypes.c_ubyte * size).from_buffer(memory)
        weakref.finalize(owner, self._take_back, memory, size).atexit = False
        return memoryview(owner).cast("B")[:length]

    def _take_back(self, memory: mmap.mmap, size: int) -> None:
        # Called where the last view dies, perhaps in a thread: append and pop of a deque are atomic, and a count that
        # is off by one buffer for a moment does no harm.
        if size > LARGEST_BYTES or self._idle_bytes + size > self._idle_bytes_max:
            return
        self._idle_bytes += size
        self._idle.setdefault(size, deque()).append(memory)


def _size_class(length: int) -> int:
    if length > LARGEST_BYTES:
        return length
    return max(SMALLEST_BYTES, 1 << (length - 1).bit_length())
