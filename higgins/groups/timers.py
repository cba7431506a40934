"""One heap of deadlines for all groups of a node: a group has at most one that counts, its newest."""

import heapq
from itertools import count

from higgins.groups.seat import Seat

STALE_MAX = 1_000
"""Entries that no longer count and are kept before the heap is rebuilt."""


class Timers:
    """When which seat wants to be woken. Milliseconds of the node's monotonic clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Seat]] = []
        self._order = count()
        self._live = 0

    def set(self, seat: Seat, at_ms: int) -> None:
        """Wake the seat then, instead of whenever it was to be woken."""
        self._live += seat.wake_ms is None
        seat.wake_ms = at_ms
        heapq.heappush(self._heap, (at_ms, next(self._order), seat))
        if len(self._heap) > 2 * self._live + STALE_MAX:
            self._heap = [entry for entry in self._heap if entry[2].wake_ms == entry[0]]
            heapq.heapify(self._heap)

    def cancel(self, seat: Seat) -> None:
        self._live -= seat.wake_ms is not None
        seat.wake_ms = None

    def next_ms(self) -> int | None:
        """The earliest deadline that counts."""
        while self._heap and self._heap[0][2].wake_ms != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> Seat | None:
        """One seat whose time has come; its deadline is spent."""
        at_ms = self.next_ms()
        if at_ms is None or at_ms > now_ms:
            return None
        seat = heapq.heappop(self._heap)[2]
        self.cancel(seat)
        return seat
