"""One node's own doings: process, connections, requests, commits, store operations, cache, loop."""

from collections.abc import Iterator

from higgins.storage.cache import Cache
from higgins.telemetry.metrics import CommitCounts, ConnectionCounts, Histogram, RequestCounts, StoreCounts
from higgins.telemetry.process import ProcessFigures
from higgins.web.exposition import family, histograms, single
from higgins_protocol.errors import ErrorCode
from higgins_protocol.registry import APIS


def process(figures: ProcessFigures, started_ms: int) -> Iterator[str]:
    """The names that every Prometheus client gives them."""
    yield single("process_cpu_seconds_total", "counter", "Processor time used.", figures.processor_s)
    yield single("process_resident_memory_bytes", "gauge", "Resident memory.", figures.resident_bytes)
    yield single("process_open_fds", "gauge", "Open file descriptors.", figures.open_files)
    yield single("process_max_fds", "gauge", "How many file descriptors may be open.", figures.open_files_max)
    yield single("process_start_time_seconds", "gauge", "When the broker began, since the epoch.", started_ms / 1000)


def connections(counts: ConnectionCounts, unsent_bytes: int, held_bytes: int) -> Iterator[str]:
    yield single("higgins_connections", "gauge", "Connections of clients.", counts.open)
    yield single("higgins_connections_accepted_total", "counter", "Connections accepted.", counts.accepted)
    yield single("higgins_connections_refused_total", "counter", "Connections refused at a limit.", counts.refused)
    yield single("higgins_connections_overdue_total", "counter", "Connections closed as overdue.", counts.overdue)
    yield single(
        "higgins_connections_failed_total", "counter", "Connections ended by a fault of the broker.", counts.failed
    )
    yield single("higgins_unsent_bytes", "gauge", "Answers that clients have not taken yet.", unsent_bytes)
    yield single("higgins_buffered_bytes", "gauge", "Records accepted and not yet committed.", held_bytes)


def requests(counts: RequestCounts) -> Iterator[str]:
    used = [(name_of(key), api) for key, api in counts.by_api.items() if api.seconds.count]
    yield from histograms(
        "higgins_request_seconds",
        "From a request's frame to its answer, long polls included.",
        [({"request": name}, api.seconds) for name, api in used],
    )
    yield family(
        "higgins_request_errors_total",
        "counter",
        "Errors that clients were told, by Kafka's name; a request for many partitions may have many.",
        [({"request": name, "error": error_name(code)}, n) for name, api in used for code, n in api.errors.items()],
    )


def commits(counts: CommitCounts) -> Iterator[str]:
    yield single("higgins_commits_total", "counter", "Commits that this node won.", counts.won)
    yield single("higgins_commit_lost_races_total", "counter", "Numbers that others won first.", counts.lost_races)
    yield single("higgins_proposals_refused_total", "counter", "Proposals refused at validation.", counts.refusals)
    yield from histograms(
        "higgins_commit_seconds", "From taking queued proposals to their outcome.", [({}, counts.seconds)]
    )
    yield from histograms("higgins_commit_proposals", "Proposals taken together.", [({}, counts.proposals)])


def store(counts: StoreCounts) -> Iterator[str]:
    kinds = counts.by_kind.items()
    yield family(
        "higgins_store_operations_total",
        "counter",
        "Store operations by kind and outcome; create and get are also how nodes look for each other's commits.",
        [
            ({"operation": kind, "outcome": outcome}, n)
            for kind, operation in kinds
            for outcome, n in operation.outcomes.items()
        ],
    )
    yield family(
        "higgins_store_bytes_total",
        "counter",
        "Bytes put into the store or got from it.",
        [({"operation": kind}, operation.bytes) for kind, operation in kinds],
    )
    yield from histograms(
        "higgins_store_seconds",
        "How long store operations take.",
        [({"operation": kind}, operation.seconds) for kind, operation in kinds],
    )


def cache(found: Cache) -> Iterator[str]:
    yield single("higgins_cache_hits_total", "counter", "Reads that the cache answered.", found.hits)
    yield single("higgins_cache_misses_total", "counter", "Reads that the cache did not answer.", found.misses)
    yield single("higgins_cache_bytes", "gauge", "Bytes in the cache.", found.bytes)


def loop(lag: Histogram) -> Iterator[str]:
    yield from histograms("higgins_loop_lag_seconds", "How late the loop wakes a task that slept.", [({}, lag)])


def name_of(api_key: int) -> str:
    """An API as dashboards name it."""
    return APIS[api_key].name


def error_name(code: int) -> str:
    """Kafka's name of an error."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return str(code)
