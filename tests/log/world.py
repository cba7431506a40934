"""The log of one node over a fake store, on a virtual clock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from higgins.ledger.ledger import Ledger
from higgins.log.reader import Read, Reader
from higgins.log.settings import LogSettings
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import HigginsError
from higgins.model.future import Future
from higgins.storage.cache import Cache
from higgins_protocol.records.batch import ATTRIBUTES_AT, read_header
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, decode_records, encode_batch
from tests.ledger.nodes import TOPIC, StillRuntime, make_topic, running
from tests.storage.fakes import TRAITS, FakeStore

NOON_MS = 1_700_000_000_000

INLINE_BYTES_MAX = 300
OBJECT_BYTES_MAX = 3000
SMALL, LARGE, HUGE = 20, 1000, 3000
"""Sizes of a record's value: a batch that is stored inline, one that shares an object, one that fills an object."""


def batch(*values: bytes, producer_id: int = -1, sequence: int = -1, epoch: int = 0, timestamp: int = NOON_MS) -> bytes:
    """A batch of records whose timestamps count up."""
    records = [Record(timestamp=timestamp + i, value=value) for i, value in enumerate(values)]
    if producer_id < 0:
        return encode_batch(records)
    return encode_batch(records, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)


class Ticket:
    """The callback and the outcome of an append."""

    def __init__(self) -> None:
        self._outcome: Future[Sequence[int] | HigginsError] = Future()
        self.stamped_ms = -1
        self.done_s = -1.0

    def __call__(self, outcome: Sequence[int] | HigginsError, stamped_ms: int) -> None:
        self.stamped_ms = stamped_ms
        self.done_s = trio.current_time()
        self._outcome.set_result(outcome)

    @property
    def is_done(self) -> bool:
        return self._outcome.is_done

    async def result(self) -> Sequence[int] | HigginsError:
        with trio.fail_after(300):
            return await self._outcome.wait()

    async def offset(self) -> int:
        outcome = await self.result()
        assert not isinstance(outcome, HigginsError), outcome
        return outcome[0]


class Log:
    """Writer, reader and watch of one node."""

    def __init__(self, store: FakeStore, ledger: Ledger, settings: LogSettings) -> None:
        cache = Cache(64 << 20)
        runtime = StillRuntime()
        self.store = store
        self.ledger = ledger
        self.writer = Writer(runtime, store, ledger, cache, settings)
        self.reader = Reader(runtime, store, ledger, cache)
        self.watch = Watch(ledger)

    def append(self, *batches: bytes, partition: int = 0, **options: Any) -> Ticket:
        ticket = Ticket()
        views = [(read_header(memoryview(one)), memoryview(one)) for one in batches]
        self.writer.append(TOPIC, partition, views, ticket, **options)
        return ticket

    def put(self, size: int = SMALL, partition: int = 0, **options: Any) -> Ticket:
        """Append one record of a plain producer."""
        return self.append(batch(bytes(size)), partition=partition, **options)

    def objects(self) -> list[str]:
        return sorted(key for key in self.store.objects if key.startswith("data/"))

    async def records(self, partition: int = 0, offset: int = 0, bytes_max: int = 1 << 20) -> list[Record]:
        """All records from an offset on, read with a budget of `bytes_max`."""
        records: list[Record] = []
        while offset < self.ledger.state.runs.high_watermark(TOPIC, partition):
            read = await self.reader.read(TOPIC, partition, offset, bytes_max)
            assert read.next_offset > offset, "the reader made no progress"
            records += records_in(read)
            offset = read.next_offset
        return records


def records_in(read: Read) -> list[Record]:
    """The records of a read, after checking that every batch is whole and has the right checksum."""
    data = memoryview(b"".join(read.pieces))
    assert len(data) == read.length
    return records_served(data)


def records_served(data: memoryview) -> list[Record]:
    """The records of consecutive batches, after checking that each is whole and has the right checksum."""
    records: list[Record] = []
    while data:
        header = read_header(data)
        batch, data = data[: header.size], data[header.size :]
        assert len(batch) == header.size and crc32c(batch[ATTRIBUTES_AT:]) == header.crc
        records += decode_records(batch)
    return records


@asynccontextmanager
async def running_log(
    store: FakeStore | None = None, *, partitions: int = 1, linger_ms: int = 0, port: int = 9092, **settings: Any
) -> AsyncIterator[Log]:
    """The log of a node, with a topic. Leaving stops the node without a shutdown, as a crash would."""
    store = store or FakeStore(msgspec.structs.replace(TRAITS, linger_ms=linger_ms))
    defaults = LogSettings(inline_bytes_max=INLINE_BYTES_MAX, object_bytes_max=OBJECT_BYTES_MAX)
    async with running(store, port) as ledger, trio.open_nursery() as nursery:
        log = Log(store, ledger, msgspec.structs.replace(defaults, linger_ms=linger_ms, **settings))
        await nursery.start(log.writer.run)
        if "t" not in ledger.state.topics.by_name:
            await make_topic(ledger, partitions)
        yield log
        nursery.cancel_scope.cancel()
