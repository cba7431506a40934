"""A node without surfaces, over a store in memory: a ledger, a log and an engine, for tests of what operators do."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple

import trio

from higgins.ledger.ledger import Ledger, open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.sessions import Endpoint
from higgins.ledger.state.topics import CreateTopic, Topic
from higgins.log.reader import Reader
from higgins.log.settings import LogSettings
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import HigginsError
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectKey
from higgins.operators.apply import Applied, apply_topography
from higgins.operators.engine import Engine
from higgins.operators.settings import OperatorSettings
from higgins.runtime import Runtime
from higgins.storage.cache import Cache
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store
from higgins_protocol.records.batch import read_header
from higgins_protocol.records.record import Record, decode_records, encode_batch

NOON_MS = 1_700_000_000_000


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ThreadlessRuntime(Runtime):
    """For a clock that jumps whenever all tasks sleep: a thread would be outrun by it."""

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)


class SlowStore:
    """A store whose creates and puts take some time, and are done at some moment within it."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self._store = store
        self._chance = chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return False

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await trio.sleep(self._chance.uniform(0, 0.05))
        await self._store.create(key, pieces)
        await trio.sleep(self._chance.uniform(0, 0.05))

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await trio.sleep(self._chance.uniform(0, 0.05))
        await self._store.put(key, pieces)
        await trio.sleep(self._chance.uniform(0, 0.05))


class Node:
    """One node's rooms, running."""

    def __init__(self, runtime: Runtime, ledger: Ledger, writer: Writer, reader: Reader, engine: Engine) -> None:
        self.runtime = runtime
        self.ledger = ledger
        self.writer = writer
        self.reader = reader
        self.engine = engine

    async def apply(self, text: str) -> Applied:
        return await apply_topography(
            self.runtime, self.ledger, text, partitions_default=1, check_config=lambda configs: None
        )

    async def create(self, name: str, partitions: int = 1) -> Topic:
        await self.ledger.propose(CreateTopic(name, TopicId(self.runtime.token(16)), partitions))
        return self.topic(name)

    def topic(self, name: str) -> Topic:
        return self.ledger.state.topics.by_name[name]

    async def produce(self, topic: str, values: Sequence[bytes | None], *, partition: int = 0, codec: int = 0) -> None:
        records = [
            Record(offset=n, timestamp=NOON_MS + n, key=b"k%d" % n, value=value, headers=(("h", b"%d" % n),))
            for n, value in enumerate(values)
        ]
        await self.append(topic, encode_batch(records, codec=codec), partition=partition)

    async def append(self, topic: str, batch: bytes, *, partition: int = 0) -> None:
        settled, outcomes = trio.Event(), []

        def done(outcome: Sequence[int] | HigginsError, stamped_ms: int) -> None:
            outcomes.append(outcome)
            settled.set()

        view = memoryview(batch)
        self.writer.append(self.topic(topic).id, partition, [(read_header(view), view)], done)
        await settled.wait()
        assert not isinstance(outcomes[0], HigginsError) and outcomes[0][0] >= 0, outcomes

    async def records(self, topic: str, partition: int = 0) -> list[Record]:
        """Everything in a partition."""
        found: list[Record] = []
        topic_id = self.topic(topic).id
        offset = 0
        while offset < self.ledger.state.runs.high_watermark(topic_id, partition):
            read = await self.reader.read(topic_id, partition, offset, 1 << 20)
            data = memoryview(b"".join(read.pieces))
            while data:
                size = read_header(data).size
                found += decode_records(data[:size])
                data = data[size:]
            offset = read.next_offset
        return found

    async def values(self, topic: str, partition: int = 0) -> list[bytes | None]:
        return [record.value for record in await self.records(topic, partition)]

    def position(self, operator: str, task: int = 0) -> int:
        """How far a task has come, summed over its input partitions."""
        return sum(each.next_offset for each in self.ledger.state.tasks.progress(operator, task).inputs)

    async def caught_up(self, operator: str) -> None:
        """Wait until the operator has committed all of its input."""
        state = self.ledger.state

        def is_done() -> bool:
            return all(
                each.next_offset == state.runs.high_watermark(each.topic_id, each.partition)
                for each in state.tasks.positions(operator)
            )

        await until(is_done)


async def until(condition: Callable[[], bool], *, patience_s: float = 60) -> None:
    """Wait for something that is bound to become true."""
    with trio.fail_after(patience_s):
        while not condition():
            await trio.sleep(0.005)


def new_store(runtime: Runtime) -> Store:
    return memory_store(runtime, StoreSettings(url="memory://"))


@asynccontextmanager
async def running_node(
    store: Any = None,
    *,
    runtime: Runtime | None = None,
    port: int = 9092,
    settings: OperatorSettings | None = None,
    log_settings: LogSettings | None = None,
) -> AsyncIterator[Node]:
    """A node that has joined, and whose engine runs; on leaving, everything is cancelled where it stands."""
    runtime = runtime or Runtime()
    store = store or new_store(runtime)
    ledger = await open_ledger(runtime, store, LedgerSettings(session_timeout_ms=1_000, sign_interval_ms=200))
    cache = Cache(64 << 20)
    writer = Writer(runtime, store, ledger, cache, log_settings or LogSettings())
    reader = Reader(runtime, store, ledger, cache)
    watch = Watch(ledger)
    engine = Engine(runtime, ledger, settings or OperatorSettings(), writer=writer, reader=reader, watch=watch)
    async with trio.open_nursery() as nursery:
        await nursery.start(ledger.run)
        await nursery.start(writer.run)
        await ledger.join((Endpoint("PLAIN", "127.0.0.1", port),), "cluster")
        await nursery.start(engine.run)
        yield Node(runtime, ledger, writer, reader, engine)
        nursery.cancel_scope.cancel()
