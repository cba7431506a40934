"""What a read costs at most: concurrent reads, time, memory of cursors; and the producer ids and traffic of a node."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from higgins.ledger.state.index import Run
from higgins.ledger.state.producers import ProducerIdsGranted
from higgins.ledger.state.runs import DeleteRecords
from higgins.ledger.state.topics import DeleteTopic
from higgins.log import reader as reader_module
from higgins.log.planner import serve
from higgins.log.producer_ids import BLOCK_SIZE, ProducerIds
from higgins.log.reader import CONCURRENT_READS_MAX, RUNS_PER_READ, TimedRecord
from higgins.log.segment import footer, read_footer
from higgins.log.traffic import Traffic
from higgins.model.errors import Corrupt
from higgins.model.pointer import data_object
from tests.ledger.nodes import TOPIC, beside, facts
from tests.log.world import LARGE, NOON_MS, SMALL, Log, batch, records_in, running_log
from tests.storage.fakes import TRAITS, FakeStore

RUNS = 40


class Reads:
    """Makes each read of another node's log take a while, and counts those in flight."""

    def __init__(self, log: Log, seconds: float) -> None:
        self.in_flight = self.most = 0
        self._seconds = seconds
        log.store.before_read = self

    async def __call__(self, key: str) -> None:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await trio.sleep(self._seconds)
        self.in_flight -= 1


async def fill(log: Log, runs: int, size: int = LARGE) -> None:
    for _ in range(runs):
        await log.put(size).result()


async def test_runs_are_read_at_the_same_time_but_not_too_many(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, RUNS)
        async with running_log(beside(log.store), port=9093) as other:
            await trio.sleep(10)  # the time since the start of the node does not count
            reads = Reads(other, 0.01)
            read = await other.reader.read(TOPIC, 0, 0, 1 << 20)
            assert len(records_in(read)) == RUNS
            assert reads.most == CONCURRENT_READS_MAX


async def test_a_slow_read_answers_with_what_it_has(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, RUNS)
        async with running_log(beside(log.store), port=9093) as other:
            Reads(other, 0.3)
            started_s = trio.current_time()
            read = await other.reader.read(TOPIC, 0, 0, 1 << 20)
            assert [record.offset for record in records_in(read)] == list(range(CONCURRENT_READS_MAX))
            assert read.next_offset == CONCURRENT_READS_MAX
            assert trio.current_time() - started_s < 0.5


async def test_a_slow_read_goes_on_until_it_has_found_a_record(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, 1)
        async with running_log(beside(log.store), port=9093) as other:
            Reads(other, 2)
            assert len(records_in(await other.reader.read(TOPIC, 0, 0, 1 << 20))) == 1


