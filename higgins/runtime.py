"""The only door to wall time, chance and threads.

One Runtime per node, handed down from the composition root. The simulation hands in its own: a virtual clock, a seeded
generator, and an `offload` that runs in place, so that no thread exists and one seed is one history.
"""

import gc
import random as _random
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeAlias, TypeVar, TypeVarTuple

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

    # Real seconds, for measuring and for giving the loop back during long steps; virtual clocks do not move inside a
    # step. Asked several times for each request, so it is the system's own function and not a call more.
    stopwatch: Callable[[], float] = staticmethod(time.perf_counter)

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


class Backoff:
    """Pauses that double from `first_s` up to `longest_s`, with jitter, until something succeeds.

    Each pause is drawn from the upper half of its bound, so that nodes that failed together do not retry together.
    """

    def __init__(self, source: _random.Random, *, first_s: float, longest_s: float) -> None:
        """`source` is the runtime's generator, so that the simulation controls the jitter."""
        assert 0 < first_s <= longest_s
        self._source = source
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        """Seconds to pause after one more failure."""
        pause_s = self._next_s * self._source.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._longest_s)
        return pause_s

    async def wait(self) -> None:
        """Pause once."""
        await trio.sleep(self.next_s())

    def reset(self) -> None:
        """Start over after a success."""
        self._next_s = self._first_s


Ready: TypeAlias = Callable[[], None]


class LoopThread:
    """A trio loop in a thread of its own, inside a process that has another loop or none: a broker in a user's test.

    What is asked of it from outside blocks the caller, never the loop.
    """

    def __init__(self, name: str) -> None:
        # A daemon, so that a broker somebody forgot to stop does not keep the interpreter from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started: Future[None] = Future()
        self._nursery: trio.Nursery | None = None
        self._failure: BaseException | None = None

    def start(self, main: Callable[[Ready], Awaitable[None]]) -> None:
        """Run `main` there, and return once it has called what it is given. Raises: what `main` raised before that."""
        self._main = main
        self._thread.start()
        self._started.result()

    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.get_ident() == self._thread.ident

    def call(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run an async function there and wait for what it returns or raises.

        Raises: RuntimeError when the loop has ended.
        """
        future: Future[T] = Future()

        async def job() -> None:
            try:
                future.set_result(await function(*args))
            except Exception as error:
                future.set_exception(error)
            finally:
                if not future.done():
                    future.set_exception(RuntimeError(f"{self._thread.name} ended before it answered."))

        def begin() -> None:
            assert self._nursery is not None
            try:
                self._nursery.start_soon(job)
            except RuntimeError as error:  # closed a moment ago
                future.set_exception(error)

        try:
            self._token.run_sync_soon(begin)
        except trio.RunFinishedError as error:
            raise RuntimeError(f"{self._thread.name} has ended.") from error
        return future.result()

    def join(self, timeout_s: float) -> bool:
        """Wait for `main` to end; whether it has. Raises: what it raised after it had started."""
        self._thread.join(timeout_s)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            trio.run(self._hold)
        except BaseException as error:
            if self._started.done():
                self._failure = error
            else:
                self._started.set_exception(error)

    async def _hold(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                await self._main(lambda: self._started.set_result(None))
            except Exception as error:
                # Raised below: what is raised in here would come out as a group.
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


# Values on the hot path form no cycles, so the collector looks rarely.
COLLECT_EVERY = 5_000


def tune_interpreter() -> None:
    """Set the process-wide knobs that a broker wants; called once by the process that owns the loop."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_EVERY, 20, 100)


def settle_memory() -> None:
    """Keep the collector away from everything made so far: modules, codecs, a State just loaded."""
    gc.freeze()
