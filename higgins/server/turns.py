"""Turns: how the connections of a node share its event loop.

Nothing that clients send may hold the loop for more than a few milliseconds, whatever one of them or all of them
together do. Work is therefore measured in time, for each pass of the loop: once `TURN_S` of a pass is used up, whoever
has more to do waits until it is its turn in a later pass. Long work is divided into steps of at most about a
millisecond, with a check between them.

Who has used little of the loop lately goes first. A connection that has used a millisecond is behind those that have
used none for `1 / SHARE` times as long, two seconds, and for at most `DEBT_S` in all. So hundreds of connections that
pipeline expensive requests delay each other, and a client that sends a request now and then waits for a pass or two.

Within a simulation the clock stands still while anything runs, so no turn ever ends, and a seed determines the history.
"""

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final, TypeVar

import trio

T = TypeVar("T")

TURN_S: Final = 0.002
"""How much of a pass of the loop is used before whoever has more to do waits."""
SHARE: Final = 0.0005
"""A connection that uses a larger part of the loop than this waits behind those that use less."""
DEBT_S: Final = 5.0
"""The longest time for which a connection waits behind others, whatever it has used."""
WOKEN_MAX: Final = 64
"""How many are woken for a pass at most: one, and twice as many as for the pass before as long as that leaves time.

Those for whom no time is left wait again, in their old place.
"""


class Account:
    """What one connection has used of the loop lately."""

    __slots__ = ("settled_at",)

    def __init__(self) -> None:
        self.settled_at = 0.0
        """Until when it waits behind those that have used less."""


class Turns(trio.abc.Instrument):
    """Of a node: the time used in the current pass of its event loop, and who waits for a turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in real seconds (`Runtime.stopwatch`)."""
        self.clock = clock
        self.ends_at = inf
        """When the time of this pass is used up; never, unless `run` is running."""
        self._woken = 1
        self._waiting: list[tuple[float, int, trio.Event]] = []
        self._order = count()
        self._has_waiting = trio.Event()

    def __repr__(self) -> str:
        return f"<Turns waiting={len(self._waiting)}>"

    def after_io_wait(self, timeout: float) -> None:
        """A pass of the loop begins. Trio calls this."""
        now = self.clock()
        self._woken = min(2 * self._woken, WOKEN_MAX) if now <= self.ends_at else 1
        self.ends_at = now + TURN_S

    def is_over(self) -> bool:
        """Whether the time of this pass is used up, so that who has more to do must `wait`."""
        return self.clock() > self.ends_at

    def charge(self, account: Account, since: float) -> None:
        """Note that a connection has used the loop since then."""
        now = self.clock()
        account.settled_at = min(max(account.settled_at, now) + (now - since) / SHARE, now + DEBT_S)

    async def wait(self, account: Account) -> None:
        """Wait for a pass in which there is time; who has used least goes first."""
        if not self._waiting:
            await trio.lowlevel.checkpoint()
        place = max(account.settled_at, self.clock()), next(self._order)
        while self.is_over():
            event = trio.Event()
            heappush(self._waiting, (*place, event))
            self._has_waiting.set()
            await event.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Give turns until cancelled. Nobody waits before this runs, or after."""
        trio.lowlevel.add_instrument(self)
        self.ends_at = self.clock() + TURN_S
        task_status.started()
        try:
            while True:
                await self._has_waiting.wait()
                self._has_waiting = trio.Event()
                while self._waiting:
                    # Runnable all the time, so that the loop does not sleep while somebody waits for its next pass.
                    await trio.lowlevel.checkpoint()
                    for _ in range(min(self._woken, len(self._waiting))):
                        heappop(self._waiting)[2].set()
        finally:
            trio.lowlevel.remove_instrument(self)
            self.ends_at = inf
            for _, _, event in self._waiting:
                event.set()
            self._waiting.clear()


class Pace:
    """The pace of one piece of long work for one connection: rests whenever the time of a pass is used up."""

    __slots__ = ("_account", "_begun", "_turns")

    def __init__(self, turns: Turns, account: Account) -> None:
        self._turns = turns
        self._account = account
        self._begun = turns.clock()

    async def rest(self) -> None:
        """Between two steps: wait for a turn, if the time of this pass is used up; else it costs next to nothing."""
        turns = self._turns
        if turns.is_over():
            turns.charge(self._account, self._begun)
            await turns.wait(self._account)
            self._begun = turns.clock()

    async def finish(self, steps: Generator[object, None, T]) -> T:
        """Run a generator to its end, a step at a time; what it returns. Raises: what the generator raises."""
        while True:
            await self.rest()
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result


def finish_now(turns: Turns, steps: Generator[object, None, T]) -> tuple[bool, T | None]:
    """Run a generator as long as there is time in this pass: (True, what it returned), or (False, None)."""
    try:
        while True:
            next(steps)
            if turns.is_over():
                return False, None
    except StopIteration as end:
        return True, end.value
