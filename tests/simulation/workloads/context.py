"""What all workloads share: the event log, the network, client settings, and when to stop."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import trio

from higgins.client import ClientSettings, Cluster, NotStored, SendResult, Stored, Unresolved, open_cluster
from tests.simulation.event_log import EventLog
from tests.simulation.network import Network
from tests.simulation.runtime import SimulatedRuntime

ORDERS = "orders"
"""The operator's input."""
PLAIN = "plain"
LARGE = "large"
"""The operator's output."""
TRIMMED = "trimmed"
"""Its oldest records are deleted."""
GROWN = "grown"
"""Gets more partitions; the input of a second operator."""
GROWN_LARGE = "grown-large"
GROUP = "g"
PARTITIONS = 3


class WorkloadContext:
    """The environment of one history's clients."""

    def __init__(
        self,
        event_log: EventLog,
        network: Network,
        addresses: list[tuple[str, int]],
        rng: Callable[[str], random.Random],
    ) -> None:
        self.event_log = event_log
        self.network = network
        self.addresses = addresses
        self.rng = rng
        self.client_settings = ClientSettings(
            connect_timeout_s=2.0, request_timeout_s=4.0, operation_timeout_s=20.0, backoff_ms=50, backoff_ms_max=500
        )
        self.write_interval_s = 0.27
        self.writing = True
        self.reading = True
        self._life_scopes: dict[trio.CancelScope, None] = {}
        self.crashes_stopped = False

    @contextmanager
    def life(self, rng: random.Random, mean_s: float) -> Iterator[None]:
        """One run of a client, which is cancelled at a random time (the client crashes) until `stop_crashes`."""
        scope = trio.CancelScope(deadline=trio.current_time() + 4 + rng.expovariate(1 / mean_s))
        if self.crashes_stopped:
            scope.deadline = float("inf")
        self._life_scopes[scope] = None
        try:
            with scope:
                yield
        finally:
            del self._life_scopes[scope]

    def stop_crashes(self) -> None:
        """From now on no client crashes."""
        self.crashes_stopped = True
        for scope in self._life_scopes:
            scope.deadline = float("inf")

    def log_result(self, number: int, result: SendResult) -> bool:
        """Add the result of the send with this id to the event log; false when its outcome is unknown."""
        match result:
            case Stored(offset=offset):
                self.event_log.add("sent", id=number, ok=1, o=offset)
            case NotStored():
                self.event_log.add("sent", id=number, ok=0, o=None)
            case Unresolved():
                self.event_log.add("sent", id=number, ok=-1, o=None)
                return False
        return True

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        return await self.network.connect(host, port)

    def open_cluster(self, name: str) -> AbstractAsyncContextManager[Cluster]:
        """A client of the simulated cluster."""
        return open_cluster(self.connect, self.runtime(name), self.addresses, self.client_settings)

    def runtime(self, name: str) -> SimulatedRuntime:
        """The Runtime of a client."""
        return SimulatedRuntime(self.rng(f"client/{name}"))
