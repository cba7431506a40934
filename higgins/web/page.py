"""The page: all families, built in slices so that clients never wait for a scrape, and bounded in bytes."""

from collections.abc import Iterator, Sequence

import msgspec
import trio

from higgins import __version__
from higgins.ledger.ledger import Ledger
from higgins.log.traffic import Traffic
from higgins.log.writer import Writer
from higgins.operators.engine import Engine
from higgins.runtime import Runtime
from higgins.server.connection import Unsent
from higgins.storage.cache import Cache
from higgins.telemetry.metrics import Counts
from higgins.telemetry.process import process_figures
from higgins.web.exposition import family, single
from higgins.web.families import cluster, kafka, node, operators

SLICE_S = 0.002
"""How long the loop is held at once."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where the numbers are."""

    runtime: Runtime
    ledger: Ledger
    writer: Writer
    traffic: Traffic
    cache: Cache
    unsent: Unsent
    engine: Engine
    counts: Counts
    started_ms: int


async def build_page(sources: Sources, bytes_max: int) -> Sequence[bytes]:
    """Every family in pieces. Not one moment's picture: each slice reads the numbers as they are by then."""
    clock = sources.runtime.stopwatch
    begun = held_since = clock()
    pieces: list[bytes] = []
    length = 0
    is_whole = True
    for chunk in _chunks(sources):
        piece = chunk.encode()
        length += len(piece)
        if length > bytes_max:
            is_whole = False
            break
        pieces.append(piece)
        if clock() - held_since > SLICE_S:
            await trio.lowlevel.checkpoint()
            held_since = clock()
    pieces.append(_of_itself(clock() - begun, is_whole=is_whole).encode())
    return pieces


def _chunks(sources: Sources) -> Iterator[str]:
    """What is bounded by code comes first; what grows with topics and groups is what a bound may cut off."""
    ledger, counts = sources.ledger, sources.counts
    yield family("higgins_build_info", "gauge", "The version that runs.", [({"version": __version__}, 1)])
    yield from node.process(process_figures(), sources.started_ms)
    yield from node.connections(counts.connections, sources.unsent.bytes, sources.writer.bytes_held)
    yield from node.requests(counts.requests)
    yield from node.commits(ledger.counts)
    yield from node.store(counts.store)
    yield from node.cache(sources.cache)
    yield from node.loop(counts.loop_lag)
    yield from cluster.ledger(ledger, sources.runtime.now_ms())
    yield from kafka.requests(counts.requests)
    yield from kafka.connections(counts.connections)
    yield from kafka.health(ledger)
    yield from kafka.traffic(ledger.state, sources.traffic)
    if ledger.is_controller:
        # Every node folds the same state: told by one, sums over nodes are right.
        yield from operators.progress(ledger.state, sources.engine)
        yield from cluster.groups(ledger.state)
        yield from cluster.partitions(ledger.state)


def _of_itself(seconds: float, *, is_whole: bool) -> str:
    return single(
        "higgins_scrape_seconds", "gauge", "How long this page took to build, turns of others included.", seconds
    ) + single(
        "higgins_scrape_truncated", "gauge", "1 when the page was cut off at its bound.", int(not is_whole)
    )
