"""Static members: a name of one's own, kept through restarts (KIP-345)."""

from higgins.groups.classic.rebalance import GroupState
from higgins.groups.classic.requests import Leave, LeavingMember
from higgins_protocol.errors import ErrorCode
from tests.groups.playbook import (
    REBALANCE_MS,
    SESSION_MS,
    At,
    Playbook,
    Saved,
    commit,
    heartbeat,
    join,
    rejoin,
    replied,
    sync,
)


def static_pair() -> Playbook:
    """Static members a1 (leader, instance A) and b1 (instance B), stable in generation 2, at time 0."""
    story = Playbook()
    assert (
        story
        >> join(1, "a1", instance_id="A", requires_member_id=True)
        << Saved(generation=1)
        << replied(1, error=ErrorCode.NONE, member_id="a1")
        >> join(2, "b1", instance_id="B", requires_member_id=True)
        >> rejoin(3, "a1", instance_id="A")
        << Saved(generation=2, members=["a1", "b1"])
        << replied(3, leader="a1")
        << replied(2, leader="a1")
        >> sync(4, "b1", 2, instance_id="B")
        >> sync(5, "a1", 2, instance_id="A", assignments={"a1": b"forA", "b1": b"forB"})
        << Saved(generation=2)
        << replied(5)
        << replied(4)
    )
    return story


def test_a_follower_that_restarts_keeps_its_assignment_without_a_rebalance() -> None:
    assert (
        static_pair()
        >> join(6, "b2", instance_id="B")
        << Saved(generation=2, members=["a1", "b2"], assignments={"a1": b"forA", "b2": b"forB"})
        << replied(6, member_id="b2", generation=2, leader="a1", members=(), error=ErrorCode.NONE)
        >> sync(7, "b2", 2, instance_id="B")
        << replied(7, assignment=b"forB")
        >> heartbeat(8, "a1", 2, "A")
        << replied(8, code=ErrorCode.NONE)
    )


def test_the_old_member_id_of_a_restarted_member_is_fenced() -> None:
    assert (
        static_pair()
        >> join(6, "b2", instance_id="B")
        << Saved(generation=2)
        << replied(6)
        >> heartbeat(7, "b1", 2, "B")
        << replied(7, code=ErrorCode.FENCED_INSTANCE_ID)
        >> sync(8, "b1", 2, instance_id="B")
        << replied(8, error=ErrorCode.FENCED_INSTANCE_ID)
        >> commit(9, "b1", 2, "B")
        << replied(9, code=ErrorCode.FENCED_INSTANCE_ID)
        >> rejoin(10, "b1", instance_id="B")
        << replied(10, error=ErrorCode.FENCED_INSTANCE_ID)
        >> Leave(11, (LeavingMember("b1", "B"),))
        << replied(11, members=(ErrorCode.FENCED_INSTANCE_ID,))
    )


def test_a_leader_that_restarts_must_not_assign_in_a_stable_group() -> None:
    assert (
        static_pair()
        >> join(6, "a2", instance_id="A")
        << Saved(generation=2, members=["a2", "b1"])
        << replied(6, member_id="a2", leader="a1", members=(), skip_assignment=False)
        >> sync(7, "a2", 2, instance_id="A")
        << replied(7, assignment=b"forA")
    )


def test_a_leader_that_can_skip_the_assignment_gets_the_members() -> None:
    story = static_pair() >> join(6, "a2", instance_id="A", supports_skipping_assignment=True)
    assert story << Saved(generation=2) << replied(6, member_id="a2", leader="a2", skip_assignment=True)
    follower = static_pair() >> join(6, "b2", instance_id="B", supports_skipping_assignment=True)
    assert follower << Saved() << replied(6, leader="a1", members=(), skip_assignment=False)


