"""The last value that Produce and Fetch accept, the first that they do not, and the order of rows in their answers."""

import pytest
import trio

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tests.broker.peer import EPOCH_MS, batch, batches_of, fetch_request, produce_many, produce_request, records_of

LONG_MS = 30_000


def code(row) -> str:
    return ErrorCode(row.error_code).name


# ---- Produce --------------------------------------------------------------------------------------------------------


async def test_a_batch_may_be_as_large_as_the_topic_says(autojump_clock, peer):
    data = batch(bytes(5_000))
    for bound, wanted in ((len(data), "NONE"), (len(data) - 1, "MESSAGE_TOO_LARGE")):
        await peer.create(f"t{bound}", configs={"max.message.bytes": str(bound)})
        assert code(await peer.produce(f"t{bound}", data)) == wanted


async def test_timestamps_at_the_bounds_are_accepted_and_those_beyond_are_named(autojump_clock, peer):
    configs = {"message.timestamp.before.max.ms": "1000", "message.timestamp.after.max.ms": "2000"}
    await peer.create("timely", configs=configs)
    now_ms = EPOCH_MS + int(trio.current_time() * 1000)
    for at_ms, wanted in ((-1000, "NONE"), (-1001, "INVALID_TIMESTAMP"), (2000, "NONE"), (2001, "INVALID_TIMESTAMP")):
        row = await peer.produce("timely", batch(b"a", timestamp=now_ms + at_ms))
        assert code(row) == wanted, at_ms
        assert len(row.record_errors) == (wanted != "NONE")
    # A batch stamps its records one millisecond apart.
    row = await peer.produce("timely", batch(b"a", b"b", b"c", timestamp=now_ms + 1999))
    assert [each.batch_index for each in row.record_errors] == [2]
    row = await peer.produce("timely", batch(b"a", b"b", b"c", timestamp=now_ms - 1002))
    assert [each.batch_index for each in row.record_errors] == [0, 1]


async def test_each_partition_is_answered_in_its_place(autojump_clock, peer):
    await peer.create("u", 3)
    for _ in range(2):
        await peer.produce("u", batch(b"before"), partition=2)
    parts = [("u", 2, batch(b"a", b"b")), ("u", 0, batch(b"c")), ("t", 0, None), ("u", 5, batch(b"d"))]
    parts = [*parts[:2], parts[3], parts[2]]
    answer = await peer.ask(produce_many(parts))
    found = [
        (topic.name, row.index, code(row), row.base_offset)
        for topic in answer.responses
        for row in topic.partition_responses
    ]
    assert found == [
        ("u", 2, "NONE", 2),
        ("u", 0, "NONE", 0),
        ("u", 5, "UNKNOWN_TOPIC_OR_PARTITION", -1),
        ("t", 0, "INVALID_RECORD", -1),
    ]
    assert await peer.values("u", 0, 2) == [b"before", b"before", b"a", b"b"]


async def test_a_refused_batch_at_the_end_does_not_hold_back_the_ones_before_it(autojump_clock, peer):
    begun = trio.current_time()
    answer = await peer.ask(produce_many([("t", 0, batch(b"a")), ("t", 0, batch(b"b")[:-1])]))
    assert [code(row) for row in answer.responses[0].partition_responses] == ["NONE", "INVALID_RECORD"]
    assert trio.current_time() - begun < 1


async def test_the_log_start_is_part_of_the_answer(autojump_clock, peer):
    await peer.produce("t", batch(b"a", b"b", b"c"))
    await peer.ask(DeleteRecordsRequest([DeleteRecordsTopic("t", [DeleteRecordsPartition(0, 2)])]))
    row = await peer.produce("t", batch(b"d"))
    assert (row.base_offset, row.log_start_offset, row.log_append_time_ms) == (3, 2, -1)


async def test_every_producer_gets_an_id_of_its_own(autojump_clock, start):
    house = await start()
    peers = [house.connect() for _ in range(5)]
    ids = []
    for _ in range(300):
        for peer in peers:
            await peer.send(InitProducerIdRequest(transactional_id=None))
        ids += [(await peer.receive()).producer_id for peer in peers]
    assert len(set(ids)) == len(ids) == 1_500 and min(ids) >= 0


async def test_a_produce_with_a_short_timeout_is_answered_once_and_its_connection_goes_on(autojump_clock, peer):
    # The store never waits, so that the commit comes first, whatever the timeout says.
    for timeout_ms in (-1, 0, 1):
        answer = await peer.ask(produce_request("t", batch(b"a"), timeout_ms=timeout_ms))
        assert code(answer.responses[0].partition_responses[0]) == "NONE"
    await trio.sleep(60)
    assert await peer.values("t") == [b"a"] * 3


