"""Being in a group: assignments, heartbeats, leaving, committing, being restored on another node."""

import msgspec
import pytest

from higgins.groups.classic.machine import ClassicGroup
from higgins.groups.classic.rebalance import GroupState
from higgins.groups.classic.requests import Leave, LeavingMember
from higgins.groups.ledger_access import ClassicGroupRecord
from higgins.groups.machine import DeleteGroup, Forget, Persist, Reply, Stalled
from higgins.groups.settings import GroupSettings
from higgins_protocol.errors import ErrorCode
from tests.groups.playbook import (
    NO_DELAY,
    REBALANCE_MS,
    SESSION_MS,
    At,
    Playbook,
    Restore,
    Saved,
    commit,
    heartbeat,
    join,
    leave,
    rejoin,
    replied,
    stable_pair,
    sync,
)


def half_assigned() -> Playbook:
    """Members a (leader) and b in generation 2, not assigned yet, at time 0."""
    story = Playbook()
    assert (
        story
        >> join(1, "a")
        << Saved(generation=1)
        << replied(1)
        >> join(2, "b")
        >> rejoin(3, "a")
        << Saved(generation=2)
        << replied(3)
        << replied(2)
    )
    return story


def test_assignments_exist_once_the_leader_has_sent_them() -> None:
    assert (
        half_assigned()
        >> sync(4, "b", 2)
        >> sync(5, "a", 2, assignments={"b": b"all", "stranger": b"?"})
        << Saved(generation=2, assignments={"a": b"", "b": b"all"})
        << replied(5, assignment=b"")
        << replied(4, assignment=b"all")
    )


def test_an_assignment_can_be_fetched_again() -> None:
    assert stable_pair() >> sync(6, "b", 2) << replied(6, assignment=b"B", error=ErrorCode.NONE)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"generation": 1}, ErrorCode.ILLEGAL_GENERATION),
        ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": "consumer", "protocol": "range"}, ErrorCode.NONE),
        ({"protocol_type": None, "protocol": None}, ErrorCode.NONE),
    ],
)
def test_a_sync_is_checked(fields: dict[str, object], error: ErrorCode) -> None:
    arguments = {"member_id": "b", "generation": 2} | fields
    assert stable_pair() >> sync(6, **arguments) << replied(6, error=error)  # type: ignore[arg-type]


def test_a_sync_during_a_rebalance_is_answered_with_rebalance_in_progress() -> None:
    assert stable_pair() >> rejoin(6, "a") >> sync(7, "b", 2) << replied(7, error=ErrorCode.REBALANCE_IN_PROGRESS)


def test_members_that_wait_for_an_assignment_are_answered_when_a_rebalance_begins() -> None:
    assert (
        half_assigned()
        >> sync(4, "b", 2)
        >> join(5, "c")
        << replied(4, error=ErrorCode.REBALANCE_IN_PROGRESS)
    )


def test_members_that_never_sync_are_removed_after_the_rebalance_timeout() -> None:
    story = half_assigned() >> sync(4, "a", 2, assignments={"a": b"A"})
    assert story << Saved(generation=2) << replied(4, assignment=b"A")
    for second in range(5, 60, 5):
        story >> At(second * 1_000) >> heartbeat(100, "a", 2) << replied(100, code=ErrorCode.NONE)
        story >> heartbeat(101, "b", 2) << replied(101, code=ErrorCode.NONE)
    assert (
        story
        >> At(REBALANCE_MS)
        >> heartbeat(5, "a", 2)
        << replied(5, code=ErrorCode.REBALANCE_IN_PROGRESS)
        >> heartbeat(6, "b", 2)
        << replied(6, code=ErrorCode.UNKNOWN_MEMBER_ID)
    )


def test_members_that_wait_for_the_leader_need_no_heartbeat() -> None:
    story = half_assigned() >> sync(4, "b", 2)
    for second in (9, 18, 27):
        story >> At(second * 1_000) >> heartbeat(5, "a", 2) << replied(5, code=ErrorCode.NONE)
    assert (
        story
        >> sync(6, "a", 2, assignments={"b": b"B"})
        << Saved(generation=2)
        << replied(6)
        << replied(4, assignment=b"B")
        >> At(27_000 + SESSION_MS - 1)
        >> heartbeat(7, "b", 2)
        << replied(7, code=ErrorCode.NONE)
    )


