"""Corners where a real Kafka was asked the same, and these are its answers."""

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.messages.sync_group import SyncGroupRequest
from tests.broker.peer import EPOCH_MS, batch


async def test_a_topic_is_described_once_however_often_it_is_named(autojump_clock, peer):
    named = [MetadataRequestTopic(name="t")] * 2
    for version in range(13):
        answer = await peer.ask(MetadataRequest(named, allow_auto_topic_creation=True), version)
        assert [row.name for row in answer.topics] == ["t"]


async def test_an_id_before_topics_can_be_asked_for_by_id_is_refused(autojump_clock, peer):
    asked = MetadataRequest([MetadataRequestTopic(topic_id=bytes(range(16)), name="t")])
    for version in (10, 11):
        answer = await peer.ask(asked, version)
        assert answer.topics[0].error_code == ErrorCode.INVALID_REQUEST


async def test_a_topic_named_twice_is_not_deleted(autojump_clock, peer):
    await peer.create("twice")
    await peer.create("once")
    named = [DeleteTopicState("twice"), DeleteTopicState("once"), DeleteTopicState("twice")]
    answer = await peer.ask(DeleteTopicsRequest(named, [], 1000))
    assert {row.name: row.error_code for row in answer.responses} == {"twice": ErrorCode.INVALID_REQUEST, "once": 0}
    assert len(answer.responses) == 2
    left = {row.name for row in (await peer.ask(MetadataRequest(None))).topics}
    assert "twice" in left and "once" not in left


async def test_a_coordinator_found_comes_with_the_words_that_kafka_has(autojump_clock, peer):
    for version in range(4):
        answer = await peer.ask(FindCoordinatorRequest("g", 0), version)
        assert (answer.error_code, answer.error_message) == (0, "NONE" if version else "")
    answer = await peer.ask(FindCoordinatorRequest("", 0, ["g"]), 4)
    assert [(row.error_code, row.error_message) for row in answer.coordinators] == [(0, "")]


async def test_a_sync_that_names_no_protocol_is_refused_from_v5_on(autojump_clock, peer):
    asked = SyncGroupRequest("nowhere", 1, "m")
    assert (await peer.ask(asked, 4)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert (await peer.ask(asked, 5)).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


async def test_a_producer_id_without_an_epoch_is_refused(autojump_clock, peer):
    for producer_id, epoch in ((5, -1), (-1, 5)):
        answer = await peer.ask(InitProducerIdRequest(None, 1000, producer_id, epoch))
        assert answer.error_code == ErrorCode.INVALID_REQUEST


async def test_each_record_out_of_time_is_named_and_the_log_start_told(autojump_clock, peer):
    await peer.create("timely", configs={"message.timestamp.after.max.ms": "1000"})
    row = await peer.produce("timely", batch(b"a", b"b", timestamp=EPOCH_MS + 3_600_000))
    assert row.error_code == ErrorCode.INVALID_TIMESTAMP
    assert [each.batch_index for each in row.record_errors] == [0, 1]
    assert all("message.timestamp.after.max.ms" in each.batch_index_error_message for each in row.record_errors)
    assert row.log_start_offset == 0


async def test_of_very_many_records_at_fault_only_the_first_are_named(autojump_clock, peer):
    await peer.create("timely", configs={"message.timestamp.after.max.ms": "1000"})
    row = await peer.produce("timely", batch(*[b"a"] * 1_500, timestamp=EPOCH_MS + 3_600_000))
    assert row.error_code == ErrorCode.INVALID_TIMESTAMP
    assert [each.batch_index for each in row.record_errors] == list(range(1_000))
