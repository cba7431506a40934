"""A node's or a client's door to time and chance in a simulated world: no threads, no real clock, no real dice."""

import random
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

from higgins.runtime import Runtime

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BEGINNING_MS = 1_700_000_000_000


class SimulatedRuntime(Runtime):
    """Virtual time, with a wall clock that may be wrong by `skew_ms` and jump when that is changed."""

    def __init__(self, chance: random.Random, skew_ms: int = 0) -> None:
        super().__init__()
        self.random = chance
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return BEGINNING_MS + int(trio.current_time() * 1000) + self.skew_ms

    def stopwatch(self) -> float:
        # Virtual clocks stand still inside a step; a real one would make yields depend on the machine.
        return 0.0

    def token(self, length: int) -> bytes:
        return self.random.randbytes(length)

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)
