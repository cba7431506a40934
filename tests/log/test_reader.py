"""The reader: whole batches from the one that contains an offset, as they were stored, up to a byte budget."""

import tracemalloc

import msgspec
import pytest
from trio.testing import MockClock

from higgins.ledger.state.index import STORED_OFFSETS, Run
from higgins.ledger.state.runs import DeleteRecords
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.log import reader as reader_module
from higgins.log.planner import Cursor, Served, pointer_from, serve
from higgins.log.reader import TimedRecord
from higgins.model.errors import Corrupt, ObjectMissing, StorageUnavailable
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectId, Pointer
from higgins_protocol.records.batch import PREFIX_BYTES, assemble, read_header
from higgins_protocol.records.compression import Codec, compress
from higgins_protocol.records.record import Record, encode_batch
from tests.ledger.nodes import TOPIC, beside
from tests.log.world import LARGE, NOON_MS, SMALL, Log, batch, records_in, records_served, running_log

OBJECT = ObjectId(7)


# ---- the planner ----------------------------------------------------------------------------------------------------


class Stored:
    """A run of batches at a position in an object."""

    def __init__(self, *sizes: int, value_bytes: int = 10, base: int = 100, position: int = 1000) -> None:
        self.batches = [batch(*[bytes(value_bytes)] * size) for size in sizes]
        self.data = memoryview(b"".join(self.batches))
        self.run = Run(base, base + sum(sizes) - 1, OBJECT, position, len(self.data), NOON_MS, base)

    def serve(
        self, offset: int, bytes_max: int = 1 << 20, *, first: bool = True, cursor: Cursor | None = None
    ) -> Served:
        start = 0 if cursor is None else cursor.position - self.run.position
        return serve(self.run, cursor, [self.data[start:]], offset, bytes_max, first)


def offsets_in(pieces: list[Buffer]) -> list[int]:
    """The offsets of all records served; every batch must be whole and its checksum right."""
    return [record.offset for record in records_served(memoryview(b"".join(pieces)))]


@pytest.mark.parametrize("value_bytes", [10, 40_000], ids=["copied", "not copied"])
@pytest.mark.parametrize(
    ("offset", "first_served"), [(100, 100), (101, 101), (102, 101), (103, 101), (104, 104), (0, 100)]
)
def test_serving_starts_with_the_batch_that_contains_the_offset(
    value_bytes: int, offset: int, first_served: int
) -> None:
    served = Stored(1, 3, 2, value_bytes=value_bytes).serve(offset)
    assert offsets_in(served.pieces) == list(range(first_served, 106)) and served.next is None
    assert served.length == sum(len(piece) for piece in served.pieces)


def compacted(*bases: int, last: int) -> Stored:
    """A run whose batches carry their own offsets, with gaps between them; one record each."""
    stored = Stored(*[1] * len(bases), base=bases[0])
    data = bytearray(stored.data)
    for i, base in enumerate(bases):
        at = i * len(stored.batches[0])
        data[at : at + 8] = base.to_bytes(8, "big")
    stored.data = memoryview(data)
    stored.run = msgspec.structs.replace(stored.run, last_offset=last, flags=STORED_OFFSETS)
    return stored


@pytest.mark.parametrize(
    ("offset", "expected"), [(0, [100, 105, 130]), (101, [105, 130]), (105, [105, 130]), (106, [130]), (140, [])]
)
def test_a_compacted_run_is_served_with_its_stored_offsets(offset: int, expected: list[int]) -> None:
    served = compacted(100, 105, 130, last=150).serve(offset)
    assert offsets_in(served.pieces) == expected and served.next is None


def test_a_compacted_run_continues_from_its_cursor() -> None:
    stored = compacted(100, 105, 130, last=150)
    one = len(stored.batches[0])
    served = stored.serve(0, one)
    assert offsets_in(served.pieces) == [100]
    assert served.next is not None and served.next.position == stored.run.position + one
    assert offsets_in(stored.serve(101, one, cursor=served.next).pieces) == [105]


def test_a_compacted_run_with_an_offset_beyond_its_last_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        compacted(100, 105, 130, last=129).serve(0)


def test_large_batches_are_served_without_copying_them() -> None:
    stored = Stored(1, 1, value_bytes=40_000)
    prefix, view, *_ = stored.serve(100).pieces
    assert len(prefix) == PREFIX_BYTES and isinstance(view, memoryview) and view.obj is stored.data.obj


