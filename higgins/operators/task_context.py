"""What the tasks of a node share: the log, the ledger, settings, a share of memory, and the commits under way."""

from collections.abc import Sequence

import trio

from higgins.ledger.ledger import Ledger
from higgins.log.reader import Reader
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import HigginsError
from higgins.operators.settings import OperatorSettings
from higgins.runtime import Runtime

THREADS = "operators"
"""The limiter of threads that compile, restore and decompress."""


class Flight:
    """The commit of one epoch under way."""

    def __init__(self) -> None:
        self._landed = trio.Event()
        self._error: HigginsError | None = None

    def settle(self, error: HigginsError | None) -> None:
        """The outcome. Called exactly once, on the event loop."""
        self._error = error
        self._landed.set()

    async def land(self) -> None:
        """Wait for the outcome. Raises: what the writer or the ledger answered."""
        await self._landed.wait()
        if self._error is not None:
            raise self._error


class TaskContext:
    """Shared by all tasks of a node."""

    def __init__(
        self,
        runtime: Runtime,
        ledger: Ledger,
        settings: OperatorSettings,
        *,
        writer: Writer,
        reader: Reader,
        watch: Watch,
    ) -> None:
        self.runtime = runtime
        self.ledger = ledger
        self.writer = writer
        self.reader = reader
        self.watch = watch
        self.settings = settings
        self.turns = trio.CapacityLimiter(settings.epochs_computed_max)
        self.tasks_running = 0
        self._flights: dict[str, Flight] = {}

    def epoch_bytes_max(self) -> int:
        """How much a task may read for an epoch: its share of the memory, within the configured bounds.

        Half of the share, because an epoch is in memory twice: as input and as output.
        """
        share = self.settings.memory_bytes // max(1, 2 * self.tasks_running)
        return max(self.settings.epoch_bytes_min // 4, min(self.settings.epoch_bytes_max, share))

    def begin_flight(self, resource: str) -> tuple[Flight, "_Settled"]:
        """A commit of a task begins; the second value is for the writer to call."""
        assert resource not in self._flights, f"{resource} has a commit under way"
        flight = self._flights[resource] = Flight()
        return flight, _Settled(flight, self._flights, resource)

    async def settle_flight(self, resource: str) -> None:
        """Wait until no commit of a task is under way; its outcome is in the ledger's state when this returns.

        A task that starts again must not read its position before that, even if the commit belongs to an attempt that
        was cancelled: what the writer has accepted is committed or refused whatever becomes of the task. An epoch that
        moved a position twice would be refused, but one in which only time passed has no position to move.
        """
        flight = self._flights.get(resource)
        if flight is not None:
            try:
                await flight.land()
            except HigginsError:
                pass


class _Settled:
    """The writer's callback: forgets the flight and settles it."""

    def __init__(self, flight: Flight, flights: dict[str, Flight], resource: str) -> None:
        self._flight = flight
        self._flights = flights
        self._resource = resource

    def __call__(self, outcome: Sequence[int] | HigginsError, stamped_ms: int) -> None:
        del self._flights[self._resource]
        self._flight.settle(outcome if isinstance(outcome, HigginsError) else None)
