"""Counters: what a node counts of itself. Plain numbers in slots; rooms add to them, the exposition reads them.

Refuses locks, clocks and labels looked up by text: adding to one must cost less than the call that it counts. Only the
loop's own thread adds.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

SECONDS: Final = (
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of the buckets of everything that takes time."""

SIZES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)
"""Upper bounds where things are counted together."""

OK: Final = "ok"


class Histogram:
    """Values in fixed buckets: how many lie at or below each bound, past the one before it."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """One more than there are bounds: the last is for what lies past them all."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def copy(self) -> "Histogram":
        """The same values, for a reader in another thread: this one goes on counting."""
        copied = Histogram(self.bounds)
        copied.counts = list(self.counts)
        copied.total = self.total
        return copied


class ApiCounts:
    """Requests of one API: how long each took from its frame to its answer, and the errors they were told."""

    __slots__ = ("errors", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram()
        self.errors: dict[int, int] = {}
        """By Kafka's error code; of a request with many partitions, each counts."""

    def refuse(self, code: int) -> None:
        """Count an error that a client was told."""
        self.errors[code] = self.errors.get(code, 0) + 1


class RequestCounts:
    """Requests by API key."""

    __slots__ = ("by_api",)

    def __init__(self, keys: Iterable[int]) -> None:
        self.by_api: dict[int, ApiCounts] = {key: ApiCounts() for key in sorted(keys)}


class ConnectionCounts:
    """Connections of clients."""

    __slots__ = ("accepted", "closed", "failed", "overdue", "refused")

    def __init__(self) -> None:
        self.accepted = 0
        self.closed = 0
        """Of those accepted, the ones that have ended, whatever ended them."""
        self.refused = 0
        """Turned away at the limits."""
        self.overdue = 0
        """Closed because nothing came, or nothing was taken, for too long."""
        self.failed = 0
        """Ended by a fault of ours."""

    @property
    def open(self) -> int:
        """How many there are now."""
        return self.accepted - self.closed


class OperationCounts:
    """One kind of store operation: how long each took, what became of it, and the bytes that went either way."""

    __slots__ = ("bytes", "outcomes", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram()
        self.bytes = 0
        self.outcomes: dict[str, int] = {OK: 0}
        """`ok`, or the failure's name in the words of the store port."""


class StoreCounts:
    """Store operations by kind."""

    __slots__ = ("by_kind", "create", "delete", "get", "get_range", "list", "put")

    def __init__(self) -> None:
        self.create = OperationCounts()
        self.put = OperationCounts()
        self.get = OperationCounts()
        self.get_range = OperationCounts()
        self.list = OperationCounts()
        self.delete = OperationCounts()
        self.by_kind = {
            kind: getattr(self, kind) for kind in ("create", "put", "get", "get_range", "list", "delete")
        }


class CommitCounts:
    """What became of a node's proposals."""

    __slots__ = ("lost_races", "proposals", "refusals", "seconds", "won")

    def __init__(self) -> None:
        self.won = 0
        """Commits of this node."""
        self.lost_races = 0
        """Numbers that somebody else had taken first."""
        self.refusals = 0
        """Proposals that validation refused."""
        self.seconds = Histogram()
        """From taking queued proposals to their outcome."""
        self.proposals = Histogram(SIZES)
        """How many were taken together."""


class TopicTraffic:
    """One topic's records through one node. What goes in is counted once committed, whoever wrote it."""

    __slots__ = ("bytes_in", "bytes_out", "records_in")

    def __init__(self) -> None:
        self.records_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        """What clients fetched."""


class Counts:
    """What the composition root hands to rooms that do not own their counters."""

    __slots__ = ("connections", "loop_lag", "requests", "store")

    def __init__(self, api_keys: Iterable[int] = ()) -> None:
        self.requests = RequestCounts(api_keys)
        self.connections = ConnectionCounts()
        self.store = StoreCounts()
        self.loop_lag = Histogram()
        """How late a task woke up that had slept for a given time."""
