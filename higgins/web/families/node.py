"""The node itself: process, connections, requests, commits, store operations, cache, event loop."""

from collections.abc import Iterator

from higgins.storage.cache import Cache
from higgins.telemetry.metrics import CommitCounts, ConnectionCounts, Histogram, RequestCounts, StoreCounts
from higgins.telemetry.process import ProcessFigures
from higgins.web.families.family import Family, counter, counters, gauge, gauges, histogram, histograms
from higgins_protocol.errors import ErrorCode
from higgins_protocol.registry import APIS


def process(figures: ProcessFigures, started_ms: int) -> Iterator[Family]:
    """The names that every Prometheus client library uses."""
    yield counter("process_cpu_seconds_total", "Processor time used.", figures.processor_s)
    yield gauge("process_resident_memory_bytes", "Resident memory.", figures.resident_bytes)
    yield gauge("process_open_fds", "Open file descriptors.", figures.open_files)
    yield gauge("process_max_fds", "How many file descriptors may be open.", figures.open_files_max)
    yield gauge("process_start_time_seconds", "When the broker began, since the epoch.", started_ms / 1000)


def connections(counts: ConnectionCounts, unsent_bytes: int, held_bytes: int) -> Iterator[Family]:
    yield gauge("higgins_connections", "Connections of clients.", counts.open)
    yield counter("higgins_connections_accepted_total", "Connections accepted.", counts.accepted)
    yield counter("higgins_connections_refused_total", "Connections refused at a limit.", counts.refused)
    yield counter("higgins_connections_overdue_total", "Connections closed as overdue.", counts.overdue)
    yield counter("higgins_connections_failed_total", "Connections ended by a fault of the broker.", counts.failed)
    yield gauge("higgins_unsent_bytes", "Answers that clients have not taken yet.", unsent_bytes)
    yield gauge("higgins_buffered_bytes", "Records accepted and not yet committed.", held_bytes)


def requests(counts: RequestCounts) -> Iterator[Family]:
    used = [(name_of(key), api) for key, api in counts.by_api.items() if api.seconds.count]
    yield histograms(
        "higgins_request_seconds",
        "From a request's frame to its answer, long polls included.",
        ["request"],
        [((name,), api.seconds) for name, api in used],
    )
    yield counters(
        "higgins_request_errors_total",
        "Error codes sent to clients, by Kafka's name; a request for many partitions may have many.",
        ["request", "error"],
        [(name, error_name(code), n) for name, api in used for code, n in api.errors.items()],
    )


def commits(counts: CommitCounts) -> Iterator[Family]:
    yield counter("higgins_commits_total", "Commits that this node won.", counts.won)
    yield counter("higgins_commit_lost_races_total", "Numbers that others won first.", counts.lost_races)
    yield counter("higgins_proposals_refused_total", "Proposals refused at validation.", counts.refusals)
    yield histogram("higgins_commit_seconds", "From taking queued proposals to their outcome.", counts.seconds)
    yield histogram("higgins_commit_proposals", "Proposals taken together.", counts.proposals)


def store(counts: StoreCounts) -> Iterator[Family]:
    kinds = counts.by_kind.items()
    yield counters(
        "higgins_store_operations_total",
        "Store operations by kind and outcome; create and get are also how nodes look for each other's commits.",
        ["operation", "outcome"],
        [(kind, outcome, n) for kind, operation in kinds for outcome, n in operation.outcomes.items()],
    )
    yield counters(
        "higgins_store_bytes_total",
        "Bytes put into the store or got from it.",
        ["operation"],
        [(kind, operation.bytes) for kind, operation in kinds],
    )
    yield histograms(
        "higgins_store_seconds",
        "How long store operations take.",
        ["operation"],
        [((kind,), operation.seconds) for kind, operation in kinds],
    )


def store_health(counts: StoreCounts) -> Iterator[Family]:
    """Alerts are set on these: the node is up, and its store may not be."""
    failures = [("read", counts.reads), ("write", counts.writes)]
    yield gauges(
        "higgins_store_available",
        "1 while reads and writes of the store work, 0 while they fail.",
        ["operation"],
        [(name, int(not failure.since_ms)) for name, failure in failures],
    )
    yield gauges(
        "higgins_store_failing_since_seconds",
        "When reads or writes of the store began to fail, since the epoch; 0 while they work.",
        ["operation"],
        [(name, failure.since_ms / 1000) for name, failure in failures],
    )


def cache(source: Cache) -> Iterator[Family]:
    yield counter("higgins_cache_hits_total", "Reads that the cache answered.", source.hits)
    yield counter("higgins_cache_misses_total", "Reads that the cache did not answer.", source.misses)
    yield gauge("higgins_cache_bytes", "Bytes in the cache.", source.bytes)


def loop(lag: Histogram) -> Iterator[Family]:
    yield histogram("higgins_loop_lag_seconds", "How late the loop wakes a task that slept.", lag)


def name_of(api_key: int) -> str:
    """An API's name in Kafka's dashboards."""
    return APIS[api_key].name


def error_name(code: int) -> str:
    """Kafka's name of an error code; the code itself where Kafka has none."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return str(code)
