"""Time and turns of a simulated world: a virtual clock, a seeded scheduler, tasks that can be frozen, and a timetable.

One seed decides in which order ready tasks run. Trio keeps the generator of that decision private
(`trio._core._run._r`), so it is seeded there, and trio's own switch for reproducible runs makes it shuffle a list that
is sorted by the tasks' age rather than one that depends on addresses in memory.
"""

import gc
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import trio
import trio._core._run as trio_run
from trio.testing import MockClock

T = TypeVar("T")

_frozen_memory = False


class Freezer:
    """A group of tasks that can be stopped where they stand, as SIGSTOP does, and let go on later."""

    def __init__(self) -> None:
        self.frozen = False
        self._held: list[trio.lowlevel.Task] = []

    def hold(self, task: trio.lowlevel.Task) -> None:
        """Keep a task that was about to run."""
        self._held.append(task)

    def thaw(self) -> None:
        """Let everything go on; timers that ran out meanwhile have run out."""
        self.frozen = False
        held, self._held = self._held, []
        trio_run.GLOBAL_RUN_CONTEXT.runner.runq.extend(held)


FREEZER: ContextVar[Freezer | None] = ContextVar("FREEZER", default=None)
"""Which group a task belongs to; inherited by the tasks it starts."""


class RunQueue(deque[trio.lowlevel.Task]):
    """Trio's queue of ready tasks, which passes over those that are frozen."""

    def append(self, task: trio.lowlevel.Task) -> None:
        freezer = task.context.get(FREEZER)
        if freezer is not None and freezer.frozen:
            freezer.hold(task)
        else:
            super().append(task)


class Timetable:
    """What happens at which moment, in one heap: store and network keep their appointments here."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._scope = trio.CancelScope()

    def after(self, delay_s: float, what: Callable[[], None]) -> None:
        """Call `what` in a while; equal moments keep their order."""
        at = trio.current_time() + delay_s
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, what))
        self._scope.deadline = min(self._scope.deadline, at)

    async def run(self) -> None:
        """Keep time for ever."""
        while True:
            now = trio.current_time()
            while self._heap and self._heap[0][0] <= now:
                heapq.heappop(self._heap)[2]()
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else float("inf")) as self._scope:
                await trio.sleep_forever()


def _set_modules_aside() -> None:
    """What was imported stays for good, so no collection needs to look at it again."""
    global _frozen_memory  # noqa: PLW0603
    if not _frozen_memory:
        _frozen_memory = True
        gc.collect()
        gc.freeze()


def run_seeded(seed: int, main: Callable[[], Awaitable[T]]) -> T:
    """Run a world to its end, every decision of the scheduler drawn from the seed."""

    async def seeded() -> T:
        runner: Any = trio_run.GLOBAL_RUN_CONTEXT.runner
        runner.runq = RunQueue(runner.runq)
        return await main()

    before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_run._r.seed(seed)
    _set_modules_aside()
    # Finalizers of forgotten generators would run whenever memory happens to be collected.
    collected = gc.isenabled()
    gc.disable()
    try:
        return trio.run(seeded, clock=MockClock(autojump_threshold=0))
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = before[0]  # type: ignore[misc]
        trio_run._r.setstate(before[1])
        if collected:
            gc.enable()
        gc.collect()
