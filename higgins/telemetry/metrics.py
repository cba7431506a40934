"""Counters of a node: plain numbers in slots. The code that is measured adds to them, the metrics page reads them.

No locks, no clocks, and no labels looked up by text, as the counters of prometheus-client have: those cost more than
many of the calls they would count. That is safe because only the thread of the event loop adds to them.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

SECONDS: Final = (
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of the buckets of durations."""

SIZES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)
"""Upper bounds of the buckets of counts, such as proposals per commit."""

OK: Final = "ok"


class Histogram:
    """Counts of values in fixed buckets. A bucket has the values up to its bound and above the bound before."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """One more than there are bounds: the last is for values above all of them."""
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """The number of values observed."""
        return sum(self.counts)

    def copy(self) -> "Histogram":
        """The same values, for a reader in another thread: this one goes on counting."""
        copied = Histogram(self.bounds)
        copied.counts = list(self.counts)
        copied.total = self.total
        return copied


class ApiCounts:
    """Requests of one API: durations from the frame to the response, and the error codes of responses."""

    __slots__ = ("errors", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram()
        self.errors: dict[int, int] = {}
        """By Kafka's error code. In a response with many partitions each error counts."""

    def refuse(self, code: int) -> None:
        """Count an error code of a response."""
        self.errors[code] = self.errors.get(code, 0) + 1


class RequestCounts:
    """Requests by API key."""

    __slots__ = ("by_api",)

    def __init__(self, keys: Iterable[int]) -> None:
        self.by_api: dict[int, ApiCounts] = {key: ApiCounts() for key in sorted(keys)}


class ConnectionCounts:
    """Connections of clients."""

    __slots__ = ("accepted", "closed", "failed", "gave_way", "overdue", "refused")

    def __init__(self) -> None:
        self.accepted = 0
        self.closed = 0
        """Accepted connections that have ended, for whatever reason."""
        self.refused = 0
        """Closed at once, because a limit on connections was reached."""
        self.overdue = 0
        """Closed after a timeout: the client sent nothing, or did not read its responses, for too long."""
        self.failed = 0
        """Closed because of an internal error."""
        self.gave_way = 0
        """Closed because others needed the memory or the place that they held."""

    @property
    def open(self) -> int:
        """The number of open connections."""
        return self.accepted - self.closed


class OperationCounts:
    """One kind of store operation: durations, outcomes, and bytes read or written."""

    __slots__ = ("bytes", "outcomes", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram()
        self.bytes = 0
        self.outcomes: dict[str, int] = {OK: 0}
        """By `ok` or the name of the exception (see `storage.store`)."""


class StoreFailure:
    """Whether one sort of store operations fails at the moment, since when and why."""

    __slots__ = ("since_ms", "why")

    def __init__(self) -> None:
        self.since_ms = 0
        """When they began to fail, in wall-clock milliseconds; 0 while they work."""
        self.why = ""


class StoreCounts:
    """Store operations by kind, and whether reads and writes fail at the moment."""

    __slots__ = ("by_kind", "create", "delete", "get", "get_range", "list", "put", "reads", "writes")

    def __init__(self) -> None:
        self.reads = StoreFailure()
        self.writes = StoreFailure()
        self.create = OperationCounts()
        self.put = OperationCounts()
        self.get = OperationCounts()
        self.get_range = OperationCounts()
        self.list = OperationCounts()
        self.delete = OperationCounts()
        self.by_kind = {kind: getattr(self, kind) for kind in ("create", "put", "get", "get_range", "list", "delete")}


class CommitCounts:
    """Commits of a node, and the outcomes of its proposals."""

    __slots__ = ("lost_races", "proposals", "refusals", "seconds", "won")

    def __init__(self) -> None:
        self.won = 0
        """Commits created by this node."""
        self.lost_races = 0
        """Commits that another node created first under the same number."""
        self.refusals = 0
        """Proposals refused by validation."""
        self.seconds = Histogram()
        """Durations from taking proposals off the queue to their outcome."""
        self.proposals = Histogram(SIZES)
        """Numbers of proposals taken off the queue together."""


class TopicTraffic:
    """Traffic of one topic through one node. Incoming records are counted when they are committed."""

    __slots__ = ("bytes_in", "bytes_out", "records_in")

    def __init__(self) -> None:
        self.records_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        """Bytes sent to clients in Fetch responses."""


class Counts:
    """The counters that are shared between packages."""

    __slots__ = ("connections", "loop_lag", "requests", "store")

    def __init__(self, api_keys: Iterable[int] = ()) -> None:
        self.requests = RequestCounts(api_keys)
        self.connections = ConnectionCounts()
        self.store = StoreCounts()
        self.loop_lag = Histogram()
        """How much later than requested a sleeping task woke up: a measure of how busy the event loop is."""
