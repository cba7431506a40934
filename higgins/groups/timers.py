"""One heap of deadlines for all groups of a node. A group has at most one deadline that counts, its newest."""

import heapq
from itertools import count
from typing import Generic, Protocol, TypeVar

import trio

from higgins.runtime import Runtime

STALE_MAX = 1_000
"""Entries that no longer count and are kept before the heap is rebuilt."""


class Timed(Protocol):
    """Something that can have a deadline."""

    wake_ms: int | None
    """The deadline that counts. Only Timers changes it."""


T = TypeVar("T", bound=Timed)


def monotonic_ms(runtime: Runtime) -> int:
    """The time of all deadlines: whole milliseconds of the node's monotonic clock."""
    # A microsecond is added because a deadline of whole milliseconds, converted to seconds and back, may fall just
    # short of itself. A simulated clock stands still until the next sleep and would then never pass the deadline.
    return int(runtime.monotonic() * 1_000 + 0.001)


class Timers(Generic[T]):
    """Which item is due when."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._order = count()
        self._live = 0
        self._changed = trio.Event()

    def set(self, item: T, at_ms: int) -> None:
        """Make the item due at this time, instead of the time set before."""
        earliest_ms = self.next_ms()
        self._live += item.wake_ms is None
        item.wake_ms = at_ms
        heapq.heappush(self._heap, (at_ms, next(self._order), item))
        if len(self._heap) > 2 * self._live + STALE_MAX:
            # One entry for each item: where a deadline was set to the same time again, several would count.
            live = {id(entry[2]): entry for entry in self._heap if entry[2].wake_ms == entry[0]}
            self._heap = list(live.values())
            heapq.heapify(self._heap)
        if earliest_ms is None or at_ms < earliest_ms:
            self.notify()

    def cancel(self, item: T) -> None:
        """Drop the item's deadline, if it has one."""
        self._live -= item.wake_ms is not None
        item.wake_ms = None

    def next_ms(self) -> int | None:
        """The earliest deadline that counts."""
        while self._heap and self._heap[0][2].wake_ms != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> T | None:
        """Remove and return one item whose deadline has come."""
        at_ms = self.next_ms()
        if at_ms is None or at_ms > now_ms:
            return None
        item = heapq.heappop(self._heap)[2]
        self.cancel(item)
        return item

    def notify(self) -> None:
        """End the current `wait_changed`."""
        self._changed.set()

    async def wait_changed(self) -> None:
        """Wait until an earlier deadline is set, or `notify` is called, since the last return or cancellation."""
        try:
            await self._changed.wait()
        finally:
            self._changed = trio.Event()