def test_members_that_waited_for_the_leader_in_vain_get_a_session_to_rejoin_in() -> None:
    story = half_assigned() >> sync(4, "b", 2)
    for second in (9, 18, 27):
        story >> At(second * 1_000) >> heartbeat(5, "a", 2) << replied(5, code=ErrorCode.NONE)
    assert (
        story
        >> join(6, "c")
        << replied(4, error=ErrorCode.REBALANCE_IN_PROGRESS)
        >> At(27_000 + SESSION_MS - 1)
        >> heartbeat(7, "b", 2)
        << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)
    )


def test_a_silent_member_expires_and_the_others_rebalance() -> None:
    assert (
        stable_pair()
        >> At(SESSION_MS - 1)
        >> heartbeat(6, "a", 2)
        << replied(6, code=ErrorCode.NONE)
        >> At(SESSION_MS)
        >> heartbeat(7, "b", 2)
        << replied(7, code=ErrorCode.UNKNOWN_MEMBER_ID)
        >> rejoin(8, "a")
        << Saved(generation=3, members=["a"])
        << replied(8, leader="a")
    )


def test_a_group_is_empty_once_all_members_have_expired() -> None:
    story = stable_pair() >> At(SESSION_MS) << Saved(generation=3, members=[])
    assert story
    assert story.group.state is GroupState.EMPTY
    assert story.group.protocol is None