class RangeStore(FakeStore):
    """A local store that notes the position of each range."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(msgspec.structs.replace(TRAITS, is_remote=False), objects)
        self.positions: list[int] = []

    async def get_range(self, key: str, position: int, length: int) -> memoryview:  # type: ignore[override]
        self.positions.append(position)
        return await super().get_range(key, position, length)  # type: ignore[arg-type]


async def test_a_read_continues_in_the_middle_of_a_run(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.append(*[batch(bytes(LARGE)) for _ in range(8)]).result()
        store = RangeStore(log.store.objects)
        async with running_log(store, port=9093) as other:
            assert len(await other.records(bytes_max=1)) == 8
            # Each read begins where the one before it ended: nothing is read again.
            assert store.positions == sorted(set(store.positions)) and len(store.positions) == 8


async def test_places_in_runs_are_remembered_for_a_limited_number_of_consumers(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "CURSORS_MAX", 5)
    async with running_log() as log:
        await log.append(*[batch(bytes(SMALL)) for _ in range(20)]).result()
        for offset in range(19):
            await log.reader.read(TOPIC, 0, offset, 1)
        # The newest places are the ones that stay.
        assert [offset for _, _, offset in log.reader._cursors] == list(range(15, 20))[: len(log.reader._cursors)]
        assert len(log.reader._cursors) == 5


async def test_what_is_available_is_counted_up_to_what_is_wanted(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2) as log:
        await fill(log, 6)
        size = len(batch(bytes(LARGE)))
        assert log.reader.available(TOPIC, 0, 0, 1 << 20) == 6 * size
        assert log.reader.available(TOPIC, 0, 4, 1 << 20) == 2 * size
        assert size <= log.reader.available(TOPIC, 0, 0, size) <= 2 * size
        assert log.reader.available(TOPIC, 0, 6, 1 << 20) == log.reader.available(TOPIC, 1, 0, 1 << 20) == 0


async def test_a_read_takes_only_so_many_runs(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, RUNS_PER_READ + 20, SMALL)
        for offset, count in ((0, RUNS_PER_READ), (20, RUNS_PER_READ), (30, RUNS_PER_READ - 10)):
            read = log.reader.read_nowait(TOPIC, 0, offset, 1 << 20)
            assert read is not None and read.next_offset == offset + count
            assert [record.offset for record in records_in(read)] == list(range(offset, offset + count))


async def test_without_waiting_one_batch_is_read_whole_unless_none_is_wanted(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, 3)
        for first, count in ((True, 1), (False, 0)):
            read = log.reader.read_nowait(TOPIC, 0, 0, 1, first=first)
            assert read is not None and len(records_in(read)) == count
        assert (await log.reader.read(TOPIC, 0, 1, 1)).next_offset == 2
        default = log.reader.read_nowait(TOPIC, 0, 1, 1)
        assert default is not None and default.next_offset == 2


async def test_a_read_of_a_middle_offset_skips_the_runs_before_it(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.append(batch(b"a", b"b"), batch(b"c", b"d")).result()
        await log.append(batch(b"e", b"f"), batch(b"g", b"h")).result()
        read = await log.reader.read(TOPIC, 0, 3, 1 << 20)
        assert [record.value for record in records_in(read)] == [b"c", b"d", b"e", b"f", b"g", b"h"]


# ---- by time --------------------------------------------------------------------------------------------------------


async def test_log_append_time_is_found_in_later_batches_too(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        for _ in range(3):
            await log.append(batch(b"a", b"b", timestamp=5), stamps=True).result()
            await trio.sleep(1)
        for i in range(3):
            stamped = NOON_MS + 1000 * i
            assert await log.reader.find_by_time(TOPIC, 0, stamped) == TimedRecord(2 * i, stamped)
        assert await log.reader.find_newest(TOPIC, 0) == TimedRecord(4, NOON_MS + 2000)


@pytest.mark.parametrize(("later", "expected"), [(0, 1), (1, 2), (-1, 1)])
async def test_the_first_of_the_newest_records_is_found_behind_a_deleted_one(
    autojump_clock: MockClock, later: int, expected: int
) -> None:
    async with running_log() as log:
        await log.append(batch(b"a", timestamp=NOON_MS + 90), batch(b"b", timestamp=NOON_MS + 50)).result()
        await log.append(batch(b"c", timestamp=NOON_MS + 50 + later)).result()
        await log.ledger.propose(DeleteRecords(TOPIC, 0, 1))
        newest = await log.reader.find_newest(TOPIC, 0)
        assert newest is not None and newest.offset == expected


# ---- damage ---------------------------------------------------------------------------------------------------------


def test_a_batch_that_ends_before_it_begins_is_corrupt() -> None:
    data = bytearray(batch(b"a") + batch(b"b", b"c"))
    data[23:27] = (-1).to_bytes(4, "big", signed=True)
    with pytest.raises(Corrupt):
        serve(Run(0, 1, data_object(1, 1), 0, len(data), 0, 0), None, [memoryview(data)], 0, 1 << 20, True)


def test_a_footer_that_is_no_list_of_rows_is_corrupt() -> None:
    end = footer([])[-4:]
    for body in (b"\xc1", b"\x05", b"\x91\x05"):
        with pytest.raises(Corrupt):
            read_footer(b"batches" + body + len(body).to_bytes(4, "big") + end)


def test_batches_are_served_up_to_exactly_the_budget() -> None:
    one, two = batch(b"a"), batch(b"b")
    data = memoryview(one + two)
    run = Run(0, 1, data_object(1, 1), 0, len(data), 0, 0)
    for budget, length in ((len(data), len(data)), (len(data) - 1, len(one)), (len(one), len(one))):
        assert serve(run, None, [data], 0, budget, True).length == length
    assert serve(run, None, [data], 0, len(one) - 1, False).length == 0


# ---- producer ids and traffic ---------------------------------------------------------------------------------------


async def test_producer_ids_are_unique_and_most_need_no_commit(autojump_clock: MockClock) -> None:
    async with running_log() as log, running_log(beside(log.store), port=9093) as other:
        nodes = [ProducerIds(log.ledger), ProducerIds(other.ledger)]
        taken: list[int] = []

        async def take(ids: ProducerIds, count: int) -> None:
            for _ in range(count):
                taken.append(await ids.take())

        async with trio.open_nursery() as nursery:
            for ids in nodes:
                for _ in range(4):
                    nursery.start_soon(take, ids, 10)
        assert len(set(taken)) == len(taken) == 80
        assert len(facts(log.store, ProducerIdsGranted)) == 2
        for ids in nodes:
            await take(ids, BLOCK_SIZE)
        assert len(set(taken)) == len(taken)
        assert len(facts(log.store, ProducerIdsGranted)) == 4


async def test_an_id_is_taken_without_waiting_while_the_block_lasts(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        ids = ProducerIds(log.ledger)
        assert ids.take_nowait() is None
        first = await ids.take()
        assert [ids.take_nowait() for _ in range(BLOCK_SIZE)] == [*range(first + 1, first + BLOCK_SIZE), None]


async def test_traffic_counts_what_this_node_has_committed(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        traffic = Traffic(log.ledger)
        async with running_log(beside(log.store), port=9093) as other:
            await log.append(batch(b"a", b"b", b"c")).result()
            await log.append(batch(b"d")).result()
            await other.append(batch(b"e", b"f")).result()
            await log.ledger.barrier()
            counted = traffic.of(TOPIC)
            assert (counted.records_in, counted.bytes_in) == (4, len(batch(b"a", b"b", b"c")) + len(batch(b"d")))
            await log.ledger.propose(DeleteTopic(TOPIC))
            assert not traffic.by_topic
