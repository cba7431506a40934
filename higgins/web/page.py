"""The metrics page: read on the event loop in slices, rendered in a thread, bounded in bytes.

prometheus-client renders a registry in one synchronous call, 5 µs a sample: a quarter of a second for 10 000
partitions. So the event loop only reads the numbers, and gives way to other tasks every few milliseconds. Rendering
takes place in a thread, a family at a time: one call for all of them would hold the interpreter's lock while it joins
and encodes the whole page, and the loop with it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
import trio
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from higgins import __version__
from higgins.telemetry.process import process_figures
from higgins.web.collector import MetricCollector, NodeCollector
from higgins.web.families import cluster, kafka, node, operators
from higgins.web.families.family import Family, gauge, gauges
from higgins.web.sources import Sources

SLICE_S: Final = 0.002
"""How long reading may hold the event loop at once."""

SAMPLE_BYTES_MIN: Final = 64
"""Samples of partitions and groups take more bytes than this. Reading stops where they cannot fit the page, so that a
huge cluster takes no more memory than its page may have."""

END_OF_PAGE: Final = b"# EOF\n"
"""The last line of OpenMetrics."""

THREADS: Final = "other"

Encode: TypeAlias = Callable[[Collector], bytes]


class Page(msgspec.Struct, frozen=True):
    """A rendered page, in pieces."""

    content_type: str
    pieces: Sequence[bytes]


async def build_page(sources: Sources, bytes_max: int, accept: str = "") -> Page:
    """Every family, in the format that an Accept header prefers: Prometheus's text format, or OpenMetrics.

    Not a picture of one moment: each slice reads the numbers as they are by then.
    """
    clock = sources.runtime.stopwatch
    started_at = clock()
    encode, content_type = _encoder(accept)
    families, is_read = await _read(sources, samples_max=bytes_max // SAMPLE_BYTES_MIN)
    pieces, is_rendered = await sources.runtime.offload(THREADS, _render, families, encode, bytes_max)
    is_truncated = not (is_read and is_rendered)
    last, _ = _render(list(_about_page(clock() - started_at, is_truncated=is_truncated)), encode, bytes_max)
    if "openmetrics" in content_type:
        last.append(END_OF_PAGE)
    return Page(content_type, [*pieces, *last])


def _encoder(accept: str) -> tuple[Encode, str]:
    try:
        return choose_encoder(accept)
    except TypeError:
        # prometheus-client compares the version numbers in the header, and fails where one is not a number.
        return choose_encoder("")


async def _read(sources: Sources, samples_max: int) -> tuple[list[Family], bool]:
    """The families, and whether they are complete."""
    clock = sources.runtime.stopwatch
    families: dict[str, Family] = {}
    held_since = clock()
    for family in _families(sources):
        families[family.name] = family
        if sum(map(len, families.values())) > samples_max:
            return list(families.values()), False
        if clock() - held_since > SLICE_S:
            await trio.lowlevel.checkpoint()
            held_since = clock()
    return list(families.values()), True


def _render(families: Sequence[Family], encode: Encode, bytes_max: int) -> tuple[list[bytes], bool]:
    """Families up to the first that does not fit, and whether all did."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(families))
    pieces: list[bytes] = []
    length = 0
    for metric in registry.collect():
        piece = encode(MetricCollector(metric)).removesuffix(END_OF_PAGE)
        length += len(piece)
        if length > bytes_max:
            return pieces, False
        pieces.append(piece)
    return pieces, True


def _families(sources: Sources) -> Iterator[Family]:
    """What has a bounded size comes first; what grows with topics and groups may be cut off."""
    ledger, counts = sources.ledger, sources.counts
    yield gauges("higgins_build_info", "The version that runs.", ["version"], [(__version__, 1)])
    yield from node.process(process_figures(), sources.started_ms)
    yield from node.connections(counts.connections, sources.unsent.bytes, sources.writer.bytes_held)
    yield from node.requests(counts.requests)
    yield from node.commits(ledger.counts)
    yield from node.store(counts.store)
    yield from node.store_health(counts.store)
    yield from node.cache(sources.cache)
    yield from node.loop(counts.loop_lag)
    yield from cluster.ledger(ledger, sources.runtime.now_ms())
    yield from kafka.requests(counts.requests)
    yield from kafka.connections(counts.connections)
    yield from kafka.health(ledger)
    yield from kafka.traffic(ledger.state, sources.traffic)
    if ledger.is_controller:
        # Every node has the same state. Only one exposes it, so that sums over nodes are right.
        yield from operators.progress(ledger.state, sources.engine)
        yield from cluster.groups(ledger.state)
        yield from cluster.partitions(ledger.state)


def _about_page(seconds: float, *, is_truncated: bool) -> Iterator[Family]:
    yield gauge("higgins_scrape_seconds", "How long this page took to build, turns of others included.", seconds)
    yield gauge("higgins_scrape_truncated", "1 when the page was cut off at its bound.", int(is_truncated))
