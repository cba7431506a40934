"""DeleteRecords: the log start moves, and everything that knows of a start agrees with it."""

import msgspec
import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from higgins_protocol.messages.private import PrivateRequest
from tests.broker.peer import EPOCH_MS, batch, fetch_request, records_of

BROKER = 4
EARLIEST, LATEST, NEWEST = -2, -1, -3


async def delete(peer, *asked, version=2):
    """(topic, partition, offset) each; (error, low watermark) each."""
    topics = [DeleteRecordsTopic(name, [DeleteRecordsPartition(index, offset)]) for name, index, offset in asked]
    found = await peer.ask(DeleteRecordsRequest(topics), version)
    rows = [row for topic in found.topics for row in topic.partitions]
    assert [row.partition_index for row in rows] == [index for _, index, _ in asked]
    return [(ErrorCode(row.error_code).name, row.low_watermark) for row in rows]


@pytest.mark.parametrize("version", range(3))
async def test_fetch_and_list_offsets_agree_with_the_answer_at_once(autojump_clock, peer, version):
    for values in ((b"0", b"1"), (b"2", b"3", b"4"), (b"5",)):
        await peer.produce("t", batch(*values))
    assert await delete(peer, ("t", 0, 3), version=version) == [("NONE", 3)]
    assert await peer.offset_at("t", EARLIEST) == (0, 3, -1)
    assert await peer.offset_at("t", LATEST) == (0, 6, -1)
    for below in (0, 2):
        row = await peer.fetch("t", below)
        assert (ErrorCode(row.error_code).name, row.log_start_offset) == ("OFFSET_OUT_OF_RANGE", -1)
    row = await peer.fetch("t", 3)
    assert (row.error_code, row.log_start_offset, row.high_watermark) == (0, 3, 6)
    assert [one.value for one in records_of(row) if one.offset >= 3] == [b"3", b"4", b"5"]
    assert (await peer.produce("t", batch(b"6"))).log_start_offset == 3


async def test_all_there_is_can_be_deleted_and_the_log_goes_on(autojump_clock, peer):
    await peer.produce("t", batch(b"a", b"b"))
    assert await delete(peer, ("t", 0, -1)) == [("NONE", 2)]
    assert await peer.offset_at("t", EARLIEST) == await peer.offset_at("t", LATEST) == (0, 2, -1)
    assert await peer.offset_at("t", NEWEST) == await peer.offset_at("t", 0) == (0, -1, -1)
    row = await peer.fetch("t", 2)
    assert (row.error_code, records_of(row)) == (0, [])
    (result,) = (await peer.ask(DescribeLogDirsRequest(None))).results
    assert result.topics[0].partitions[0].partition_size == 0
    assert (await peer.produce("t", batch(b"c"))).base_offset == 2
    assert await peer.values("t", 2) == [b"c"]


async def test_times_of_deleted_records_are_not_found(autojump_clock, peer):
    for late in (90, 10, 50):
        await peer.produce("t", batch(b"v", timestamp=EPOCH_MS + late))
    assert await peer.offset_at("t", NEWEST) == (0, 0, EPOCH_MS + 90)
    await delete(peer, ("t", 0, 1))
    assert await peer.offset_at("t", NEWEST) == (0, 2, EPOCH_MS + 50)
    assert await peer.offset_at("t", EPOCH_MS) == (0, 1, EPOCH_MS + 10)


async def test_it_never_goes_back_and_never_past_the_end(autojump_clock, peer):
    await peer.create("u", 2)
    await peer.produce("t", batch(b"a", b"b", b"c"))
    assert await delete(peer, ("t", 0, 2), ("t", 0, 1)) == [("NONE", 2), ("NONE", 2)]
    assert await delete(peer, ("t", 0, 0)) == [("NONE", 2)]
    assert await delete(peer, ("t", 0, 4), ("t", 0, -2), ("u", 1, 0), ("u", 2, 0), ("nowhere", 0, 0)) == [
        ("OFFSET_OUT_OF_RANGE", -1),
        ("OFFSET_OUT_OF_RANGE", -1),
        ("NONE", 0),
        ("UNKNOWN_TOPIC_OR_PARTITION", -1),
        ("UNKNOWN_TOPIC_OR_PARTITION", -1),
    ]


async def test_a_topic_that_only_compacts_loses_nothing(autojump_clock, peer):
    await peer.create("compacted", configs={"cleanup.policy": "compact"})
    await peer.create("both", configs={"cleanup.policy": "compact,delete"})
    rows = await delete(peer, ("compacted", 0, -1), ("both", 0, -1))
    assert rows == [("POLICY_VIOLATION", -1), ("NONE", 0)]


async def test_a_poll_that_waits_below_the_new_start_learns_of_it(autojump_clock, start):
    house = await start()
    reader, other = house.connect(), house.connect()
    await other.create("t")
    await other.produce("t", batch(b"a"))
    await reader.send(fetch_request([("t", 0, 0)], min_bytes=1 << 20, max_wait_ms=60_000))
    assert await reader.is_silent(1)
    before = house.broker._runtime.monotonic()
    assert await delete(other, ("t", 0, 1)) == [("NONE", 1)]
    row = (await reader.receive()).responses[0].partitions[0]
    assert ErrorCode(row.error_code).name == "OFFSET_OUT_OF_RANGE"
    assert house.broker._runtime.monotonic() - before < 1


async def test_deletions_outlive_the_broker(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    await peer.produce("t", batch(b"a", b"b"))
    await delete(peer, ("t", 0, 1))
    house.broker.stop()
    assert await peer.is_closed()
    again = (await start()).connect()
    assert await again.offset_at("t", EARLIEST) == (0, 1, -1)


async def test_an_operator_goes_on_behind_what_was_deleted(autojump_clock, peer):
    await peer.create("orders")
    await peer.produce("orders", batch(b'{"qty":9}'))
    await peer.produce("orders", batch(b'{"qty":8}'))
    await delete(peer, ("orders", 0, 1))
    text = '[streams.orders]\nformat = "json"\n[streams.large]\nbase = "orders"\ntype = "filter"\nwhere = "qty > 5"\n'
    await peer.ask(PrivateRequest(verb="apply", document=msgspec.json.encode({"document": text})))
    row = (await peer.ask(fetch_request([("large", 0, 0)], min_bytes=1, max_wait_ms=60_000))).responses[0].partitions[0]
    assert [one.value for one in records_of(row)] == [b'{"qty":8}']
