"""DeleteGroups and OffsetDelete: what a group leaves behind, and who may take it away."""

import pytest

from higgins.groups.subscription import subscribed_topics
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_groups import DeleteGroupsRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.leave_group import LeaveGroupRequest
from higgins_protocol.messages.list_groups import ListGroupsRequest
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
from higgins_protocol.messages.offset_fetch import OffsetFetchRequest
from higgins_protocol.messages.sync_group import SyncGroupRequest


def subscription(*topics):
    """As the consumer protocol writes it, with user data and what is owned behind it."""
    names = b"".join(len(name.encode()).to_bytes(2, "big") + name.encode() for name in topics)
    return b"\0\1" + len(topics).to_bytes(4, "big") + names + b"\xff\xff\xff\xff" + bytes(4)


def name_of(code):
    return ErrorCode(code).name


async def enter(peer, group="g", *, topics=("t",), kind="consumer", metadata=None):
    """A member, alone in its group; its id."""
    offer = JoinGroupRequestProtocol("range", subscription(*topics) if metadata is None else metadata)
    joined = await peer.ask(JoinGroupRequest(group, 10_000, 10_000, protocol_type=kind, protocols=[offer]), 3)
    assert joined.error_code == 0
    synced = await peer.ask(SyncGroupRequest(group, joined.generation_id, joined.member_id), 1)
    assert synced.error_code == 0
    return joined.member_id


async def leave(peer, member_id, group="g"):
    assert (await peer.ask(LeaveGroupRequest(group, member_id), 1)).error_code == 0


async def commit(peer, *partitions, group="g"):
    """Commit offset 5 for each (topic, partition), as somebody outside the group."""
    topics = [OffsetCommitRequestTopic(name, [OffsetCommitRequestPartition(index, 5)]) for name, index in partitions]
    found = await peer.ask(OffsetCommitRequest(group, topics=topics), 2)
    assert all(row.error_code == 0 for topic in found.topics for row in topic.partitions)


async def committed(peer, group="g"):
    found = await peer.ask(OffsetFetchRequest(group, None), 5)
    assert found.error_code == 0
    return sorted((topic.name, row.partition_index) for topic in found.topics for row in topic.partitions)


async def listed(peer):
    return [one.group_id for one in (await peer.ask(ListGroupsRequest())).groups]


async def delete(peer, *groups, version=2):
    rows = (await peer.ask(DeleteGroupsRequest(list(groups)), version)).results
    return [(row.group_id, name_of(row.error_code)) for row in rows]


async def delete_offsets(peer, *partitions, group="g"):
    topics = [OffsetDeleteRequestTopic(name, [OffsetDeleteRequestPartition(index)]) for name, index in partitions]
    found = await peer.ask(OffsetDeleteRequest(group, topics))
    rows = [name_of(row.error_code) for topic in found.topics for row in topic.partitions]
    return name_of(found.error_code), rows


# ---- DeleteGroups ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(3))
async def test_a_group_goes_with_all_it_committed(autojump_clock, peer, version):
    await leave(peer, await enter(peer))
    await commit(peer, ("t", 0))
    assert await listed(peer) == ["g"]
    assert await delete(peer, "g", version=version) == [("g", "NONE")]
    assert (await listed(peer), await committed(peer)) == ([], [])
    assert await delete(peer, "g", version=version) == [("g", "GROUP_ID_NOT_FOUND")]


async def test_a_group_that_only_ever_committed_can_go_too(autojump_clock, peer):
    await commit(peer, ("t", 0))
    assert await delete(peer, "g") == [("g", "NONE")]
    assert (await listed(peer), await committed(peer)) == ([], [])


async def test_a_group_with_members_stays_and_others_go(autojump_clock, peer):
    await enter(peer)
    await commit(peer, ("t", 0), group="other")
    assert await delete(peer, "g", "other", "nobody", "g") == [
        ("g", "NON_EMPTY_GROUP"), ("other", "NONE"), ("nobody", "GROUP_ID_NOT_FOUND"),
    ]  # fmt: skip
    assert await listed(peer) == ["g"]


async def test_a_group_can_be_made_again_and_begins_anew(autojump_clock, peer):
    await leave(peer, await enter(peer))
    await commit(peer, ("t", 0))
    await delete(peer, "g")
    await enter(peer)
    assert await committed(peer) == []
    assert await delete(peer, "g") == [("g", "NON_EMPTY_GROUP")]


async def test_an_operators_group_is_not_to_be_deleted(autojump_clock, peer):
    assert await delete(peer, "higgins.op.large") == [("higgins.op.large", "POLICY_VIOLATION")]
    assert await delete_offsets(peer, ("t", 0), group="higgins.op.large") == ("POLICY_VIOLATION", [])


async def test_a_deleted_group_stays_deleted_after_a_restart(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    await commit(peer, ("t", 0))
    await delete(peer, "g")
    house.broker.stop()
    assert await peer.is_closed()
    again = (await start()).connect()
    assert (await listed(again), await committed(again)) == ([], [])


# ---- OffsetDelete ----------------------------------------------------------------------------------------------------


async def test_offsets_are_taken_back_partition_by_partition(autojump_clock, peer):
    await peer.create("u", 2)
    await commit(peer, ("t", 0), ("u", 0), ("u", 1))
    assert await delete_offsets(peer, ("u", 1), ("u", 2), ("nowhere", 0)) == (
        "NONE", ["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION"],
    )  # fmt: skip
    assert await committed(peer) == [("t", 0), ("u", 0)]
    assert await delete_offsets(peer, ("u", 1)) == ("NONE", ["NONE"]), "what is not there is no error"


async def test_what_members_subscribe_to_is_kept(autojump_clock, peer):
    await peer.create("u")
    await commit(peer, ("t", 0), ("u", 0))
    await enter(peer, topics=["t", "v"])
    assert await delete_offsets(peer, ("t", 0), ("u", 0)) == ("NONE", ["GROUP_SUBSCRIBED_TO_TOPIC", "NONE"])
    assert await committed(peer) == [("t", 0)]


async def test_of_members_that_cannot_be_understood_everything_is_kept(autojump_clock, peer):
    await commit(peer, ("t", 0))
    member_id = await enter(peer, metadata=b"?")
    assert await delete_offsets(peer, ("t", 0)) == ("NONE", ["GROUP_SUBSCRIBED_TO_TOPIC"])
    await leave(peer, member_id)
    await enter(peer, kind="connect")
    assert await delete_offsets(peer, ("t", 0)) == ("NON_EMPTY_GROUP", [])
    assert await committed(peer) == [("t", 0)]


async def test_offsets_of_nobody_are_not_found(autojump_clock, peer):
    assert await delete_offsets(peer, ("t", 0), group="nobody") == ("GROUP_ID_NOT_FOUND", [])
    assert await delete_offsets(peer, ("t", 0), group="") == ("INVALID_GROUP_ID", [])


def test_subscriptions_are_read_in_any_version_and_never_past_their_end():
    whole = subscription("orders", "größe")
    assert subscribed_topics([whole, subscription("t")]) == {"orders", "größe", "t"}
    assert subscribed_topics([]) == set()
    names_end = whole.index(b"\xff\xff\xff\xff")
    for cut in range(names_end):
        assert subscribed_topics([whole[:cut]]) is None
    for damaged in (b"\0\1\xff\xff\xff\xff", b"\0\1\0\0\0\1\xff\xff", b"\0\1\0\0\0\1\0\2\xff\xff"):
        assert subscribed_topics([damaged]) is None