@pytest.mark.parametrize(
    ("member_id", "generation", "error"),
    [
        ("a", 2, ErrorCode.NONE),
        ("a", 1, ErrorCode.ILLEGAL_GENERATION),
        ("a", 3, ErrorCode.ILLEGAL_GENERATION),
        ("ghost", 2, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", 2, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_a_heartbeat_is_checked(member_id: str, generation: int, error: ErrorCode) -> None:
    assert stable_pair() >> heartbeat(6, member_id, generation) << replied(6, code=error)


def test_many_members_leave_at_once_each_with_its_own_error() -> None:
    story = stable_pair() >> leave(6, "a", "ghost", "b") << Saved(generation=3, members=[])
    assert story << replied(
        6, error=ErrorCode.NONE, members=(ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.NONE)
    )


def test_leaving_releases_a_member_id_that_is_not_used_yet() -> None:
    assert (
        stable_pair()
        >> join(6, "c", requires_member_id=True)
        << replied(6, error=ErrorCode.MEMBER_ID_REQUIRED)
        >> rejoin(7, "a")
        >> rejoin(8, "b")
        >> leave(9, "c")
        << Saved(generation=3, members=["a", "b"])
        << replied(7)
        << replied(8)
        << replied(9, members=(ErrorCode.NONE,))
    )


def test_a_member_that_leaves_while_it_waits_is_answered() -> None:
    assert (
        stable_pair()
        >> rejoin(6, "b", protocols=[("range", b"new")])
        >> leave(7, "b")
        << replied(6, error=ErrorCode.UNKNOWN_MEMBER_ID)
        << replied(7, members=(ErrorCode.NONE,))
    )


@pytest.mark.parametrize(
    ("member_id", "generation", "error"),
    [
        ("a", 2, ErrorCode.NONE),
        ("a", 1, ErrorCode.ILLEGAL_GENERATION),
        ("a", -1, ErrorCode.ILLEGAL_GENERATION),
        ("ghost", 2, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", -1, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_only_members_commit_to_a_group_with_members(member_id: str, generation: int, error: ErrorCode) -> None:
    assert stable_pair() >> commit(6, member_id, generation) << replied(6, code=error)


def test_commits_are_allowed_while_members_rejoin_and_refused_while_they_await_assignment() -> None:
    assert stable_pair() >> rejoin(6, "a") >> commit(7, "b", 2) << replied(7, code=ErrorCode.NONE)
    assert half_assigned() >> commit(4, "b", 2) << replied(4, code=ErrorCode.REBALANCE_IN_PROGRESS)


def test_any_client_may_commit_to_a_group_without_members() -> None:
    assert Playbook() >> commit(1, "", -1) << replied(1, code=ErrorCode.NONE)
    story = stable_pair() >> leave(6, "a", "b") << Saved(members=[]) << replied(6)
    assert story >> commit(7, "", -1) << replied(7, code=ErrorCode.NONE)
    assert story >> commit(8, "a", 2) << replied(8, code=ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_commit_is_a_sign_of_life() -> None:
    story = stable_pair() >> At(SESSION_MS - 1) >> commit(6, "a", 2) << replied(6) >> commit(7, "b", 2) << replied(7)
    assert story >> At(2 * SESSION_MS - 2) >> heartbeat(8, "a", 2) << replied(8, code=ErrorCode.NONE)


def test_only_a_group_without_members_is_deleted() -> None:
    assert stable_pair() >> DeleteGroup(6) << replied(6, code=ErrorCode.NON_EMPTY_GROUP)
    story = stable_pair() >> leave(6, "a", "b") << Saved(members=[]) << replied(6)
    assert story >> DeleteGroup(7) << Forget() << replied(7, code=ErrorCode.NONE)
    assert story >> join(8, "c") << replied(8, error=ErrorCode.COORDINATOR_NOT_AVAILABLE)


def test_an_assignment_too_large_to_commit_is_refused() -> None:
    settings = GroupSettings(initial_rebalance_delay_ms=0, group_bytes_max=100)
    assert (
        Playbook(settings=settings)
        >> join(1, "a")
        << Saved(generation=1)
        << replied(1)
        >> sync(2, "a", 1, assignments={"a": bytes(101)})
        << replied(2, error=ErrorCode.UNKNOWN_SERVER_ERROR)
        >> heartbeat(3, "a", 1)
        << replied(3, code=ErrorCode.REBALANCE_IN_PROGRESS)
    )


def committed(story: Playbook) -> ClassicGroupRecord:
    return story.group.record()


def test_after_a_takeover_members_stay_without_a_rebalance() -> None:
    story = Playbook(ClassicGroup("g", NO_DELAY)) >> At(1_000_000) >> Restore(committed(stable_pair()))
    assert (
        story
        >> At(1_000_000 + SESSION_MS - 1)
        << Saved(generation=2, assignments={"a": b"A", "b": b"B"})
        << Saved(generation=2, assignments={"a": b"A", "b": b"B"})
        >> heartbeat(6, "a", 2)
        << replied(6, code=ErrorCode.NONE)
        >> sync(7, "b", 2)
        << replied(7, assignment=b"B")
        >> commit(8, "b", 2)
        << replied(8, code=ErrorCode.NONE)
    )
    assert story.group.members.leader == "a"


def test_after_a_takeover_members_that_stay_silent_expire() -> None:
    story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(committed(stable_pair()))
    assert story >> At(SESSION_MS) << Saved(generation=2) << Saved(generation=2) << Saved(generation=3, members=[])


def silences(story: Playbook) -> dict[str, int]:
    """For how long each member is recorded as silent, after what the machine has persisted last."""
    record = next(each.record for each in reversed(story.instructions) if isinstance(each, Persist))
    assert isinstance(record, ClassicGroupRecord)
    return {member.member_id: member.silent_ms for member in record.members}


def last_record(story: Playbook, before: ClassicGroupRecord) -> ClassicGroupRecord:
    """The newest record; whatever else the machine answered is dropped."""
    for instruction in story.instructions:
        if isinstance(instruction, Persist):
            assert isinstance(instruction.record, ClassicGroupRecord)
            before = instruction.record
    story.instructions.clear()
    return before


@pytest.mark.parametrize("life_ms", [2_500, 3_500, 7_000])
@pytest.mark.parametrize("session_ms", [6_000, 10_000, 45_000])
def test_a_dead_member_expires_however_often_the_coordinator_is_replaced(life_ms: int, session_ms: int) -> None:
    record = committed(stable_pair())
    members = tuple(msgspec.structs.replace(member, session_timeout_ms=session_ms) for member in record.members)
    record = msgspec.structs.replace(record, members=members)
    for life in range(1, 60):
        story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(record)
        for token, at_ms in enumerate(range(700, life_ms, 700), 1):
            # Member a lives: it sends a heartbeat, and joins again when it must.
            story >> At(at_ms)
            record = last_record(story, record)
            is_preparing = story.group.state is GroupState.PREPARING
            story >> (rejoin(token, "a") if is_preparing else heartbeat(token, "a", record.generation))
            assert story.group.members.get("a") is not None, "a live member was removed"
            record = last_record(story, record)
        story >> At(life_ms)
        record = last_record(story, record)
        if [member.member_id for member in record.members] == ["a"]:
            # Only 2 s of a short life are counted, and the last rebalance needs a life of its own.
            assert life * life_ms <= session_ms * life_ms / 2_000 + 3 * life_ms
            return
    pytest.fail("the dead member never expired")


@pytest.mark.parametrize("heard_at_ms", [100, 1_900, 2_100, 3_400])
def test_a_member_that_is_heard_in_each_life_of_its_coordinator_never_expires(heard_at_ms: int) -> None:
    record = committed(stable_pair())
    for _ in range(50):
        story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(record) >> At(heard_at_ms)
        record = last_record(story, record)
        for token, member_id in enumerate(("a", "b"), 1):
            story >> heartbeat(token, member_id, 2)
            assert isinstance(story.instructions[-1], Reply)
            assert story.instructions[-1].result is ErrorCode.NONE
            record = last_record(story, record)
        story >> At(heard_at_ms + 300)
        record = last_record(story, record)
        assert {member.silent_ms for member in record.members} == {0}


def test_silence_while_the_coordinator_was_stalled_is_not_counted() -> None:
    story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(committed(stable_pair())) >> At(1_000)
    story.now_ms = 61_000
    assert story >> Stalled(60_000) >> At(61_900)
    story >> At(62_100)
    assert set(silences(story).values()) == {2_000}


def test_a_record_of_silence_changes_nothing_else() -> None:
    before = committed(stable_pair())
    story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(before)
    story >> leave(5, "a")
    story.instructions.clear()
    story >> join(6, "c")
    story >> At(2_100)
    record = last_record(story, before)
    assert [member.member_id for member in record.members] == ["a", "b"], "one generation has one set of members"
    assert record.generation == before.generation and record.leader == before.leader
    assert {member.member_id: member.silent_ms for member in record.members} == {"a": SESSION_MS, "b": 2_000}, record


@pytest.mark.parametrize("lost_ms", [9_999, 10_000, 60_000])
def test_after_a_long_outage_a_rebalance_does_not_wait_for_members_that_gave_up(lost_ms: int) -> None:
    story = stable_pair()
    story.now_ms = lost_ms
    story >> Stalled(lost_ms) >> join(7, "c")
    waits_ms = 6_000 if lost_ms >= SESSION_MS else SESSION_MS - 1
    assert story >> At(lost_ms + waits_ms - 1)
    assert story >> At(lost_ms + waits_ms + 1) << Saved(generation=3, members=["c"]) << replied(7, leader="c")


def test_after_a_long_outage_members_have_a_full_session_while_nobody_waits() -> None:
    story = stable_pair()
    story.now_ms = 60_000
    story >> Stalled(60_000)
    assert story >> At(60_000 + SESSION_MS - 1) >> heartbeat(7, "a", 2) << replied(7, code=ErrorCode.NONE)
    assert story >> heartbeat(8, "b", 2) << replied(8, code=ErrorCode.NONE) >> join(9, "c") >> At(60_000 + SESSION_MS)


def test_after_a_takeover_an_assignment_under_way_is_completed() -> None:
    assert (
        Playbook(ClassicGroup("g", NO_DELAY))
        >> Restore(committed(half_assigned()))
        >> sync(4, "b", 2)
        >> sync(5, "a", 2, assignments={"a": b"A", "b": b"B"})
        << Saved(generation=2, assignments={"a": b"A", "b": b"B"})
        << replied(5, assignment=b"A")
        << replied(4, assignment=b"B")
    )


def test_after_a_takeover_no_member_is_removed_for_not_fetching_its_assignment() -> None:
    story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(committed(half_assigned()))
    for second in range(1, 61):
        story >> At(second * 1_000 - 1)
        for member_id in ("a", "b"):
            story >> heartbeat(4, member_id, 2) << replied(4, code=ErrorCode.NONE)
    story >> At(REBALANCE_MS)
    for member_id in ("a", "b"):
        assert story >> heartbeat(5, member_id, 2) << replied(5, code=ErrorCode.REBALANCE_IN_PROGRESS)


def test_after_a_takeover_generation_numbers_continue() -> None:
    story = stable_pair() >> leave(6, "a", "b") << Saved(generation=3, members=[]) << replied(6)
    restored = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(committed(story))
    assert restored >> join(1, "c") << Saved(generation=4) << replied(1, generation=4)


def test_a_stall_does_not_count_against_sessions() -> None:
    story = stable_pair()
    story.now_ms = 100_000
    assert story >> Stalled(95_000) >> heartbeat(6, "a", 2) << replied(6, code=ErrorCode.NONE)
    assert story >> Leave(7, (LeavingMember("", "unknown"),)) << replied(7, members=(ErrorCode.UNKNOWN_MEMBER_ID,))


def test_a_stall_extends_no_session_beyond_its_full_timeout() -> None:
    # The group was taken over in the last second of a stop of 95: those who are gone are gone after their session.
    story = Playbook(ClassicGroup("g", NO_DELAY)) >> Restore(committed(stable_pair()))
    assert story >> At(1_000) >> Stalled(95_000) >> At(1_000 + SESSION_MS) << Saved(members=[])


def test_a_stall_extends_no_rebalance_beyond_its_full_timeout() -> None:
    story = stable_pair() >> rejoin(6, "a")
    for second in range(5, 86, 5):
        story >> At(second * 1_000 - 1)
        if second == 30:
            story >> Stalled(95_000)
        story >> heartbeat(7, "b", 2) << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)
    assert story >> At(29_999 + REBALANCE_MS) << Saved(generation=3, members=["a"]) << replied(6, generation=3)


def test_a_rebalance_ends_the_time_for_fetching_assignments() -> None:
    """The members of a generation that another has replaced are no longer waited for, nor removed."""
    long = {"session_timeout_ms": 300_000}
    story = Playbook()
    assert (
        story
        >> join(1, "a", **long)
        << Saved(generation=1)
        << replied(1)
        >> join(2, "b", **long)
        >> rejoin(3, "a", **long)
        << Saved(generation=2)
        << replied(3)
        << replied(2)
        >> At(30_000)
        >> join(4, "c", **long)
        >> rejoin(5, "a", **long)
        >> heartbeat(6, "b", 2)
        << replied(6, code=ErrorCode.REBALANCE_IN_PROGRESS)
        # Generation 2 had until 60 s; generation 3 begins one rebalance timeout after c joined.
        >> At(89_999)
        >> heartbeat(7, "b", 2)
        << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)
        >> At(90_000)
        << Saved(generation=3, members=["a", "c"])
        << replied(5, member_id="a", leader="a", generation=3)
        << replied(4, member_id="c", leader="a", generation=3)
    )


def test_a_group_whose_members_have_all_fetched_their_assignments_stays_stable() -> None:
    long = {"session_timeout_ms": 300_000}
    story = Playbook()
    assert (
        story
        >> join(1, "a", **long)
        << Saved(generation=1)
        << replied(1)
        >> sync(2, "a", 1, assignments={"a": b"A"})
        << Saved(generation=1, assignments={"a": b"A"})
        << replied(2, assignment=b"A")
        >> At(REBALANCE_MS + 1)
        >> heartbeat(3, "a", 1)
        << replied(3, code=ErrorCode.NONE)
    )