# ---- Fetch ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "waits"), [(0, False), (1, True)])
async def test_a_fetch_is_answered_at_once_when_there_is_just_enough(autojump_clock, peer, more, waits):
    await peer.create("u", 2)
    size = len(batch(bytes(1_000)))
    for partition in range(2):
        await peer.produce("u", batch(bytes(1_000)), partition=partition)
    begun = trio.current_time()
    request = fetch_request([("u", 0, 0), ("u", 1, 0)], max_wait_ms=LONG_MS, min_bytes=2 * size + more)
    rows = (await peer.ask(request)).responses[0].partitions
    assert [len(batches_of(row)) for row in rows] == [1, 1]
    assert (trio.current_time() - begun >= LONG_MS / 1000) == waits


async def test_a_fetch_waits_no_longer_than_the_broker_allows(autojump_clock, start):
    peer = (await start(fetch_wait_ms_max=2_000)).connect()
    await peer.create("t")
    begun = trio.current_time()
    await peer.fetch("t", 0, max_wait_ms=LONG_MS, min_bytes=1)
    assert 2 <= trio.current_time() - begun < 3


async def test_an_answer_holds_no_more_than_the_broker_allows(autojump_clock, start):
    size = len(batch(bytes(1_000)))
    peer = (await start(fetch_bytes_max=3 * size)).connect()
    await peer.create("t", 2)
    for partition in range(2):
        for _ in range(5):
            await peer.produce("t", batch(bytes(1_000)), partition=partition)
    rows = (await peer.ask(fetch_request([("t", 0, 0), ("t", 1, 0)], max_bytes=1 << 20))).responses[0].partitions
    assert [len(batches_of(row)) for row in rows] == [3, 0]
    rows = (await peer.ask(fetch_request([("t", 0, 3), ("t", 1, 0)], max_bytes=1 << 20))).responses[0].partitions
    assert [len(batches_of(row)) for row in rows] == [2, 1]


async def test_a_poll_that_is_woken_too_early_sleeps_on(autojump_clock, start):
    house = await start()
    reader, writer = house.connect(), house.connect()
    await writer.create("t")
    size = len(batch(b"a"))
    await reader.send(fetch_request([("t", 0, 0)], max_wait_ms=LONG_MS, min_bytes=4 * size))
    begun = trio.current_time()
    for _ in range(3):
        await trio.sleep(2)
        await writer.produce("t", batch(b"a"))
        assert reader.is_due and await reader.is_silent(0.5)
    await trio.sleep(1)
    await writer.produce("t", batch(b"a"))
    row = (await reader.receive()).responses[0].partitions[0]
    assert len(records_of(row)) == 4 and row.high_watermark == 4
    assert trio.current_time() - begun < 9


async def test_a_poll_that_names_a_partition_twice_leaves_nothing_behind(autojump_clock, start):
    house = await start()
    reader, writer = house.connect(), house.connect()
    await writer.create("t")
    for _ in range(2):
        await reader.send(fetch_request([("t", 0, 0), ("t", 0, 0)], max_wait_ms=2_000, min_bytes=1))
        rows = (await reader.receive()).responses[0].partitions
        assert [code(row) for row in rows] == ["NONE", "NONE"]
    await writer.produce("t", batch(b"a"))
    rows = (await reader.ask(fetch_request([("t", 0, 0), ("t", 0, 0)]))).responses[0].partitions
    assert [len(records_of(row)) for row in rows] == [1, 1]


# ---- ListOffsets ----------------------------------------------------------------------------------------------------


async def test_partitions_out_of_bounds_have_no_offsets(autojump_clock, peer):
    await peer.create("u", 2)
    partitions = [ListOffsetsPartition(index, timestamp=-1) for index in (-1, 0, 1, 2)]
    answer = await peer.ask(ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic("u", partitions)]))
    unknown = "UNKNOWN_TOPIC_OR_PARTITION"
    assert [code(row) for row in answer.topics[0].partitions] == [unknown, "NONE", "NONE", unknown]


async def test_the_time_zero_finds_the_first_record(autojump_clock, peer):
    await peer.produce("t", batch(b"a", b"b", timestamp=0))
    await peer.produce("t", batch(b"c", timestamp=7))
    found = [await peer.offset_at("t", timestamp) for timestamp in (0, 1, 2, 7, 8)]
    assert found == [(0, 0, 0), (0, 1, 1), (0, 2, 7), (0, 2, 7), (0, -1, -1)]
