"""The ends of every limit and deadline of a classic group: the last that is accepted, the first that is not."""

from collections.abc import Callable

import pytest

from higgins.groups.classic.member import Member
from higgins.groups.classic.members import Members
from higgins.groups.classic.rebalance import GroupState
from higgins.groups.classic.requests import MemberProtocol
from higgins.groups.machine import Event, Stalled
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

FULL = ErrorCode.GROUP_MAX_SIZE_REACHED


def settings(**changes: int) -> GroupSettings:
    return GroupSettings(**{"initial_rebalance_delay_ms": 0, "min_session_timeout_ms": 1_000, **changes})


# ---- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_ms", [1_000, 5_000])
def test_session_timeouts_at_the_bounds_are_accepted(timeout_ms: int) -> None:
    story = Playbook(settings=settings(max_session_timeout_ms=5_000))
    assert story >> join(1, "a", session_timeout_ms=timeout_ms) << Saved(generation=1) << replied(1, generation=1)


@pytest.mark.parametrize(("size", "fits"), [(60, True), (61, False)])
def test_metadata_of_all_members_up_to_the_limit_is_accepted(size: int, fits: bool) -> None:
    story = Playbook(settings=settings(group_bytes_max=100))
    story >> join(1, "a", protocols=[("range", bytes(40))]) << Saved(generation=1) << replied(1)
    story >> join(2, "b", protocols=[("range", bytes(size))])
    if not fits:
        story << replied(2, error=FULL)
    assert story
    assert len(story.group.members) == 1 + fits


def test_metadata_of_members_that_left_or_changed_does_not_count() -> None:
    story = Playbook(settings=settings(group_bytes_max=100))
    story >> join(1, "a", protocols=[("range", bytes(40))]) << Saved(generation=1) << replied(1)
    assert story.group.members.metadata_bytes == 40
    for round_ in range(3):
        token = 10 * (round_ + 1)
        story >> rejoin(token, "a", protocols=[("range", bytes(40 + round_)), ("more", b"x")])
        story << Saved() << replied(token, error=ErrorCode.NONE)
        assert story.group.members.metadata_bytes == 41 + round_
    story >> leave(50, "a") << Saved(members=[]) << replied(50)
    assert story.group.members.metadata_bytes == 0
    assert story >> join(51, "b", protocols=[("range", bytes(100))]) << Saved(members=["b"]) << replied(51)


@pytest.mark.parametrize(("size", "fits"), [(50, True), (51, False)])
def test_assignments_up_to_the_limit_are_committed(size: int, fits: bool) -> None:
    story = Playbook(settings=settings(group_bytes_max=100))
    story >> join(1, "a") << Saved(generation=1) << replied(1) >> sync(2, "a", 1, assignments={"a": bytes(50)})
    story << Saved(generation=1) << replied(2)
    story >> rejoin(3, "a") << Saved(generation=2) << replied(3)
    story >> sync(4, "a", 2, assignments={"a": bytes(size), "stranger": bytes(50)})
    if fits:
        assert story << Saved(generation=2, assignments={"a": bytes(50)}) << replied(4, assignment=bytes(50))
    else:
        assert story << replied(4, error=ErrorCode.UNKNOWN_SERVER_ERROR)
        assert story.group.state is GroupState.PREPARING


def test_a_group_takes_exactly_as_many_members_as_the_limit_says() -> None:
    story = Playbook(settings=GroupSettings(group_members_max=3, initial_rebalance_delay_ms=1_000))
    for i in range(5):
        story >> join(i, f"m{i}")
        if i >= 3:
            story << replied(i, error=FULL)
    assert story and len(story.group.members) == 3