def test_serving_stops_at_the_byte_budget_and_continues_from_its_cursor() -> None:
    stored = Stored(2, 2, 2, 2)
    size = len(stored.batches[0])
    served = stored.serve(100, 2 * size + 5)
    assert offsets_in(served.pieces) == [100, 101, 102, 103]
    assert served.next == Cursor(104, stored.run.position + 2 * size)
    assert pointer_from(stored.run, served.next) == Pointer(OBJECT, 1000 + 2 * size, 2 * size)
    again = stored.serve(104, 1 << 20, cursor=served.next)
    assert offsets_in(again.pieces) == [104, 105, 106, 107] and again.next is None


def test_the_first_batch_is_served_whole_even_beyond_the_budget() -> None:
    stored = Stored(2, 2)
    assert offsets_in(stored.serve(102, 1).pieces) == [102, 103]
    rest = stored.serve(100, 1, first=False)
    assert rest.pieces == [] and rest.length == 0 and rest.next == Cursor(100, 1000)


@pytest.mark.parametrize("cut", [1, 30, 61, 62])
def test_bytes_that_end_early_are_corrupt(cut: int) -> None:
    stored = Stored(1, 1)
    stored.data = stored.data[:-cut]
    with pytest.raises(Corrupt):
        stored.serve(100)


def test_bytes_with_other_offsets_than_the_run_are_corrupt() -> None:
    stored = Stored(1, 2)
    stored.run = Run(100, 107, OBJECT, 1000, len(stored.data), NOON_MS, 100)
    with pytest.raises(Corrupt):
        stored.serve(100)


def test_bytes_that_are_not_batches_are_corrupt() -> None:
    for filling in (b"\0", b"\xff"):
        with pytest.raises(Corrupt):
            serve(Run(0, 9, OBJECT, 0, 500, 0, 0), None, [memoryview(filling * 500)], 0, 1 << 20, True)


# ---- the reader -----------------------------------------------------------------------------------------------------


async def fill(log: Log, sizes: list[int]) -> None:
    for i, size in enumerate(sizes):
        await log.append(batch(*[bytes([i]) * size] * 3, timestamp=NOON_MS + 100 * i)).result()


