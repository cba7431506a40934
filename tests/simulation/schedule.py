"""Deterministic scheduling: a virtual clock, a seeded task order, tasks that can be frozen, and a queue of timers.

Trio runs the ready tasks of a step in random order, drawn from a private generator (`trio._core._run._r`), which is
seeded here. Trio also has a private switch for reproducible runs, `_ALLOW_DETERMINISTIC_SCHEDULING`: with it, the list
is sorted by the age of the tasks before it is shuffled; otherwise it would depend on addresses in memory.
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
    """A group of tasks that can be paused and continued, as a process is by SIGSTOP and SIGCONT."""

    def __init__(self) -> None:
        self.frozen = False
        self._held: list[trio.lowlevel.Task] = []

    def hold(self, task: trio.lowlevel.Task) -> None:
        """Keep a task that is ready to run until `thaw`."""
        self._held.append(task)

    def thaw(self) -> None:
        """Continue all tasks. Deadlines that passed meanwhile have passed, as after SIGCONT."""
        self.frozen = False
        held, self._held = self._held, []
        trio_run.GLOBAL_RUN_CONTEXT.runner.runq.extend(held)


FREEZER: ContextVar[Freezer | None] = ContextVar("FREEZER", default=None)
"""The group that a task belongs to; tasks inherit it from the task that starts them."""


class RunQueue(deque[trio.lowlevel.Task]):
    """Trio's queue of ready tasks, except that frozen tasks are held back."""

    def append(self, task: trio.lowlevel.Task) -> None:
        freezer = task.context.get(FREEZER)
        if freezer is not None and freezer.frozen:
            freezer.hold(task)
        else:
            super().append(task)


class TimerQueue:
    """Callbacks to run at given times. The simulated store and network use it instead of a task per operation."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._scope = trio.CancelScope()

    def after(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Run `callback` after a delay. Callbacks at the same time run in the order in which they were added."""
        at = trio.current_time() + delay_s
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, callback))
        self._scope.deadline = min(self._scope.deadline, at)

    async def run(self) -> None:
        """Run the callbacks, until cancelled."""
        while True:
            now = trio.current_time()
            while self._heap and self._heap[0][0] <= now:
                heapq.heappop(self._heap)[2]()
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else float("inf")) as self._scope:
                await trio.sleep_forever()


def _freeze_imported_objects() -> None:
    """Exclude everything imported so far from garbage collection: it lives until the process ends."""
    global _frozen_memory  # noqa: PLW0603
    if not _frozen_memory:
        _frozen_memory = True
        gc.collect()
        gc.freeze()


def run_seeded(seed: int, main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on a virtual clock, with the order of ready tasks drawn from the seed."""

    async def seeded() -> T:
        runner: Any = trio_run.GLOBAL_RUN_CONTEXT.runner
        runner.runq = RunQueue(runner.runq)
        return await main()

    before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_run._r.seed(seed)
    _freeze_imported_objects()
    # Finalizers of abandoned generators run Python code, at a time that depends on memory use. The collector is off
    # during a run, so that they all run after it.
    gc_was_enabled = gc.isenabled()
    gc.disable()
    try:
        return trio.run(seeded, clock=MockClock(autojump_threshold=0))
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = before[0]  # type: ignore[misc]
        trio_run._r.setstate(before[1])
        if gc_was_enabled:
            gc.enable()
        gc.collect()
