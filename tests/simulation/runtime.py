"""The Runtime of a simulated node or client: virtual time, seeded randomness, no threads."""

import random
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

from higgins.runtime import Runtime

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_MS = 1_700_000_000_000


class SimulatedRuntime(Runtime):
    """A Runtime on trio's mock clock. The wall clock is off by `skew_ms`, and jumps when that is changed."""

    def __init__(self, rng: random.Random, skew_ms: int = 0) -> None:
        super().__init__()
        self.random = rng
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return START_MS + int(trio.current_time() * 1000) + self.skew_ms

    def stopwatch(self) -> float:
        # The virtual clock stands still between awaits. With a real clock, when a long fold yields would depend on the
        # machine, and the run would not be reproducible.
        return 0.0

    def token(self, length: int) -> bytes:
        return self.random.randbytes(length)

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)