def test_a_restart_that_changes_the_protocol_rebalances() -> None:
    story = Playbook()
    assert (
        story
        >> join(1, "a1", instance_id="A", protocols=[("x", b""), ("y", b"")])
        << Saved(generation=1)
        << replied(1, protocol="x")
        >> sync(2, "a1", 1, assignments={"a1": b"all"})
        << Saved(generation=1)
        << replied(2)
        >> join(3, "a2", instance_id="A", protocols=[("y", b""), ("x", b"")])
        << Saved(generation=2, members=["a2"])
        << replied(3, protocol="y", generation=2)
    )


def test_a_restart_while_the_group_awaits_its_assignment_rebalances() -> None:
    story = Playbook()
    assert (
        story
        >> join(1, "a1", instance_id="A")
        << Saved(generation=1)
        << replied(1)
        >> join(2, "a2", instance_id="A")
        << Saved(generation=2, members=["a2"])
        << replied(2, member_id="a2", leader="a2", generation=2)
    )


def test_a_second_client_with_the_same_instance_id_fences_the_first_while_it_waits() -> None:
    assert (
        static_pair()
        >> rejoin(6, "a1", instance_id="A")
        >> join(7, "a2", instance_id="A")
        << replied(6, error=ErrorCode.FENCED_INSTANCE_ID, member_id="a1")
        >> rejoin(8, "b1", instance_id="B")
        << Saved(generation=3, members=["a2", "b1"])
        << replied(7, leader="a2")
        << replied(8, leader="a2")
    )


def test_static_members_that_do_not_rejoin_stay_until_their_session_ends() -> None:
    story = static_pair()
    assert story >> rejoin(6, "a1", instance_id="A")
    for second in range(9, 60, 9):
        story >> At(second * 1_000) >> heartbeat(7, "b1", 2, "B") << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)
    assert story >> At(REBALANCE_MS) << Saved(generation=3, members=["a1", "b1"]) << replied(6, generation=3)
    assert story >> heartbeat(8, "a1", 3, "A") << replied(8, code=ErrorCode.NONE)


def test_a_silent_static_member_expires() -> None:
    story = static_pair() >> At(SESSION_MS - 1) >> heartbeat(6, "a1", 2, "A") << replied(6) >> At(SESSION_MS)
    assert story >> heartbeat(7, "b1", 2, "B") << replied(7, code=ErrorCode.UNKNOWN_MEMBER_ID)
    assert story.group.state is GroupState.PREPARING


def test_a_restarted_member_must_still_fetch_its_assignment() -> None:
    story = Playbook()
    assert (
        story
        >> join(1, "a1", instance_id="A")
        << Saved()
        << replied(1)
        >> join(2, "b1", instance_id="B")
        >> rejoin(3, "a1", instance_id="A")
        << Saved(generation=2)
        << replied(3)
        << replied(2)
        >> sync(4, "a1", 2, assignments={"b1": b"forB"})
        << Saved(generation=2)
        << replied(4)
        >> join(5, "b2", instance_id="B")
        << Saved(members=["a1", "b2"])
        << replied(5)
    )
    for second in range(9, 60, 9):
        for member_id in ("a1", "b2"):
            story >> At(second * 1_000) >> heartbeat(6, member_id, 2) << replied(6, code=ErrorCode.NONE)
    assert story >> At(REBALANCE_MS) >> heartbeat(7, "b2", 2) << replied(7, code=ErrorCode.UNKNOWN_MEMBER_ID)


def test_an_administrator_removes_a_member_by_instance_id_alone() -> None:
    assert (
        static_pair()
        >> Leave(6, (LeavingMember("", "B"), LeavingMember("", "unknown"), LeavingMember("ghost", "A")))
        << replied(
            6,
            members=(ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID),
        )
        >> rejoin(7, "a1", instance_id="A")
        << Saved(generation=3, members=["a1"])
        << replied(7)
    )


def test_an_unused_instance_id_is_unknown() -> None:
    story = static_pair()
    assert story >> heartbeat(6, "a1", 2, "unknown") << replied(6, code=ErrorCode.UNKNOWN_MEMBER_ID)
    assert story >> rejoin(7, "a1", instance_id="unknown") << replied(7, error=ErrorCode.UNKNOWN_MEMBER_ID)
