"""OffsetForLeaderEpoch and DescribeProducers: what a partition says of its past."""

import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.broker.peer import EPOCH_MS, batch


@pytest.mark.parametrize("version", [2, 3, 4])
async def test_the_only_epoch_ends_at_the_high_watermark(autojump_clock, peer, version):
    async def end(epoch, *, topic="t", partition=0, current=-1):
        asked = OffsetForLeaderTopic(topic, [OffsetForLeaderPartition(partition, current, epoch)])
        (row,) = (await peer.ask(OffsetForLeaderEpochRequest(topics=[asked]), version)).topics[0].partitions
        assert row.partition == partition
        return ErrorCode(row.error_code).name, row.leader_epoch, row.end_offset

    assert await end(0) == ("NONE", 0, 0)
    await peer.produce("t", batch(b"a", b"b"))
    assert await end(0) == await end(0, current=0) == ("NONE", 0, 2)
    assert await end(1) == await end(-1) == ("NONE", -1, -1)
    assert await end(-5) == ("NONE", -5, 0), "before every epoch there was"
    assert await end(0, current=1) == ("UNKNOWN_LEADER_EPOCH", -1, -1)
    for nowhere in ({"topic": "nowhere"}, {"partition": 1}):
        assert await end(0, **nowhere) == ("UNKNOWN_TOPIC_OR_PARTITION", -1, -1)


async def test_producers_are_told_where_they_wrote(autojump_clock, peer):
    await peer.create("u", 2)
    producer_id = (await peer.ask(InitProducerIdRequest(transactional_id=None))).producer_id
    for sequence in (0, 2):
        data = batch(b"a", b"b", producer_id=producer_id, producer_epoch=0, base_sequence=sequence)
        assert (await peer.produce("u", data, partition=1)).error_code == 0
    await peer.produce("u", batch(b"of nobody"), partition=1)
    asked = [TopicRequest("u", [0, 1, 2]), TopicRequest("nowhere", [0]), TopicRequest("a/b", [0])]
    known, unknown, odd = (await peer.ask(DescribeProducersRequest(asked))).topics
    codes = [ErrorCode(row.error_code).name for row in (*known.partitions, *unknown.partitions)]
    assert codes == ["NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION"]
    assert ErrorCode(odd.partitions[0].error_code).name == "INVALID_TOPIC_EXCEPTION"
    assert known.partitions[0].active_producers == []
    (state,) = known.partitions[1].active_producers
    assert (state.producer_id, state.producer_epoch, state.last_sequence) == (producer_id, 0, 3)
    assert (state.coordinator_epoch, state.current_txn_start_offset) == (-1, -1)
    assert state.last_timestamp >= EPOCH_MS