def test_as_many_member_ids_are_given_out_as_the_limit_says() -> None:
    story = Playbook(settings=settings(pending_members_max=2))
    for i, error in enumerate((ErrorCode.MEMBER_ID_REQUIRED, ErrorCode.MEMBER_ID_REQUIRED, FULL)):
        story >> join(i, f"m{i}", requires_member_id=True) << replied(i, error=error)
    # One that is used makes room for another.
    story >> rejoin(3, "m0", requires_member_id=True) << Saved(members=["m0"]) << replied(3)
    assert list(story.group.members.pending) == ["m1"]
    story >> join(4, "m4", requires_member_id=True) << replied(4, error=ErrorCode.MEMBER_ID_REQUIRED)
    assert story


def test_a_pending_id_that_expires_completes_the_rebalance_that_waits_for_it() -> None:
    story = stable_pair()
    story >> join(6, "c", requires_member_id=True) << replied(6, error=ErrorCode.MEMBER_ID_REQUIRED)
    story >> rejoin(7, "a") >> rejoin(8, "b")
    assert story >> At(SESSION_MS - 1)
    assert (
        story
        >> At(SESSION_MS)
        << Saved(generation=3, members=["a", "b"])
        << replied(7, generation=3)
        << replied(8, generation=3)
    )


def test_a_pending_id_that_is_given_back_completes_the_rebalance_that_waits_for_it() -> None:
    story = stable_pair()
    story >> join(6, "c", requires_member_id=True) << replied(6, error=ErrorCode.MEMBER_ID_REQUIRED)
    story >> rejoin(7, "a") >> rejoin(8, "b")
    assert (
        story
        >> leave(9, "c")
        << Saved(generation=3, members=["a", "b"])
        << replied(7, generation=3)
        << replied(8, generation=3)
        << replied(9, members=(ErrorCode.NONE,))
    )


# ---- deadlines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [heartbeat, commit, sync])
def test_every_sign_of_life_gives_a_whole_session(sign: Callable[[int, str, int], Event]) -> None:
    story = stable_pair() >> At(SESSION_MS - 1)
    story >> heartbeat(20, "a", 2) << replied(20)
    story >> sign(21, "b", 2) << replied(21)
    assert story >> At(2 * SESSION_MS - 2)
    # Both are silent now: b, whose sign came last, is removed, and a group without members is left.
    story >> At(2 * SESSION_MS - 1)
    assert len(story.group.members) == 0


def test_a_session_ends_exactly_at_its_timeout() -> None:
    story = stable_pair() >> At(SESSION_MS - 1)
    assert story
    story >> heartbeat(6, "a", 2) << replied(6, code=ErrorCode.NONE)
    assert story >> At(SESSION_MS)
    assert (
        story >> heartbeat(7, "a", 2)
        << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)
        >> heartbeat(8, "b", 2)
        << replied(8, code=ErrorCode.UNKNOWN_MEMBER_ID)
    )


def test_the_longest_rebalance_timeout_of_a_member_counts() -> None:
    story = Playbook()
    story >> join(1, "a", rebalance_timeout_ms=20_000) << Saved() << replied(1)
    story >> join(2, "b", rebalance_timeout_ms=40_000, session_timeout_ms=100_000)
    story >> rejoin(3, "a", rebalance_timeout_ms=20_000) << Saved() << replied(3) << replied(2)
    story >> sync(4, "b", 2) >> sync(5, "a", 2, assignments={}) << Saved() << replied(5) << replied(4)
    story >> rejoin(6, "a", rebalance_timeout_ms=20_000)
    assert story >> At(39_999)
    assert story >> At(40_000) << Saved(generation=3, members=["a"]) << replied(6, generation=3)


def test_a_member_that_left_takes_its_rebalance_timeout_with_it() -> None:
    story = Playbook()
    story >> join(1, "a", rebalance_timeout_ms=20_000, session_timeout_ms=100_000) << Saved() << replied(1)
    story >> join(2, "b", rebalance_timeout_ms=90_000)
    story >> rejoin(3, "a", rebalance_timeout_ms=20_000, session_timeout_ms=100_000) << Saved() << replied(3)
    story << replied(2) >> leave(4, "b") << replied(4)
    assert story >> At(19_999)
    story >> At(20_000) << Saved(generation=3, members=[])
    assert story


