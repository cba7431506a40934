"""What workloads share: the chronicle, the network, how clients behave, and when to stop."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from higgins.client.settings import ClientSettings
from tests.simulation.chronicle import Chronicle
from tests.simulation.network import Network
from tests.simulation.runtime import SimulatedRuntime

ORDERS = "orders"
"""Read by the operator."""
PLAIN = "plain"
LARGE = "large"
"""Written by the operator."""
TRIMMED = "trimmed"
"""Loses its oldest records."""
GROWN = "grown"
"""Is given more partitions; an operator reads it too."""
GROWN_LARGE = "grown-large"
GROUP = "g"
PARTITIONS = 3


class Stage:
    """One history's clients."""

    def __init__(
        self,
        chronicle: Chronicle,
        network: Network,
        addresses: list[tuple[str, int]],
        chance: Callable[[str], random.Random],
    ) -> None:
        self.chronicle = chronicle
        self.network = network
        self.addresses = addresses
        self.chance = chance
        self.client_settings = ClientSettings(
            connect_timeout_s=2.0, request_timeout_s=4.0, operation_timeout_s=20.0, backoff_ms=50, backoff_ms_max=500
        )
        self.write_interval_s = 0.27
        self.writing = True
        self.reading = True
        self._lives: dict[trio.CancelScope, None] = {}
        self.is_peaceful = False

    @contextmanager
    def life(self, chance: random.Random, mean_s: float) -> Iterator[None]:
        """A life of a client, cut short at some moment while there is trouble."""
        scope = trio.CancelScope(deadline=trio.current_time() + 4 + chance.expovariate(1 / mean_s))
        if self.is_peaceful:
            scope.deadline = float("inf")
        self._lives[scope] = None
        try:
            with scope:
                yield
        finally:
            del self._lives[scope]

    def make_peace(self) -> None:
        """No client dies any more."""
        self.is_peaceful = True
        for scope in self._lives:
            scope.deadline = float("inf")

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        return await self.network.connect(host, port)

    def runtime(self, name: str) -> SimulatedRuntime:
        """Time and chance of a client."""
        return SimulatedRuntime(self.chance(f"client/{name}"))
