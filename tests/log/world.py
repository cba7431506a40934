"""One node's log over a bucket of fakes, on a virtual clock."""

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
"""Sizes of a record's value that make a batch inline, an object with room for others, an object of its own."""


def batch(
    *values: bytes, producer_id: int = -1, sequence: int = -1, epoch: int = 0, timestamp: int = NOON_MS
) -> bytes:
    """A batch of records whose timestamps count up."""
    records = [Record(timestamp=timestamp + i, value=value) for i, value in enumerate(values)]
    if producer_id < 0:
        return encode_batch(records)
    return encode_batch(records, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)


class Ticket:
    """What came of an append."""

    def __init__(self) -> None:
        self.settled = trio.Event()
        self.outcome: Sequence[int] | HigginsError | None = None
        self.stamped_ms = -1
        self.settled_s = -1.0

    def __call__(self, outcome: Sequence[int] | HigginsError, stamped_ms: int) -> None:
        assert not self.settled.is_set(), "settled twice"
        self.outcome, self.stamped_ms = outcome, stamped_ms
        self.settled_s = trio.current_time()
        self.settled.set()

    async def result(self) -> Sequence[int] | HigginsError:
        with trio.fail_after(300):
            await self.settled.wait()
        assert self.outcome is not None
        return self.outcome

    async def offset(self) -> int:
        found = await self.result()
        assert not isinstance(found, HigginsError), found
        return found[0]


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

    def append(self, *batches: bytes, partition: int = 0, **rest: Any) -> Ticket:
        ticket = Ticket()
        views = [(read_header(memoryview(one)), memoryview(one)) for one in batches]
        self.writer.append(TOPIC, partition, views, ticket, **rest)
        return ticket

    def put(self, size: int = SMALL, partition: int = 0, **rest: Any) -> Ticket:
        """Append one record of a plain producer."""
        return self.append(batch(bytes(size)), partition=partition, **rest)

    def objects(self) -> list[str]:
        return sorted(key for key in self.store.objects if key.startswith("data/"))

    async def records(self, partition: int = 0, offset: int = 0, bytes_max: int = 1 << 20) -> list[Record]:
        """Everything from an offset on, read in answers of at most `bytes_max`."""
        found: list[Record] = []
        while offset < self.ledger.state.runs.high_watermark(TOPIC, partition):
            read = await self.reader.read(TOPIC, partition, offset, bytes_max)
            assert read.next_offset > offset, "the reader stands still"
            found += records_in(read)
            offset = read.next_offset
        return found


def records_in(read: Read) -> list[Record]:
    """The records of an answer; every batch whole, and as its checksum has it."""
    data = memoryview(b"".join(read.pieces))
    assert len(data) == read.length
    return records_served(data)


def records_served(data: memoryview) -> list[Record]:
    """The records of batches that follow each other, each whole and as its checksum has it."""
    found: list[Record] = []
    while data:
        header = read_header(data)
        batch, data = data[: header.size], data[header.size :]
        assert len(batch) == header.size and crc32c(batch[ATTRIBUTES_AT:]) == header.crc
        found += decode_records(batch)
    return found


@asynccontextmanager
async def running_log(
    store: FakeStore | None = None, *, partitions: int = 1, linger_ms: int = 0, port: int = 9092, **settings: Any
) -> AsyncIterator[Log]:
    """A node's log with its topic; on leaving, it dies where it stands."""
    store = store or FakeStore(msgspec.structs.replace(TRAITS, linger_ms=linger_ms))
    made = LogSettings(inline_bytes_max=INLINE_BYTES_MAX, object_bytes_max=OBJECT_BYTES_MAX)
    async with running(store, port) as ledger, trio.open_nursery() as nursery:
        log = Log(store, ledger, msgspec.structs.replace(made, linger_ms=linger_ms, **settings))
        await nursery.start(log.writer.run)
        if "t" not in ledger.state.topics.by_name:
            await make_topic(ledger, partitions)
        yield log
        nursery.cancel_scope.cancel()