def test_only_new_members_extend_the_first_rebalance() -> None:
    story = Playbook(settings=GroupSettings(initial_rebalance_delay_ms=3_000))
    story >> join(1, "a") >> At(1_000) >> rejoin(2, "a") << replied(1, error=ErrorCode.REBALANCE_IN_PROGRESS)
    assert story >> At(2_999)
    assert story >> At(3_000) << Saved(generation=1, members=["a"]) << replied(2, generation=1)


def test_a_group_that_was_emptied_waits_for_members_again() -> None:
    story = Playbook(settings=GroupSettings(initial_rebalance_delay_ms=3_000))
    story >> join(1, "a") >> At(6_000) << Saved(generation=1) << replied(1)
    story >> leave(2, "a") << Saved(generation=2, members=[]) << replied(2)
    story >> join(3, "b")
    assert story >> At(8_999)
    assert story >> At(9_000) << Saved(generation=3, members=["b"]) << replied(3, generation=3)


def test_a_stall_extends_the_time_to_use_a_member_id() -> None:
    story = Playbook()
    story >> join(1, "a", requires_member_id=True) << replied(1, error=ErrorCode.MEMBER_ID_REQUIRED)
    story >> At(SESSION_MS - 1) >> Stalled(5_000) >> At(SESSION_MS + 4_998)
    assert story >> rejoin(2, "a", requires_member_id=True) << Saved(members=["a"]) << replied(2, generation=1)


def test_members_with_different_sessions_expire_one_by_one() -> None:
    story = Playbook(settings=settings(initial_rebalance_delay_ms=0))
    story >> join(1, "a", session_timeout_ms=50_000) << Saved() << replied(1)
    for i, name in ((2, "b"), (3, "c")):
        story >> join(i, name, session_timeout_ms=10_000 * i)
    story >> rejoin(4, "a", session_timeout_ms=50_000) << Saved(members=["a", "b", "c"])
    story << replied(4) << replied(2) << replied(3)
    story >> sync(5, "b", 2) >> sync(6, "c", 2) >> sync(7, "a", 2) << Saved()
    for token in (7, 5, 6):
        story << replied(token)
    assert story >> At(19_999)
    story >> At(20_000)
    assert [member.id for member in story.group.members] == ["a", "c"]
    story >> At(30_000)
    assert [member.id for member in story.group.members] == ["a"]


# ---- a takeover -----------------------------------------------------------------------------------------------------


def test_after_a_takeover_the_leader_and_the_order_of_members_are_as_before() -> None:
    story = stable_pair()
    record = story.group.record()
    heir = Playbook() >> Restore(record)
    assert heir.group.record() == record
    assert heir.group.members.leader == "a" and heir.group.members.metadata_bytes == story.group.members.metadata_bytes
    assert heir >> heartbeat(1, "b", 2) << replied(1, code=ErrorCode.NONE)
    assert heir >> sync(2, "b", 2) << replied(2, assignment=b"B")
    assert heir >> rejoin(3, "b") << replied(3, generation=2, leader="a")
    assert (
        heir
        >> rejoin(4, "a")
        >> rejoin(5, "b", protocols=[("range", b"new")])
        << Saved(generation=3, members=["a", "b"])
        << replied(4, leader="a")
        << replied(5, leader="a")
    )


def test_after_a_takeover_of_an_empty_group_the_first_member_starts_over() -> None:
    story = stable_pair()
    story >> leave(6, "a", "b") << Saved(generation=3, members=[]) << replied(6)
    heir = Playbook() >> Restore(story.group.record())
    assert heir.group.state is GroupState.EMPTY
    assert heir >> join(1, "c") << Saved(generation=4, members=["c"]) << replied(1, generation=4)


# ---- the set of members ---------------------------------------------------------------------------------------------


