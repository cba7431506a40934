"""Groups are described and deleted, their committed offsets read, reset and deleted; those of operators only read."""

import pytest

from higgins.admin.groups import AtOffset, Reset, ResetOffset
from higgins.admin.records import AtTime, Deletion, Position
from higgins.admin.topics import NewTopic
from higgins.model.errors import Refused
from tests.broker.peer import EPOCH_MS, batch
from tests.broker.test_group_removal import commit, enter, leave

TOPOGRAPHY = '[streams.t]\nformat = "json"\n[streams.large]\nbase = "t"\ntype = "filter"\nwhere = "qty > 5"\n'


def codes(results):
    return [result.code.name if isinstance(result, Refused) else "NONE" for result in results]


async def offsets(admin, group="g"):
    (committed,) = await admin.groups.committed([group])
    by_id = {topic.id: topic.name for topic in admin.topics.list_topics()}
    return {(by_id[topic_id], partition): entry.offset for (topic_id, partition), entry in committed.items()}


async def test_groups_are_listed_and_described(autojump_clock, house, admin):
    peer = house.connect()
    assert await admin.groups.list_groups() == []
    member_id = await enter(peer)
    await commit(peer, ("t", 0), group="other")
    assert [(view.group_id, view.state) for view in await admin.groups.list_groups()] == [
        ("g", "Stable"), ("other", "Empty"),
    ]  # fmt: skip
    group, unknown = await admin.groups.describe(["g", "nobody"])
    assert [member.member_id for member in group.members] == [member_id]
    assert codes([unknown]) == ["GROUP_ID_NOT_FOUND"] and "'nobody'" in unknown.message
    assert admin.groups.coordinator("g") is admin.cluster.nodes[0]


async def test_a_group_is_deleted_with_its_offsets_once_it_has_no_members(autojump_clock, house, admin):
    peer = house.connect()
    member_id = await enter(peer)
    await leave(peer, member_id)
    await commit(peer, ("t", 0))
    await enter(peer, "busy")
    refusals = await admin.groups.delete(["g", "busy", "nobody", "higgins.op.large"])
    assert codes(refusals) == ["NONE", "NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND", "POLICY_VIOLATION"]
    assert all(refusal is None or refusal.message.endswith(".") for refusal in refusals)
    assert await offsets(admin) == {}
    assert [view.group_id for view in await admin.groups.list_groups()] == ["busy"]


async def test_committed_offsets_are_deleted_partition_by_partition(autojump_clock, house, admin):
    await admin.topics.create([NewTopic("u", 2)])
    await commit(house.connect(), ("t", 0), ("u", 0), ("u", 1))
    refusals = await admin.groups.delete_offsets("g", [("u", 1), ("u", 2), ("nowhere", 0)])
    assert codes(refusals) == ["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION"]
    assert await offsets(admin) == {("t", 0): 5, ("u", 0): 5}
    assert await admin.groups.delete_offsets("g", [("u", 1)]) == [None]


async def test_the_offsets_of_subscribed_topics_stay(autojump_clock, house, admin):
    peer = house.connect()
    await admin.topics.create([NewTopic("u", 1)])
    await commit(peer, ("t", 0), ("u", 0))
    await enter(peer, topics=["t", "v"])
    assert codes(await admin.groups.delete_offsets("g", [("t", 0), ("u", 0)])) == ["GROUP_SUBSCRIBED_TO_TOPIC", "NONE"]
    assert await offsets(admin) == {("t", 0): 5}


@pytest.mark.parametrize(
    ("group", "code"),
    [("nobody", "GROUP_ID_NOT_FOUND"), ("", "INVALID_GROUP_ID"), ("higgins.op.large", "POLICY_VIOLATION")],
)
async def test_the_offsets_of_a_group_that_cannot_be_changed_are_refused_as_a_whole(autojump_clock, admin, group, code):
    with pytest.raises(Refused) as refused:
        await admin.groups.delete_offsets(group, [("t", 0)])
    assert refused.value.code.name == code


RESETS = {
    "earliest": (Position.EARLIEST, 1),
    "latest": (Position.LATEST, 4),
    "a time": (AtTime(EPOCH_MS + 20), 2),
    "a time after all records": (AtTime(EPOCH_MS + 99), 4),
    "an offset": (AtOffset(3), 3),
    "an offset that is deleted": (AtOffset(0), 1),
    "an offset past the end": (AtOffset(9), 4),
}


@pytest.mark.parametrize("target, expected", RESETS.values(), ids=RESETS.keys())
async def test_offsets_are_reset_to_a_position_a_time_or_an_offset(autojump_clock, house, admin, target, expected):
    peer = house.connect()
    for late in (0, 10, 20, 30):
        await peer.produce("t", batch(b"v", timestamp=EPOCH_MS + late))
    await admin.records.delete([Deletion("t", 0, 1)])
    reset = Reset("t", 0, target)
    assert await admin.groups.reset_offsets("g", [reset], dry_run=True) == [ResetOffset("t", 0, None, expected)]
    assert await offsets(admin) == {}, "a dry run commits nothing"
    await admin.groups.reset_offsets("g", [reset])
    assert await offsets(admin) == {("t", 0): expected}
    (row,) = await admin.groups.reset_offsets("g", [Reset("t", 0, Position.LATEST)])
    assert row == ResetOffset("t", 0, expected, 4)
    assert [one.lag for one in admin.groups.lag("g")] == [0]


async def test_the_offsets_of_a_group_with_members_are_not_reset(autojump_clock, house, admin):
    await enter(house.connect())
    with pytest.raises(Refused, match="has members"):
        await admin.groups.reset_offsets("g", [Reset("t", 0, Position.EARLIEST)])
    assert await offsets(admin) == {}


async def test_a_reset_of_an_unknown_partition_changes_no_other(autojump_clock, admin):
    with pytest.raises(Refused, match="UNKNOWN_TOPIC_OR_PARTITION"):
        await admin.groups.reset_offsets("g", [Reset("t", 0, Position.LATEST), Reset("t", 1, Position.LATEST)])
    assert await offsets(admin) == {}


async def test_an_operators_group_shows_its_progress_and_is_not_reset(autojump_clock, house, admin):
    await admin.operators.apply(TOPOGRAPHY)
    await house.connect().produce("t", batch(b'{"qty":9}'))
    (lag,) = admin.groups.lag("higgins.op.large")
    assert (lag.topic.name, lag.partition, lag.offset + lag.lag) == ("t", 0, 1)
    with pytest.raises(Refused) as refused:
        await admin.groups.reset_offsets("higgins.op.large", [Reset("t", 0, Position.LATEST)])
    assert refused.value.code.name == "POLICY_VIOLATION"
