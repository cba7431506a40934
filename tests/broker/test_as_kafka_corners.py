"""More corners where a real Kafka was asked the same, and these are its answers: reading, groups, and the cluster."""

import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_groups import DeleteGroupsRequest
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.describe_groups import DescribeGroupsRequest
from higgins_protocol.messages.describe_quorum import DescribeQuorumRequest, PartitionRequest, TopicRequest
from higgins_protocol.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest
from higgins_protocol.messages.describe_topic_partitions import TopicRequest as TopicAsked
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalConfig,
    IncrementalResource,
)
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.list_groups import ListGroupsRequest
from higgins_protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from higgins_protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.broker.peer import Peer, batch

TOPIC, APPEND = 2, 2


def committed(group: str, generation: int = -1) -> OffsetCommitRequest:
    rows = [OffsetCommitRequestTopic("t", [OffsetCommitRequestPartition(0, 5)])]
    return OffsetCommitRequest(group, generation, topics=rows)


# ---- topics and the cluster


async def test_an_id_is_looked_for_whatever_name_stands_beside_it(autojump_clock, peer: Peer):
    topic_id = await peer.create("u")
    asked = [MetadataRequestTopic(topic_id, "other"), MetadataRequestTopic(name="t")]
    answer = await peer.ask(MetadataRequest(asked), 12)
    assert [(row.name, row.error_code) for row in answer.topics] == [("u", 0)]


async def test_an_id_that_comes_too_early_is_answered_with_nothing_else(autojump_clock, peer: Peer):
    asked = MetadataRequest([MetadataRequestTopic(bytes(range(16)), "t")])
    for version in (10, 11):
        answer = await peer.ask(asked, version)
        assert (answer.cluster_id, answer.controller_id, list(answer.brokers)) == (None, -1, [])


async def test_operations_are_told_of_topics_that_are_not_there(autojump_clock, peer: Peer):
    for wanted in (True, False):
        asked = MetadataRequest([MetadataRequestTopic(name="no")], False, include_topic_authorized_operations=wanted)
        (row,) = (await peer.ask(asked)).topics
        assert row.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (row.topic_authorized_operations > 0) is wanted


async def test_an_unknown_topic_beyond_the_limit_is_for_the_next_page(autojump_clock, peer: Peer):
    asked = DescribeTopicPartitionsRequest([TopicAsked("t"), TopicAsked("unknown")], 1)
    answer = await peer.ask(asked)
    assert [row.name for row in answer.topics] == ["t"]
    assert answer.next_cursor == Cursor("unknown", 0)


async def test_of_other_topics_a_quorum_says_nothing_in_all(autojump_clock, peer: Peer):
    answer = await peer.ask(DescribeQuorumRequest([TopicRequest("t", [PartitionRequest(0)])]))
    assert answer.error_message == ""
    assert answer.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_nothing_can_be_appended_only_something(autojump_clock, peer: Peer):
    for value, code in (("", ErrorCode.INVALID_CONFIG), ("compact,", ErrorCode.INVALID_CONFIG), ("compact", 0)):
        change = IncrementalConfig("cleanup.policy", APPEND, value)
        answer = await peer.ask(IncrementalAlterConfigsRequest([IncrementalResource(TOPIC, "t", [change])]))
        assert answer.responses[0].error_code == code


# ---- reading


@pytest.mark.parametrize("asked, code", [
    (FetchRequest(replica_id=2, topics=[FetchTopic("t", [FetchPartition(0)])]), "NOT_LEADER_OR_FOLLOWER"),
    (FetchRequest(replica_id=-2, topics=[FetchTopic("t", [FetchPartition(0)])]), "NONE"),
    (FetchRequest(topics=[FetchTopic("t", [FetchPartition(0, last_fetched_epoch=5)])]), "OFFSET_OUT_OF_RANGE"),
    (FetchRequest(topics=[FetchTopic("t", [FetchPartition(0, last_fetched_epoch=0)])]), "NONE"),
])  # fmt: skip
async def test_who_fetches_must_fit_the_log(autojump_clock, peer: Peer, asked: FetchRequest, code: str):
    await peer.produce("t", batch(b"a"))
    (row,) = (await peer.ask(asked)).responses[0].partitions
    assert ErrorCode(row.error_code).name == code