SIZES = [SMALL, LARGE // 3, SMALL, SMALL, LARGE, SMALL, LARGE // 4, SMALL]


@pytest.mark.parametrize("bytes_max", [1, 400, 1500, 1 << 20])
async def test_all_records_are_read_from_any_offset_with_any_budget(autojump_clock: MockClock, bytes_max: int) -> None:
    async with running_log() as log:
        await fill(log, SIZES)
        for offset in range(3 * len(SIZES)):
            records = await log.records(offset=offset, bytes_max=bytes_max)
            first = offset - offset % 3
            assert [record.offset for record in records] == list(range(first, 3 * len(SIZES)))
            assert all(record.value and record.value[0] == record.offset // 3 for record in records)


async def test_a_read_stays_within_its_budget_after_the_first_batch(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, SIZES)
        for bytes_max in range(100, 6000, 97):
            read = await log.reader.read(TOPIC, 0, 0, bytes_max)
            assert read.length <= bytes_max or len({r.offset // 3 for r in records_in(read)}) == 1
        assert (await log.reader.read(TOPIC, 0, 0, 100, first=False)).length == 0


async def test_a_read_at_the_end_or_in_an_empty_partition_is_empty(autojump_clock: MockClock) -> None:
    async with running_log(partitions=2) as log:
        await fill(log, [SMALL])
        for partition, offset in ((0, 3), (1, 0)):
            read = await log.reader.read(TOPIC, partition, offset, 1 << 20)
            assert (read.pieces, read.length, read.next_offset) == ([], 0, offset)


async def test_records_of_this_node_are_read_from_the_cache_without_waiting(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, SIZES)
        before = len(log.store.calls)
        read = log.reader.read_nowait(TOPIC, 0, 0, 1 << 20)
        assert read is not None and len(records_in(read)) == 3 * len(SIZES)
        assert len(log.store.calls) == before


async def test_records_of_another_node_are_read_from_the_store_once(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, SIZES)
        async with running_log(beside(log.store), port=9093) as other:
            assert other.reader.read_nowait(TOPIC, 0, 0, 1 << 20) is None
            for _ in range(3):
                assert len(await other.records()) == 3 * len(SIZES)
            ranges = [key for call, key in other.store.calls if call == "get_range"]
            assert sorted(ranges) == log.objects()
            read = other.reader.read_nowait(TOPIC, 0, 0, 1 << 20)
            assert read is not None and len(records_in(read)) == 3 * len(SIZES)


async def test_a_failure_after_the_first_records_serves_those_records(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, [LARGE, LARGE])
        async with running_log(beside(log.store), port=9093) as other:
            second = log.objects()[1]

            async def fail(key: str) -> None:
                if key == second:
                    raise StorageUnavailable("not now")

            other.store.before_read = fail
            assert [record.offset for record in records_in(await other.reader.read(TOPIC, 0, 0, 1 << 20))] == [0, 1, 2]
            with pytest.raises(StorageUnavailable):
                await other.reader.read(TOPIC, 0, 3, 1 << 20)


async def test_a_missing_object_is_tried_again_after_catching_up(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, [LARGE])
        async with running_log(beside(log.store), port=9093) as other:
            (key,) = log.objects()
            data = log.store.objects.pop(key)

            async def bring_back(read: str) -> None:
                if read.startswith("ledger/"):
                    log.store.objects[key] = data

            other.store.before_read = bring_back
            assert len(await other.records()) == 3
            del log.store.objects[key]
        async with running_log(beside(log.store), port=9094) as third:
            with pytest.raises(ObjectMissing):
                await third.records()


async def test_an_overwritten_object_raises_corrupt(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, [LARGE])
        (key,) = log.objects()
        log.store.objects[key] = bytes(len(log.store.objects[key]))
        async with running_log(beside(log.store), port=9093) as other:
            with pytest.raises(Corrupt):
                await other.records()


async def test_a_new_topic_with_the_name_of_a_deleted_one_is_empty(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, [SMALL])
        await log.ledger.propose(DeleteTopic(TOPIC))
        namesake = TopicId(b"n" * 16)
        await log.ledger.propose(CreateTopic("t", namesake, 1))
        assert (await log.reader.read(namesake, 0, 0, 1 << 20)).length == 0
        assert (await log.reader.read(TOPIC, 0, 0, 1 << 20)).length == 0


async def test_the_positions_of_readers_are_remembered_up_to_a_bound(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "CURSORS_MAX", 10)
    async with running_log() as log:
        await log.append(*[batch(b"v") for _ in range(100)]).result()
        size = len(batch(b"v"))
        for offset in range(90):
            read = await log.reader.read(TOPIC, 0, offset, size)
            assert read.next_offset == offset + 1
            assert len(log.reader._cursors) <= 10
        assert len(log.reader._cursors) == 10
        assert next(reversed(log.reader._cursors))[2] == 90, "the newest ones stay"


# ---- by time --------------------------------------------------------------------------------------------------------


async def test_the_first_record_of_a_timestamp_is_found_inside_its_batch(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await fill(log, SIZES)
        written = await log.records()
        for timestamp in range(NOON_MS - 1, NOON_MS + 100 * len(SIZES), 7):
            later = [record for record in written if record.timestamp >= timestamp]
            expected = TimedRecord(later[0].offset, later[0].timestamp) if later else None
            assert await log.reader.find_by_time(TOPIC, 0, timestamp) == expected
        assert await log.reader.find_newest(TOPIC, 0) == TimedRecord(written[-1].offset, written[-1].timestamp)


async def test_with_timestamps_out_of_order_the_first_match_is_found(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        for late in (50, 10, 70, 30):
            await log.append(batch(b"a", timestamp=NOON_MS + late)).result()
        for timestamp, offset in ((0, 0), (40, 0), (51, 2), (70, 2)):
            record = await log.reader.find_by_time(TOPIC, 0, NOON_MS + timestamp)
            assert record is not None and record.offset == offset
        assert await log.reader.find_by_time(TOPIC, 0, NOON_MS + 71) is None
        assert await log.reader.find_newest(TOPIC, 0) == TimedRecord(2, NOON_MS + 70)


async def test_log_append_time_is_the_timestamp_of_every_record(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.append(batch(b"a", b"b", timestamp=5), stamps=True).result()
        assert await log.reader.find_by_time(TOPIC, 0, 6) == TimedRecord(0, NOON_MS)
        assert await log.reader.find_newest(TOPIC, 0) == TimedRecord(0, NOON_MS)


async def test_a_batch_whose_header_overstates_its_timestamp_is_skipped(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        overstated = bytearray(batch(b"a", timestamp=NOON_MS))
        overstated[35:43] = (NOON_MS + 1000).to_bytes(8, "big")
        assert read_header(memoryview(overstated)).max_timestamp == NOON_MS + 1000
        await log.append(bytes(overstated)).result()
        assert await log.reader.find_by_time(TOPIC, 0, NOON_MS + 500) is None
        await log.append(batch(b"b", timestamp=NOON_MS + 600)).result()
        assert await log.reader.find_by_time(TOPIC, 0, NOON_MS + 500) == TimedRecord(1, NOON_MS + 600)


async def test_deleted_records_are_not_found_by_timestamp(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        times = [50, 90, 10, 70, 30, 70]
        records = [Record(timestamp=NOON_MS + late, value=b"v") for late in times]
        await log.append(encode_batch(records[:4])).result()
        await log.append(encode_batch(records[4:])).result()
        for start in range(1, len(times) + 1):
            await log.ledger.propose(DeleteRecords(TOPIC, 0, start))
            remaining = [TimedRecord(at, NOON_MS + times[at]) for at in range(start, len(times))]
            newest = max(remaining, key=lambda record: (record.timestamp, -record.offset), default=None)
            assert await log.reader.find_newest(TOPIC, 0) == newest
            for late in range(0, 100, 10):
                later = [record for record in remaining if record.timestamp >= NOON_MS + late]
                assert await log.reader.find_by_time(TOPIC, 0, NOON_MS + late) == next(iter(later), None)


async def test_a_batch_with_log_append_time_is_found_at_the_log_start(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        await log.append(batch(b"a", b"b", b"c", timestamp=5), stamps=True).result()
        await log.ledger.propose(DeleteRecords(TOPIC, 0, 2))
        assert await log.reader.find_by_time(TOPIC, 0, 6) == TimedRecord(2, NOON_MS)
        assert await log.reader.find_newest(TOPIC, 0) == TimedRecord(2, NOON_MS)


@pytest.mark.parametrize("codec", list(Codec))
async def test_a_batch_that_cannot_be_read_raises_an_error_that_does_not_hold_its_bytes(
    autojump_clock: MockClock, codec: Codec
) -> None:
    """Earlier versions stored such batches. Its records decompress to 4 MiB and then turn out to be none."""
    body = b"\x0e\0\0\0\x01\x02v\0" + b"\xff" * (4 << 20)
    data = assemble(compress(codec, body), count=9, attributes=codec, base_timestamp=0, max_timestamp=NOON_MS)
    async with running_log(object_bytes_max=16 << 20) as log:
        await log.append(data).result()
        errors = []
        tracemalloc.start()
        for timestamp in (5, NOON_MS) * 3:
            with pytest.raises(Corrupt, match="offset 0") as caught:
                await log.reader.find_by_time(TOPIC, 0, timestamp)
            errors.append(caught.value)
        with pytest.raises(Corrupt):
            await log.reader.find_newest(TOPIC, 0)
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 1 << 20 and peak < 10 << 20, errors
        await log.append(batch(b"a", timestamp=NOON_MS + 1)).result()
        assert await log.reader.find_by_time(TOPIC, 0, NOON_MS + 1) == TimedRecord(9, NOON_MS + 1)


async def test_a_lookup_reads_no_further_than_the_record_it_looks_for(autojump_clock: MockClock) -> None:
    """A batch of many records takes no more memory than its bytes."""
    records = [Record(timestamp=NOON_MS + n) for n in range(200_000)]
    async with running_log(object_bytes_max=16 << 20) as log:
        await log.append(encode_batch(records, codec=Codec.ZSTD)).result()
        tracemalloc.start()
        assert await log.reader.find_by_time(TOPIC, 0, NOON_MS + 5) == TimedRecord(5, NOON_MS + 5)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 << 20


async def test_an_empty_partition_has_no_record_for_any_timestamp(autojump_clock: MockClock) -> None:
    async with running_log() as log:
        assert await log.reader.find_by_time(TOPIC, 0, 0) is None
        assert await log.reader.find_newest(TOPIC, 0) is None
