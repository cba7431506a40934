"""ListOffsets: both ends, by time, and the newest record."""

import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.records.compression import Codec
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import Record, encode_batch
from tests.broker.peer import EPOCH_MS, batch

LATEST, EARLIEST, NEWEST = -1, -2, -3


def stamped(*distances_ms: int, **header) -> bytes:
    return encode_batch([Record(timestamp=EPOCH_MS + one, value=b"v") for one in distances_ms], **header)


@pytest.mark.parametrize("version", range(1, 8))
async def test_every_version_knows_both_ends_and_finds_by_time(autojump_clock, peer, version):
    await peer.produce("t", stamped(0, 10))
    await peer.produce("t", stamped(20))
    assert await peer.offset_at("t", LATEST, version=version) == (0, 3, -1)
    assert await peer.offset_at("t", EARLIEST, version=version) == (0, 0, -1)
    assert await peer.offset_at("t", EPOCH_MS + 5, version=version) == (0, 1, EPOCH_MS + 10)
    assert await peer.offset_at("t", EPOCH_MS + 99, version=version) == (0, -1, -1)


@pytest.mark.parametrize("version", range(4, 8))
async def test_what_is_found_has_the_epoch_and_what_is_not_has_none(autojump_clock, peer, version):
    await peer.produce("t", stamped(0))
    for timestamp, epoch in ((LATEST, 0), (EPOCH_MS, 0), (EPOCH_MS + 1, -1)):
        request = ListOffsetsRequest(topics=[ListOffsetsTopic("t", [ListOffsetsPartition(0, timestamp=timestamp)])])
        assert (await peer.ask(request, version)).topics[0].partitions[0].leader_epoch == epoch


@pytest.mark.parametrize("codec", list(Codec))
async def test_time_finds_the_record_and_not_its_batch(autojump_clock, peer, codec):
    await peer.produce("t", stamped(0, 100, 50, codec=codec))
    await peer.produce("t", stamped(40, 300, 200, codec=codec))
    wanted = {0: 0, 1: 1, 100: 1, 101: 4, 300: 4}
    for distance_ms, offset in wanted.items():
        assert (await peer.offset_at("t", EPOCH_MS + distance_ms))[:2] == (0, offset), distance_ms
    assert await peer.offset_at("t", EPOCH_MS + 301) == (0, -1, -1)
    assert (await peer.offset_at("t", 0))[:2] == (0, 0)


async def test_a_header_that_promises_more_than_its_records_is_seen_through(autojump_clock, peer):
    data = bytearray(stamped(0, 10))
    data[35:43] = (EPOCH_MS + 1_000).to_bytes(8, "big")
    data[17:21] = crc32c(bytes(data[21:])).to_bytes(4, "big")
    await peer.produce("t", bytes(data))
    await peer.produce("t", stamped(500))
    assert await peer.offset_at("t", EPOCH_MS + 100) == (0, 2, EPOCH_MS + 500)


async def test_the_newest_is_the_record_with_the_greatest_timestamp(autojump_clock, peer):
    assert await peer.offset_at("t", NEWEST) == (0, -1, -1)
    await peer.produce("t", stamped(100, 400, 200))
    await peer.produce("t", stamped(300))
    assert await peer.offset_at("t", NEWEST) == (0, 1, EPOCH_MS + 400)


@pytest.mark.parametrize("timestamp, version", [(NEWEST, 6), (-4, 7), (-5, 7), (-99, 7)])
async def test_times_of_later_versions_are_refused(autojump_clock, peer, timestamp, version):
    assert ErrorCode((await peer.offset_at("t", timestamp, version=version))[0]).name == "UNSUPPORTED_VERSION"


async def test_an_empty_partition_has_ends_and_no_times(autojump_clock, peer):
    assert [await peer.offset_at("t", one) for one in (LATEST, EARLIEST, 0, EPOCH_MS)] == [
        (0, 0, -1),
        (0, 0, -1),
        (0, -1, -1),
        (0, -1, -1),
    ]


async def test_each_partition_has_its_own_answer(autojump_clock, peer):
    await peer.create("many", 3)
    await peer.produce("many", batch(b"a"), partition=1)
    asked = [ListOffsetsPartition(one, timestamp=LATEST) for one in (0, 1, 3, -1)]
    asked.append(ListOffsetsPartition(2, current_leader_epoch=5, timestamp=LATEST))
    nowhere = ListOffsetsTopic("nowhere", [ListOffsetsPartition(0, timestamp=LATEST)])
    answer = await peer.ask(ListOffsetsRequest(topics=[ListOffsetsTopic("many", asked), nowhere]))
    found = [(row.partition_index, ErrorCode(row.error_code).name, row.offset) for row in answer.topics[0].partitions]
    assert found == [
        (0, "NONE", 0),
        (1, "NONE", 1),
        (3, "UNKNOWN_TOPIC_OR_PARTITION", -1),
        (-1, "UNKNOWN_TOPIC_OR_PARTITION", -1),
        (2, "UNKNOWN_LEADER_EPOCH", -1),
    ]
    assert ErrorCode(answer.topics[1].partitions[0].error_code).name == "UNKNOWN_TOPIC_OR_PARTITION"


async def test_a_partition_asked_for_twice_is_refused_once(autojump_clock, peer):
    await peer.create("many", 2)
    asked = [ListOffsetsPartition(one, timestamp=LATEST) for one in (0, 1, 0)]
    answer = await peer.ask(ListOffsetsRequest(topics=[ListOffsetsTopic("many", asked)]))
    found = {row.partition_index: ErrorCode(row.error_code).name for row in answer.topics[0].partitions}
    assert len(answer.topics[0].partitions) == 2
    assert found == {0: "INVALID_REQUEST", 1: "NONE"}