@pytest.mark.parametrize("epoch, code", [(-2, "FENCED_LEADER_EPOCH"), (-1, "NONE"), (0, "NONE")])
async def test_an_epoch_before_every_leader_is_fenced(autojump_clock, peer: Peer, epoch: int, code: str):
    rows = [ListOffsetsTopic("t", [ListOffsetsPartition(0, epoch, -1)])]
    (row,) = (await peer.ask(ListOffsetsRequest(-1, topics=rows))).topics[0].partitions
    assert ErrorCode(row.error_code).name == code
    asked = [OffsetForLeaderTopic("t", [OffsetForLeaderPartition(0, epoch, 0)])]
    (row,) = (await peer.ask(OffsetForLeaderEpochRequest(-1, asked))).topics[0].partitions
    assert ErrorCode(row.error_code).name == code


async def test_records_are_deleted_where_no_policy_is_set(autojump_clock, peer: Peer):
    await peer.create("kept", configs={"cleanup.policy": ""})
    await peer.produce("kept", batch(b"a"))
    asked = DeleteRecordsRequest([DeleteRecordsTopic("kept", [DeleteRecordsPartition(0, -1)])], 1000)
    (row,) = (await peer.ask(asked)).topics[0].partitions
    assert (row.error_code, row.low_watermark) == (0, 1)


# ---- groups


async def test_a_generation_of_a_group_nobody_knows(autojump_clock, peer: Peer):
    for version, code in ((8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)):
        answer = await peer.ask(committed("nowhere", 0), version)
        assert answer.topics[0].partitions[0].error_code == code


async def test_topics_without_partitions_have_no_row(autojump_clock, peer: Peer):
    await peer.ask(committed("g"))
    answer = await peer.ask(OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", [])]))
    assert list(answer.topics) == []
    asked = [OffsetDeleteRequestTopic("t", []), OffsetDeleteRequestTopic("t", [OffsetDeleteRequestPartition(0)])]
    answer = await peer.ask(OffsetDeleteRequest("g", asked))
    assert [len(row.partitions) for row in answer.topics] == [1]


async def test_states_are_filtered_without_the_spaces_around_them(autojump_clock, peer: Peer):
    await peer.ask(committed("g"))
    answer = await peer.ask(ListGroupsRequest([" empty "]))
    assert [row.group_id for row in answer.groups] == ["g"]


async def test_nothing_may_be_done_to_a_group_that_is_not_there(autojump_clock, peer: Peer):
    answer = await peer.ask(DescribeGroupsRequest(["no"], True), 6)
    assert answer.groups[0].authorized_operations == -(1 << 31)
    answer = await peer.ask(DescribeGroupsRequest(["no"], True), 5)
    assert answer.groups[0].authorized_operations > 0


async def test_who_commits_nothing_makes_no_group(autojump_clock, peer: Peer):
    await peer.ask(OffsetCommitRequest("g", topics=[]))
    (row,) = (await peer.ask(DescribeGroupsRequest(["g"]), 5)).groups
    assert row.group_state == "Dead"
    (row,) = (await peer.ask(DeleteGroupsRequest(["g"]))).results
    assert row.error_code == ErrorCode.GROUP_ID_NOT_FOUND


async def test_a_group_stays_when_all_it_committed_is_taken_back(autojump_clock, peer: Peer):
    await peer.ask(committed("g"))
    asked = OffsetDeleteRequest("g", [OffsetDeleteRequestTopic("t", [OffsetDeleteRequestPartition(0)])])
    for _ in range(2):
        answer = await peer.ask(asked)
        assert (answer.error_code, answer.topics[0].partitions[0].error_code) == (0, 0)
    (row,) = (await peer.ask(DescribeGroupsRequest(["g"]), 5)).groups
    assert row.group_state == "Empty"
    (row,) = (await peer.ask(DeleteGroupsRequest(["g"]))).results
    assert row.error_code == 0
    (row,) = (await peer.ask(DeleteGroupsRequest(["g"]))).results
    assert row.error_code == ErrorCode.GROUP_ID_NOT_FOUND


async def test_who_was_never_in_a_group_is_unknown_there_whatever_it_offers(autojump_clock, peer: Peer):
    first = await peer.ask(JoinGroupRequest("g", 10_000, 10_000, "", None, "consumer", [JoinGroupRequestProtocol("a")]))
    assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED
    for member, code in (("who", ErrorCode.UNKNOWN_MEMBER_ID), ("", ErrorCode.INCONSISTENT_GROUP_PROTOCOL)):
        answer = await peer.ask(JoinGroupRequest("g", 10_000, 10_000, member, None, "consumer", []))
        assert answer.error_code == code