def member(name: str, *protocols: str, instance_id: str | None = None) -> Member:
    return Member(
        id=name,
        instance_id=instance_id,
        client_id="client",
        client_host="/10.0.0.1",
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=REBALANCE_MS,
        protocols=tuple(MemberProtocol(protocol, protocol.encode()) for protocol in protocols or ("range",)),
    )


def members_of(*each: Member) -> Members:
    members = Members()
    for one in each:
        members.add(one)
    return members


def test_the_oldest_member_leads_and_the_next_oldest_follows_it() -> None:
    members = members_of(*map(member, "abcd"))
    for name in "abc":
        assert members.leader == name
        leader = members.get(name)
        assert leader is not None
        members.remove(leader)
    assert members.leader == "d"
    last = members.get("d")
    assert last is not None
    members.remove(last)
    assert members.leader is None and len(members) == 0
    members.add(member("e"))
    assert members.leader == "e"


def test_a_leader_that_does_not_join_is_succeeded_by_the_oldest_that_does() -> None:
    members = members_of(*map(member, "abcd"))
    assert not members.elect_leader() and members.leader == "a"
    for name, token in (("d", 1), ("c", 2)):
        joining = members.get(name)
        assert joining is not None
        members.begin_join(joining, token)
    assert members.elect_leader() and members.leader == "c"
    assert members.joining == 2 and not members.all_joined()


def test_a_member_that_joins_twice_counts_once() -> None:
    members = members_of(member("a"), member("b"))
    a, b = list(members)
    members.begin_join(a, 1)
    members.begin_join(a, 2)
    assert members.joining == 1 and not members.all_joined()
    members.begin_join(b, 3)
    assert members.all_joined()
    members.pending["c"] = 1
    assert not members.all_joined()
    assert members.end_join(a) == 2 and members.end_join(a) is None
    assert members.joining == 1


def test_the_oldest_member_breaks_a_tie_of_votes() -> None:
    assert members_of(member("a", "x", "y"), member("b", "y", "x")).select_protocol() == "x"
    assert members_of(member("a", "y", "x"), member("b", "x", "y")).select_protocol() == "y"
    two_to_one = members_of(member("a", "x", "y"), member("b", "y", "x"), member("c", "y", "x"))
    assert two_to_one.select_protocol() == "y"


def test_a_protocol_counts_once_for_each_member_and_no_more_once_it_left() -> None:
    members = members_of(member("a", "x", "x", "y"), member("b", "y"))
    assert not members.support_any((MemberProtocol("x", b""),))
    assert members.support_any((MemberProtocol("x", b""), MemberProtocol("y", b"")))
    a, b = list(members)
    members.update_protocols(b, (MemberProtocol("x", b""),))
    assert members.support_any((MemberProtocol("x", b""),)) and not members.support_any((MemberProtocol("y", b""),))
    members.remove(a)
    assert members.select_protocol() == "x" and not members.support_any((MemberProtocol("y", b""),))


def test_a_static_member_that_returns_keeps_its_place_and_its_leadership() -> None:
    members = members_of(member("a", instance_id="i"), member("b"))
    a = members.of_instance("i")
    assert a is not None
    members.replace_id(a, "a2")
    assert [each.id for each in members] == ["a2", "b"] and members.leader == "a2"
    assert members.get("a") is None and members.of_instance("i") is a
    assert members.id_error("a", "i") is ErrorCode.FENCED_INSTANCE_ID
    assert members.id_error("a2", "i") is members.id_error("b", None) is None
    assert members.id_error("a", None) is members.id_error("b", "j") is ErrorCode.UNKNOWN_MEMBER_ID
    members.remove(a)
    assert members.of_instance("i") is None and members.leader == "b"


def test_new_settings_count_from_now_on() -> None:
    story = Playbook(settings=NO_DELAY)
    story >> join(1, "a") << Saved() << replied(1)
    story.group.configure(settings(group_members_max=1))
    assert story >> join(2, "b") << replied(2, error=FULL)
    story.group.configure(settings(group_members_max=2))
    assert story >> join(3, "b")
    assert len(story.group.members) == 2
