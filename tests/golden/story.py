"""What the golden buckets hold: told once by the version that wrote them, checked by every later one."""

import random
from pathlib import Path
from typing import Any

import trio
import trio.testing

from higgins.ledger.ledger import Ledger, open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import freeze, save
from higgins.ledger.state.group_records import ClassicGroupRecord, ClassicMember
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import CommitOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.producers import GrantProducerIds
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.names import TopicId
from higgins.storage.directory import DirectoryStore
from higgins.storage.settings import StoreSettings
from higgins_protocol.records.record import Record, encode_batch
from tests.ledger.nodes import StillRuntime
from tests.operators.world import NOON_MS, Node, running_node

FOLDER = Path(__file__).parent
TOPOGRAPHY = """
[streams.orders]
partitions = 2

[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"

[streams.small]
base = "orders"
type = "filter"
where = "qty <= 5"
"""
ORDERS = 40
SECOND_GENERATION = b"of the second topic of this name"
MEMBER = ClassicMember("m-1", "instance", "client", "10.0.0.1", 60_000, 45_000, b"subscription", b"assignment")
GROUP = ClassicGroupRecord(NOON_MS, "consumer", 7, "range", "m-1", (MEMBER,))
HEADERS = (("trace", b"\x00\xff"), ("empty", None))


class GoldenRuntime(StillRuntime):
    """The same time and the same chance at every telling."""

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(7)
        self._tokens = random.Random(7)

    def token(self, length: int) -> bytes:
        return self._tokens.randbytes(length)


def order(n: int) -> bytes:
    return b'{"id":%d,"qty":%d,"pad":"%s"}' % (n, n % 10, b"x" * (n * 7 % 50))


def idempotent_batch(producer_id: int, sequence: int) -> bytes:
    records = [Record(timestamp=NOON_MS + sequence, value=b"idempotent %d" % sequence)]
    return encode_batch(records, producer_id=producer_id, producer_epoch=0, base_sequence=sequence)


def open_store(folder: Path) -> DirectoryStore:
    return DirectoryStore(GoldenRuntime(), folder, StoreSettings(url=str(folder), durability="os"))


async def open_state(folder: Path) -> Ledger:
    """The ledger of a bucket, read only."""
    return await open_ledger(GoldenRuntime(), open_store(folder), LedgerSettings())


async def write_bucket(folder: Path) -> None:
    """Tell the whole story into an empty folder."""
    store, runtime = open_store(folder), GoldenRuntime()
    async with running_node(store, runtime=runtime, port=9092) as node:
        await _topics(node)
        await _records(node)
        await save(runtime, store, freeze(node.ledger.state))
        async with running_node(store, runtime=runtime, port=9093) as second:
            await second.ledger.leave()
        await node.apply(TOPOGRAPHY)
        await _produce_orders(node)
        for operator in ("large", "small"):
            await node.caught_up(operator)
        await save(runtime, store, freeze(node.ledger.state))
        await node.apply(TOPOGRAPHY.replace("qty > 5", "qty > 7"))
        await _groups(node)
        await node.produce("plain", [b"after the snapshot"], partition=1)
    async with running_node(store, runtime=runtime, port=9092) as again:
        # A second life at the same address; the first one was never ended in good order.
        await again.produce("plain", [b"of a second life"])


async def _topics(node: Node) -> None:
    await node.create("gone")
    await node.produce("gone", [b"deleted with its topic"])
    await node.ledger.propose(DeleteTopic(node.topic("gone").id))
    await node.create("again")
    await node.produce("again", [b"of the first"])
    await node.ledger.propose(DeleteTopic(node.topic("again").id))
    await node.create("again")
    await node.produce("again", [SECOND_GENERATION])
    configs = {"retention.ms": "1000", "message.timestamp.type": "LogAppendTime"}
    await node.ledger.propose(CreateTopic("configured", TopicId(b"configured-topic"), 5, configs, "", 3))


async def _records(node: Node) -> None:
    await node.create("plain", 3)
    await node.produce("plain", [b"inline", None, b""])
    await node.produce("plain", [b"large" * 14_000], partition=1)
    for codec in (1, 2, 3, 4):
        await node.produce("plain", [b"compressed" * 20], partition=2, codec=codec)
    records = [Record(timestamp=NOON_MS, key=None, value=b"headed", headers=HEADERS)]
    await node.append("plain", encode_batch(records), partition=2)
    await node.append("plain", encode_batch(records, log_append_time=NOON_MS + 5), partition=2)
    producer_id = await node.ledger.propose(GrantProducerIds(1000))
    assert producer_id == 1, producer_id
    await node.create("idempotent")
    for sequence in range(8):
        await node.append("idempotent", idempotent_batch(producer_id, sequence))


async def _produce_orders(node: Node) -> None:
    half = ORDERS // 2
    for partition in range(2):
        first = partition * half
        await node.produce("orders", [order(n) for n in range(first, first + half)], partition=partition)
        await node.produce("orders", [order(n) for n in range(first, first + half)] * 70, partition=partition)


async def _groups(node: Node) -> None:
    session = node.ledger.session
    assert session is not None

    async def lease(group_id: str) -> Any:
        return await node.ledger.propose(TakeLease(group_resource(group_id)))

    held = await lease("readers")
    await node.ledger.propose(SaveGroup("readers", held, GROUP))
    plain, again = node.topic("plain").id, node.topic("again").id
    entries = (OffsetToCommit(plain, 0, 3, 0, "three"), OffsetToCommit(again, 0, 1, -1, ""))
    await node.ledger.propose(CommitOffsets("readers", held, entries))
    forgotten = await lease("forgotten")
    await node.ledger.propose(SaveGroup("forgotten", forgotten, GROUP))
    await node.ledger.propose(SaveGroup("forgotten", forgotten, forgets=True))


def write(folder: Path) -> None:
    """Write a golden bucket; time and chance are the same at every telling."""
    trio.run(write_bucket, folder, clock=trio.testing.MockClock(autojump_threshold=0))
