"""A group member against a fake coordinator: each error code of the group APIs, and how the member reacts."""

import pytest

from higgins.client import BrokerRefused, GroupMember, MemberSettings, Rebalancing
from higgins.client.assignment import Subscription, decode_assignment, encode_assignment, encode_subscription
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from higgins_protocol.messages.heartbeat import HeartbeatResponse
from higgins_protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from higgins_protocol.messages.leave_group import LeaveGroupResponse
from higgins_protocol.messages.offset_commit import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from higgins_protocol.messages.sync_group import SyncGroupResponse

OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN, HEARTBEAT, LEAVE, SYNC = 8, 9, 10, 11, 12, 13, 14


def always(response):
    return lambda node, request: response


def joined(generation=1, leader="other", member="me", members=()):
    return always(
        JoinGroupResponse(
            generation_id=generation,
            protocol_type="consumer",
            protocol_name="range",
            leader=leader,
            member_id=member,
            members=list(members),
        )
    )


def synced(*partitions):
    return always(SyncGroupResponse(assignment=encode_assignment(partitions)))


def commit_response(code):
    partition = OffsetCommitResponsePartition(partition_index=0, error_code=code)
    return always(OffsetCommitResponse(topics=[OffsetCommitResponseTopic(name="t", partitions=[partition])]))


async def test_a_new_member_joins_with_the_assigned_member_id(broker, with_cluster, autojump_clock):
    broker.script(JOIN, always(JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id="me")), joined())
    broker.script(SYNC, synced(("t", 1)))

    async def story(cluster):
        member = GroupMember(cluster, "g", ["t"])
        assert await member.join() == (("t", 1),)
        assert (member.member_id, member.generation) == ("me", 1)

    await with_cluster(story)
    assert [one.member_id for one in broker.requests(JOIN)] == ["", "me"]
    assert broker.requests(SYNC)[0].assignments == []


async def test_the_leader_assigns_all_partitions(broker, with_cluster, autojump_clock):
    metadata = encode_subscription(Subscription(("t",)))
    members = [JoinGroupResponseMember(member_id=one, metadata=metadata) for one in ("me", "you")]
    broker.script(JOIN, joined(leader="me", members=members))
    broker.script(SYNC, synced(("t", 0)))

    async def story(cluster):
        await GroupMember(cluster, "g", ["t"]).join()

    await with_cluster(story)
    (sync,) = broker.requests(SYNC)
    assigned = {one.member_id: decode_assignment(one.assignment) for one in sync.assignments}
    assert assigned == {"me": (("t", 0),), "you": (("t", 1),)}


async def test_a_rebalance_between_join_and_sync_makes_the_member_join_again(broker, with_cluster, autojump_clock):
    broker.script(JOIN, joined(generation=1), joined(generation=2))
    broker.script(
        SYNC, always(SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS)), synced(("t", 0), ("t", 1))
    )

    async def story(cluster):
        member = GroupMember(cluster, "g", ["t"])
        assert len(await member.join()) == 2
        assert member.generation == 2

    await with_cluster(story)
    assert [one.member_id for one in broker.requests(JOIN)] == ["", "me"]


async def test_a_member_with_an_unknown_id_joins_as_a_new_one(broker, with_cluster, autojump_clock):
    broker.script(JOIN, joined(), joined(member="new"))
    broker.script(SYNC, synced(("t", 0)), synced(("t", 1)))
    broker.script(HEARTBEAT, always(HeartbeatResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID)))

    async def story(cluster):
        member = GroupMember(cluster, "g", ["t"])
        await member.join()
        with pytest.raises(Rebalancing):
            await member.heartbeat()
        assert not member.joined
        assert await member.join() == (("t", 1),)

    await with_cluster(story)
    assert [one.member_id for one in broker.requests(JOIN)] == ["", ""]


async def test_a_moved_coordinator_is_found(broker, with_cluster, autojump_clock):
    broker.add_node(2)
    broker.script(HEARTBEAT, always(HeartbeatResponse(error_code=ErrorCode.NOT_COORDINATOR)))
    broker.script(HEARTBEAT, always(HeartbeatResponse()))
    here = Coordinator(key="g", node_id=1, host="fake", port=9001)
    there = Coordinator(key="g", node_id=2, host="fake", port=9002)
    for one in (here, there):
        broker.script(FIND_COORDINATOR, always(FindCoordinatorResponse(coordinators=[one])))

    async def story(cluster):
        await GroupMember(cluster, "g", ["t"]).heartbeat()

    await with_cluster(story)
    assert [node for node, key, _ in broker.received if key == HEARTBEAT] == [1, 2]


async def test_a_commit_raises_rebalancing_or_the_refusal(broker, with_cluster, autojump_clock):
    broker.script(
        OFFSET_COMMIT,
        commit_response(ErrorCode.NONE),
        commit_response(ErrorCode.ILLEGAL_GENERATION),
        commit_response(ErrorCode.OFFSET_METADATA_TOO_LARGE),
    )

    async def story(cluster):
        member = GroupMember(cluster, "g", ["t"])
        await member.commit({("t", 0): 7}, "note")
        with pytest.raises(Rebalancing):
            await member.commit({("t", 0): 8})
        with pytest.raises(BrokerRefused, match="OFFSET_METADATA_TOO_LARGE"):
            await member.commit({("t", 0): 9})

    await with_cluster(story)
    first = broker.requests(OFFSET_COMMIT)[0].topics[0].partitions[0]
    assert (first.committed_offset, first.committed_metadata) == (7, "note")


async def test_partitions_without_a_committed_offset_are_omitted(broker, with_cluster, autojump_clock):
    partitions = [
        OffsetFetchResponsePartitions(partition_index=0, committed_offset=5),
        OffsetFetchResponsePartitions(partition_index=1, committed_offset=-1),
    ]
    topics = [OffsetFetchResponseTopics(name="t", partitions=partitions)]
    response = OffsetFetchResponse(groups=[OffsetFetchResponseGroup(group_id="g", topics=topics)])
    broker.script(OFFSET_FETCH, always(response))

    async def story(cluster):
        assert await GroupMember(cluster, "g", ["t"]).committed() == {("t", 0): 5}

    await with_cluster(story)


async def test_a_replaced_static_member_raises_and_does_not_join_again(broker, with_cluster, autojump_clock):
    broker.script(JOIN, joined())
    broker.script(SYNC, synced(("t", 0)))
    broker.script(HEARTBEAT, always(HeartbeatResponse(error_code=ErrorCode.FENCED_INSTANCE_ID)))

    async def story(cluster):
        member = GroupMember(cluster, "g", ["t"], MemberSettings(instance_id="i"))
        await member.join()
        with pytest.raises(BrokerRefused, match="FENCED_INSTANCE_ID"):
            await member.heartbeat()

    await with_cluster(story)
    assert broker.requests(JOIN)[0].group_instance_id == "i"


async def test_leave_group_names_the_member(broker, with_cluster, autojump_clock):
    broker.script(JOIN, joined())
    broker.script(SYNC, synced(("t", 0)))
    broker.script(LEAVE, always(LeaveGroupResponse()))

    async def story(cluster):
        member = GroupMember(cluster, "g", ["t"])
        await member.join()
        await member.leave()
        assert not member.joined

    await with_cluster(story)
    assert [one.member_id for one in broker.requests(LEAVE)[0].members] == ["me"]
