"""A pool of receive buffers.

Touching fresh memory costs more than everything else in a receive: 0.35 to 2.5 s of processor time per gigabyte on a
virtual machine, whose pages the host has to map first, against 0.2 s for the receive itself. So buffers are reused.

A lease is a memoryview. Its buffer returns to the pool when the last view of it is gone, so that nobody has to give it
back, and nobody can use it afterwards.
"""

import ctypes
import mmap
import weakref
from collections import deque

HEAD_BYTES = 64 << 10
SMALL_HEAD_BYTES = 4 << 10
HEADS_LENT_MAX = 512
HEADS_KEPT_MAX = 64
SMALLEST_BYTES = 128 << 10
LARGEST_BYTES = 16 << 20


class BufferPool:
    """Anonymous memory in sizes of powers of two; at most `idle_bytes_max` of it is kept unused.

    Fresh memory is not resident before bytes arrive, so the length that a client announces costs address space only.
    """

    def __init__(self, idle_bytes_max: int = 48 << 20) -> None:
        self._idle: dict[int, deque[mmap.mmap]] = {}
        self._idle_bytes_max = idle_bytes_max
        self._idle_bytes = 0

    def lease(self, length: int) -> memoryview:
        """A writable view of `length` bytes, which hold what was in them before."""
        size = _size_class(length)
        idle = self._idle.get(size)
        if idle:
            memory = idle.pop()
            self._idle_bytes -= size
        else:
            memory = mmap.mmap(-1, size)
        owner = (ctypes.c_ubyte * size).from_buffer(memory)
        weakref.finalize(owner, self._take_back, memory, size).atexit = False
        return memoryview(owner).cast("B")[:length]

    def _take_back(self, memory: mmap.mmap, size: int) -> None:
        # This runs where the last view is freed, perhaps in a thread: append and pop of a deque are atomic, and a count
        # that is wrong by one buffer for a moment does no harm.
        if size > LARGEST_BYTES or self._idle_bytes + size > self._idle_bytes_max:
            return
        self._idle_bytes += size
        self._idle.setdefault(size, deque()).append(memory)


class Heads:
    """The buffers into which requests are received first: borrowed while there is something to receive.

    Ten thousand connections that wait, or whose requests wait, must not hold 640 MB. At most `HEADS_LENT_MAX` buffers
    of `HEAD_BYTES` are lent at a time; then connections get small ones, and receive less at a time.
    """

    def __init__(self) -> None:
        self._kept: list[bytearray] = []
        self._lent = 0

    def borrow(self) -> bytearray:
        """A buffer that holds what was in it before. Give it back."""
        if self._kept:
            self._lent += 1
            return self._kept.pop()
        if self._lent >= HEADS_LENT_MAX:
            return bytearray(SMALL_HEAD_BYTES)
        self._lent += 1
        return bytearray(HEAD_BYTES)

    def give_back(self, head: bytearray) -> None:
        """Return a buffer; nobody may use it any more."""
        if len(head) < HEAD_BYTES:
            return
        self._lent -= 1
        if len(self._kept) < HEADS_KEPT_MAX:
            self._kept.append(head)


def _size_class(length: int) -> int:
    if length > LARGEST_BYTES:
        return length
    return max(SMALLEST_BYTES, 1 << (length - 1).bit_length())
