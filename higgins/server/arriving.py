"""Requests that are arriving: a bound on the memory that they take before they are complete, over all connections.

A request that does not fit into the first buffer of its connection is received into memory of its own. What is counted
is what has been received, and a little ahead of it, not what was announced: a length costs nothing. When the bound is
reached, requests wait until others are complete. Two rules keep that from being forever:

- The request that has been arriving for longest never waits.
- While others wait, a request gives way if it makes no progress: its connection is closed.

Requests that are announced as larger than `SMALL_BYTES_MAX`, which hardly any client sends, have half of the room, and
cannot keep the others waiting.
"""

from collections.abc import Callable
from typing import Final

import trio

AHEAD_BYTES_MIN: Final = 64 << 10
AHEAD_BYTES_MAX: Final = 1 << 20
"""How much is received at once: as much as has arrived already, within these bounds."""
PROGRESS_S: Final = 1.0
SMALL_BYTES_MAX: Final = 4 << 20
PRESSURE_S: Final = 10.0
"""How long a request may take at most to arrive while others wait."""
CHECK_S: Final = 0.1


class Arrival:
    """One request that is arriving."""

    __slots__ = ("begun_at", "bytes", "give_way", "is_waiting", "marked_at", "marked_bytes", "received")

    def __init__(self, now: float, give_way: Callable[[], None]) -> None:
        self.give_way = give_way
        self.begun_at = self.marked_at = now
        """Both move on by the time that it has waited for room."""
        self.bytes = 0
        """What is counted for it."""
        self.received = self.marked_bytes = 0
        self.is_waiting = False


class Room:
    """All requests of a node that are arriving, or the large or the small ones of them."""

    def __init__(self, clock: Callable[[], float], bytes_max: int, bytes_per_s_min: int) -> None:
        """`clock` is in seconds. A request that receives less than `bytes_per_s_min` makes no progress."""
        self._clock = clock
        self._bytes_max = bytes_max
        self._bytes_per_s_min = bytes_per_s_min
        self._arrivals: dict[Arrival, None] = {}
        self._checked_at = 0.0
        self.bytes = 0
        self.gave_way = 0
        """How many connections were closed to make room."""

    def __repr__(self) -> str:
        return f"<Room {len(self._arrivals)} requests, {self.bytes} of {self._bytes_max} bytes>"

    def begin(self, give_way: Callable[[], None]) -> Arrival:
        """A request begins to arrive; `give_way` closes its connection. Whoever begins it ends it."""
        arrival = Arrival(self._clock(), give_way)
        self._arrivals[arrival] = None
        return arrival

    def end(self, arrival: Arrival) -> None:
        """The request is complete, or its connection has ended."""
        del self._arrivals[arrival]
        self.bytes -= arrival.bytes

    async def take(self, arrival: Arrival, received: int, remaining: int) -> int:
        """Wait for room to receive more; how many bytes. `received` is what has been received so far."""
        arrival.received = received
        ahead = min(remaining, max(AHEAD_BYTES_MIN, min(received, AHEAD_BYTES_MAX)))
        more = received + ahead - arrival.bytes
        if self._has_to_wait(arrival, more):
            await self._wait(arrival, more)
        self.bytes += more
        arrival.bytes += more
        return ahead

    def _has_to_wait(self, arrival: Arrival, more: int) -> bool:
        return self.bytes + more > self._bytes_max and next(iter(self._arrivals)) is not arrival

    async def _wait(self, arrival: Arrival, more: int) -> None:
        begun = self._clock()
        arrival.is_waiting = True
        try:
            while self._has_to_wait(arrival, more):
                self._make_room()
                await trio.sleep(CHECK_S)
        finally:
            arrival.is_waiting = False
            arrival.begun_at += self._clock() - begun
            arrival.marked_at, arrival.marked_bytes = self._clock(), arrival.received

    def _make_room(self) -> None:
        """Close the connections of requests that make no progress."""
        now = self._clock()
        if now < self._checked_at + CHECK_S:
            return
        self._checked_at = now
        for arrival in list(self._arrivals):
            if arrival.is_waiting:
                continue
            seconds = now - arrival.marked_at
            is_slow = arrival.received - arrival.marked_bytes < seconds * self._bytes_per_s_min
            if now - arrival.begun_at > PRESSURE_S or (is_slow and seconds >= PROGRESS_S):
                self.gave_way += 1
                arrival.give_way()
            elif seconds >= PROGRESS_S:
                arrival.marked_at, arrival.marked_bytes = now, arrival.received


class Arrivals:
    """Of a node: the room for large requests that are arriving, and that for the others."""

    def __init__(self, clock: Callable[[], float], bytes_max: int, bytes_per_s_min: int) -> None:
        """`bytes_max` for all together; beyond it there may be the one of each room that has been arriving longest."""
        self.small = Room(clock, bytes_max // 2, bytes_per_s_min)
        self.large = Room(clock, bytes_max // 2, bytes_per_s_min)

    def room_for(self, length: int) -> Room:
        """The room for a request of this length."""
        return self.small if length <= SMALL_BYTES_MAX else self.large

    @property
    def bytes(self) -> int:
        """What is counted for all requests that are arriving."""
        return self.small.bytes + self.large.bytes

    @property
    def gave_way(self) -> int:
        """How many connections were closed to make room."""
        return self.small.gave_way + self.large.gave_way
