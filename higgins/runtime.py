"""The only door to wall time, chance and threads.

One Runtime per node, handed down from the composition root. The simulation hands in its own: a virtual clock, a seeded
generator, and an `offload` that runs in place, so that no thread exists and one seed is one history.
"""

import gc
import random as _random
import secrets
import sys
import time
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# How many threads one kind of blocking work may hold at once. What is not named here gets `other`.
THREADS_MAX = {"read": 16, "put": 8, "commit": 2, "snapshot": 1, "other": 4}

# With one Python thread computing, a request's median falls from 5.2 ms to 0.6 ms against the default of 5 ms.
SWITCH_INTERVAL_S = 0.0005


class Runtime:
    """Time, chance and threads of one process."""

    def __init__(self) -> None:
        self.random: _random.Random = _random.SystemRandom()
        self._limiters: dict[str, trio.CapacityLimiter] = {}

    def now_ms(self) -> int:
        """Wall clock, milliseconds since the epoch; may jump either way."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds on the clock that deadlines and sleeps follow; never goes back."""
        return trio.current_time()

    def away_clock(self) -> float:
        """Seconds on a clock that also runs while the machine sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def stopwatch(self) -> float:
        """Real seconds, for giving the loop back during long steps; virtual clocks do not move inside a step."""
        return time.perf_counter()

    def token(self, length: int) -> bytes:
        """Fresh random bytes for ids and nonces."""
        return secrets.token_bytes(length)

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run blocking or long pure work in a thread, at most THREADS_MAX[limiter] at a time.

        The thread is not cancellable: a caller that leaves early must treat the outcome as unknown.
        """
        bound = self._limiters.get(limiter)
        if bound is None:
            bound = self._limiters[limiter] = trio.CapacityLimiter(THREADS_MAX.get(limiter, THREADS_MAX["other"]))
        return await trio.to_thread.run_sync(function, *args, limiter=bound)


# Values on the hot path form no cycles, so the collector looks rarely.
COLLECT_EVERY = 5_000


def tune_interpreter() -> None:
    """Set the process-wide knobs that a broker wants; called once by the process that owns the loop."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_EVERY, 20, 100)


def settle_memory() -> None:
    """Keep the collector away from everything made so far: modules, codecs, a State just loaded."""
    gc.freeze()
