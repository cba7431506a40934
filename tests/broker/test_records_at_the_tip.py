"""Fetch, ListOffsets and Produce: nothing is refused from memory alone, and each failure has its own code."""

import pytest

from higgins.log.reader import Reader
from higgins.model.errors import ObjectMissing, StorageUnavailable
from higgins.server.settings import Listener, ServerSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tests.broker.peer import batch, batches_of, fetch_request, produce_request, records_of

LATEST = -1
ELSEWHERE = ServerSettings(listeners=(Listener("127.0.0.1:9093", "127.0.0.1", 9093, "127.0.0.1", 9093),))


def codes(answer):
    return [ErrorCode(row.error_code).name for topic in answer.responses for row in topic.partitions]


async def list_offsets(peer, timestamp, leader_epoch=-1):
    part = ListOffsetsPartition(0, current_leader_epoch=leader_epoch, timestamp=timestamp)
    row = (await peer.ask(ListOffsetsRequest(topics=[ListOffsetsTopic("t", [part])]))).topics[0].partitions[0]
    return ErrorCode(row.error_code).name, row.offset


async def unavailable(*args, **options):
    raise StorageUnavailable("The bucket is out for lunch.")


@pytest.mark.parametrize("wait_ms", [0, 100])
async def test_what_another_node_has_just_made_and_written_is_read_at_once(autojump_clock, start, wait_ms):
    one, two = await start(), await start(server=ELSEWHERE)
    first, second = one.connect(), two.connect()
    await first.create("t")
    assert codes(await second.ask(fetch_request([("t", 0, 0)], max_wait_ms=wait_ms, min_bytes=1))) == ["NONE"]
    for _ in range(3):
        await first.produce("t", batch(b"a"))
    end = two.broker.node.state.runs.high_watermark(two.broker.node.state.topics.by_name["t"].id, 0)
    assert end < 3, "nobody has told it"
    answer = await second.ask(fetch_request([("t", 0, 2)], max_wait_ms=wait_ms, min_bytes=1))
    assert codes(answer) == ["NONE"] and len(records_of(answer.responses[0].partitions[0])) == 1
    answer = await second.ask(fetch_request([("t", 0, 4)], max_wait_ms=wait_ms, min_bytes=1))
    assert codes(answer) == ["OFFSET_OUT_OF_RANGE"]


async def test_the_end_of_a_log_is_that_of_the_newest_commit(autojump_clock, start):
    one, two = await start(), await start(server=ELSEWHERE)
    first, second = one.connect(), two.connect()
    await first.create("t")
    for count in range(1, 4):
        await first.produce("t", batch(b"a"))
        assert await list_offsets(second, LATEST) == ("NONE", count)


async def test_a_node_that_cannot_ask_for_the_newest_commit_refuses_nothing_for_good(
    autojump_clock, start, monkeypatch
):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    monkeypatch.setattr(house.broker.node.ledger, "barrier", unavailable)
    assert codes(await peer.ask(fetch_request([("none", 0, 0)]))) == ["NOT_LEADER_OR_FOLLOWER"]
    assert codes(await peer.ask(fetch_request([("t", 0, 9)]))) == ["NOT_LEADER_OR_FOLLOWER"]
    assert (await list_offsets(peer, LATEST))[0] == "NOT_LEADER_OR_FOLLOWER"


async def test_records_that_are_deleted_while_they_are_read_are_out_of_range(autojump_clock, start, monkeypatch):
    house = await start()
    reader, other = house.connect(), house.connect()
    await other.create("t")
    await other.produce("t", batch(b"a", b"b", b"c"))
    read = Reader.read

    async def delete_and_read(self, *args, **options):
        topics = [DeleteRecordsTopic("t", [DeleteRecordsPartition(0, 2)])]
        await other.ask(DeleteRecordsRequest(topics))
        return await read(self, *args, **options)

    monkeypatch.setattr(Reader, "read_nowait", lambda *args, **options: None)
    monkeypatch.setattr(Reader, "read", delete_and_read)
    answer = await reader.ask(fetch_request([("t", 0, 0)]))
    assert codes(answer) == ["OFFSET_OUT_OF_RANGE"]
    assert not answer.responses[0].partitions[0].records


@pytest.mark.parametrize("error", [StorageUnavailable("no"), ObjectMissing("no")], ids=["unavailable", "missing"])
async def test_what_cannot_be_read_is_an_error_of_its_partition(autojump_clock, start, monkeypatch, error):
    peer = (await start()).connect()
    await peer.create("t")
    await peer.produce("t", batch(b"a"))

    async def fail(*args, **options):
        raise error

    monkeypatch.setattr(Reader, "read_nowait", lambda *args, **options: None)
    monkeypatch.setattr(Reader, "read", fail)
    assert codes(await peer.ask(fetch_request([("t", 0, 0)]))) == ["KAFKA_STORAGE_ERROR"]


async def test_answers_that_wait_to_be_sent_leave_less_room_for_the_next(autojump_clock, start):
    size = len(batch(bytes(1_000)))
    house = await start(unsent_bytes_max=6 * size, fetch_bytes_min=2 * size)
    peer = house.connect()
    await peer.create("t")
    for _ in range(8):
        await peer.produce("t", batch(bytes(1_000)))
    unsent = house.broker.node.unsent
    for waiting, batches in ((0, 6), (3, 3), (4, 2), (60, 2)):
        before, unsent.bytes = unsent.bytes, waiting * size
        row = await peer.fetch("t", 0)
        unsent.bytes = before
        assert len(batches_of(row)) == batches, waiting


async def test_epochs_beside_the_only_one_are_unknown_or_fenced(autojump_clock, peer):
    await peer.produce("t", batch(b"a"))
    for epoch, code in ((-2, "FENCED_LEADER_EPOCH"), (-1, "NONE"), (0, "NONE"), (1, "UNKNOWN_LEADER_EPOCH")):
        assert (await list_offsets(peer, LATEST, epoch))[0] == code
    for epoch, code in ((0, "NONE"), (1, "OFFSET_OUT_OF_RANGE")):
        part = FetchPartition(0, fetch_offset=0, last_fetched_epoch=epoch, partition_max_bytes=1 << 20)
        assert codes(await peer.ask(FetchRequest(topics=[FetchTopic("t", [part])]), 12)) == [code]


async def test_batches_for_a_topic_that_this_node_has_not_heard_of_keep_their_order(autojump_clock, start):
    one, two = await start(), await start(server=ELSEWHERE)
    first, second = one.connect(), two.connect()
    for attempt in range(5):
        await first.create(f"fresh{attempt}")
        for number in range(4):
            await second.send(produce_request(f"fresh{attempt}", batch(b"%d" % number)))
        offsets = [(await second.receive()).responses[0].partition_responses[0].base_offset for _ in range(4)]
        assert offsets == [0, 1, 2, 3]
        assert await second.values(f"fresh{attempt}") == [b"0", b"1", b"2", b"3"]
