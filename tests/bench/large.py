"""A large cluster: how long Metadata and a metrics scrape of many partitions take and block the event loop.

    python -m tests.bench.large [--partitions 10000] [--topics 100] [--rounds 9] [--nodes 2]

In one process, on a store in memory; nothing is sent over a socket. Prints medians and maxima.
"""

import argparse
import statistics
from collections.abc import Awaitable, Callable
from time import perf_counter, thread_time
from types import SimpleNamespace
from typing import cast

import trio

from higgins.broker import Broker
from higgins.kafka.apis import ROWS
from higgins.kafka.context import Call
from higgins.ledger.state.offsets import CommitOffsets, OffsetToCommit
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.topics import CreateTopic
from higgins.model.names import TopicId
from higgins.runtime import Runtime, tune_interpreter
from higgins.server.connection import Connection
from higgins.server.session import ConnectionSession
from higgins.settings import Flags, load
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.web.page import build_page
from higgins_protocol.messages.metadata import MetadataRequest
from higgins_protocol.registry import APIS, encode_response

METADATA = 3
PORT = 29_460


async def main(partitions: int, topics: int, rounds: int, nodes: int) -> None:
    runtime = Runtime()
    store = memory_store(runtime, StoreSettings(url="memory://"))
    async with trio.open_nursery() as nursery:
        for i in range(nodes):
            broker = Broker(runtime, load(Flags(listen=(f"127.0.0.1:{PORT + i}",)), {}, None), store=store)
            await nursery.start(broker.run)
        assert broker.node is not None and broker.sources is not None
        ids = await fill(broker, partitions, topics)
        peer = cast("Connection", SimpleNamespace(session=ConnectionSession(broker.listeners[0], "127.0.0.1")))
        call = Call(broker.node, peer, APIS[METADATA], 12, "bench", 1, ROWS[METADATA].access)
        version = APIS[METADATA].versions[1]
        pieces: list[int] = []

        async def metadata() -> None:
            response = ROWS[METADATA].handle(call, MetadataRequest(topics=None)).result()
            pieces.append(sum(map(len, encode_response(METADATA, min(12, version), 1, response))))

        async def scrape() -> None:
            assert broker.sources is not None
            page = await build_page(broker.sources, 1 << 30)
            pieces.append(sum(len(piece) for piece in page.pieces))

        print(f"{partitions} partitions in {topics} topics, one group that has committed for {len(ids)} topics")
        for name, job in (("Metadata", metadata), ("scrape", scrape)):
            took, held = await measured(job, rounds)
            print(
                f"{name}: median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms; "
                f"the loop is held for {max(held):.1f} ms of processor time at most; {pieces[-1]} bytes"
            )
        nursery.cancel_scope.cancel()


async def fill(broker: Broker, partitions: int, topics: int) -> list[TopicId]:
    """Create topics of equal size, and a group with a committed offset in each partition."""
    assert broker.node is not None
    ledger, each = broker.node.ledger, partitions // topics
    ids = [TopicId(broker.node.runtime.token(16)) for _ in range(topics)]
    outcomes = await ledger.propose_all([CreateTopic(f"topic-{i}", topic_id, each) for i, topic_id in enumerate(ids)])
    assert all(one.error is None for one in outcomes), outcomes
    assert ledger.session is not None
    lease_epoch = await ledger.propose(TakeLease("group/g"))
    for topic_id in ids:
        entries = tuple(OffsetToCommit(topic_id, i, 0, -1, "") for i in range(each))
        await ledger.propose(CommitOffsets("g", lease_epoch, entries))
    return ids


async def measured(job: Callable[[], Awaitable[None]], rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each round, and between two runs of another task meanwhile: how long the loop was blocked."""
    took: list[float] = []
    held: list[float] = []

    async def watch() -> None:
        # CPU time: other processes on the machine do not lengthen it.
        last = thread_time()
        while True:
            await trio.lowlevel.checkpoint()
            now = thread_time()
            held.append((now - last) * 1000)
            last = now

    for _ in range(rounds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.lowlevel.checkpoint()
            begun = perf_counter()
            await job()
            took.append((perf_counter() - begun) * 1000)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    return took, held


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--topics", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--nodes", type=int, default=1)
    given = parser.parse_args()
    tune_interpreter()
    trio.run(main, given.partitions, given.topics, given.rounds, given.nodes)
