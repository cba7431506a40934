"""The only access to clocks, randomness and threads.

A node has one Runtime, passed down from where it is composed. The simulation passes its own, with a virtual clock, a
seeded generator, and an `offload` that runs in place. No thread exists there, so a seed determines the whole history;
code that read the clock or drew a random number directly would break that.
"""

import gc
import os
import random as _random
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeAlias, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Largest number of threads for each kind of blocking work; kinds that are not listed use `other`. Separate limits keep
# a hundred slow reads from delaying a commit.
# Those that decompress batches (`validate` for produce, `decode` for lookups by time) hold up to 64 MiB each.
THREADS_MAX = {"read": 16, "put": 8, "commit": 2, "snapshot": 1, "validate": 2, "decode": 2, "other": 4}

# How long a thread keeps the interpreter lock when others want it. While another thread runs Python code, the median
# latency of a request is 0.6 ms with this value and 5.2 ms with the default of 5 ms.
SWITCH_INTERVAL_S = 0.0005


class Runtime:
    """Clocks, randomness and threads of one process."""

    def __init__(self) -> None:
        self.random: _random.Random = _random.SystemRandom()
        self._limiters: dict[str, trio.CapacityLimiter] = {}

    def now_ms(self) -> int:
        """Wall clock: milliseconds since 1970. May jump forwards or backwards."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds on the clock of trio's deadlines and sleeps. Never goes back."""
        return trio.current_time()

    # Real seconds, for measuring durations and for yielding in long steps (a virtual clock stands still within a step).
    # Read several times per request, so it is the system's function itself: a method would be one more call.
    stopwatch: Callable[[], float] = staticmethod(time.perf_counter)

    def token(self, length: int) -> bytes:
        """Random bytes for ids and nonces."""
        return secrets.token_bytes(length)

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run blocking or long pure work in a thread, at most THREADS_MAX[limiter] at a time.

        The work cannot be cancelled: a cancelled caller still waits until the thread is done.
        """
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter(limiter))

    async def offload_abandonable(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """`offload` of work whose result nobody needs once the caller is cancelled, such as a request to a service.

        A cancelled caller goes on at once. The thread ends its work, counts against the limit until then, and does not
        keep the process from exiting.
        """
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter(limiter), abandon_on_cancel=True)

    def _limiter(self, name: str) -> trio.CapacityLimiter:
        bound = self._limiters.get(name)
        if bound is None:
            bound = self._limiters[name] = trio.CapacityLimiter(THREADS_MAX.get(name, THREADS_MAX["other"]))
        return bound


class Backoff:
    """Pauses that double from `first_s` up to `longest_s`, with jitter, until something succeeds.

    Each pause is drawn from the upper half of its bound, so that nodes that failed together do not retry together.
    """

    def __init__(self, generator: _random.Random, *, first_s: float, longest_s: float) -> None:
        """`generator` is that of the runtime, so that the simulation determines the jitter."""
        assert 0 < first_s <= longest_s
        self._generator = generator
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        """Seconds to pause after one more failure."""
        pause_s = self._next_s * self._generator.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._longest_s)
        return pause_s

    async def wait(self) -> None:
        """Pause once."""
        await trio.sleep(self.next_s())

    def reset(self) -> None:
        """Return to the first pause, after a success."""
        self._next_s = self._first_s


_environment_lock = threading.Lock()


@contextmanager
def without_variables(names: Iterable[str]) -> Iterator[None]:
    """The environment of this process without some variables, for a library that can only be kept from them so."""
    with _environment_lock:
        kept = {name: os.environ.pop(name) for name in names if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(kept)


Ready: TypeAlias = Callable[[], None]


class LoopThread:
    """A trio loop in its own thread, in a process with another event loop or none: for a broker inside a user's test.

    Calls from other threads block their caller, never the loop.
    """

    def __init__(self, name: str) -> None:
        # A daemon thread: a broker that was never stopped must not keep the interpreter from exiting.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started: Future[None] = Future()
        self._nursery: trio.Nursery | None = None
        self._failure: BaseException | None = None

    def start(self, main: Callable[[Ready], Awaitable[None]]) -> None:
        """Run `main` in the thread; returns once it has called its argument. Raises: what `main` raised before that."""
        self._main = main
        self._thread.start()
        self._started.result()

    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.get_ident() == self._thread.ident

    def call(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run an async function in the loop; returns or raises what the function does.

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
                    future.set_exception(RuntimeError(f"{self._thread.name} ended before the call was complete."))

        def begin() -> None:
            assert self._nursery is not None
            try:
                self._nursery.start_soon(job)
            except RuntimeError as error:  # the nursery was closed in the meantime
                future.set_exception(error)

        try:
            self._token.run_sync_soon(begin)
        except trio.RunFinishedError as error:
            raise RuntimeError(f"{self._thread.name} has ended.") from error
        return future.result()

    def join(self, timeout_s: float) -> bool:
        """Wait for `main` to end. False after a timeout. Raises: what `main` raised after it had started."""
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
                # Raised below: an exception raised inside the nursery would come out as an exception group.
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure


# New objects between two runs of the garbage collector (by default 700 in Python 3.11). Values on the hot path form no
# reference cycles, so a run finds little, and it delays whatever request it falls into.
GC_THRESHOLD = 5_000


def tune_interpreter() -> None:
    """Adjust process-wide settings of the interpreter for a broker. Never called inside a user's process."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(GC_THRESHOLD, 20, 100)


def settle_memory() -> None:
    """Exempt existing objects (modules, codecs, the loaded State) from garbage collection: they live to the end."""
    gc.freeze()
