"""Entering a group and passing from generation to generation."""

import pytest

from higgins.groups.classic.rebalance import GroupState
from higgins.groups.settings import GroupSettings
from higgins_protocol.errors import ErrorCode
from tests.groups.playbook import (
    NO_DELAY,
    REBALANCE_MS,
    SESSION_MS,
    At,
    Playbook,
    Saved,
    heartbeat,
    join,
    leave,
    rejoin,
    replied,
    stable_pair,
    sync,
)


def test_the_first_member_is_the_leader_and_gets_the_list_of_members() -> None:
    story = Playbook()
    assert (
        story
        >> join(1, "a", protocols=[("range", b"R")])
        << Saved(generation=1, members=["a"], assignments={"a": b""})
        << replied(1, error=ErrorCode.NONE, generation=1, leader="a", protocol="range", protocol_type="consumer")
        >> sync(2, "a", 1, assignments={"a": b"all"})
        << Saved(generation=1, assignments={"a": b"all"})
        << replied(2, assignment=b"all", protocol="range", protocol_type="consumer")
    )
    assert story.group.state is GroupState.STABLE


def test_only_the_leader_gets_the_members_and_their_metadata() -> None:
    story = stable_pair()
    assert (
        story
        >> rejoin(6, "b", protocols=[("range", b"other")])
        >> rejoin(7, "a")
        << Saved(generation=3)
        << replied(7, leader="a")
        << replied(6, leader="a", members=())
    )


def test_the_first_rebalance_waits_for_members_and_is_extended_by_new_ones() -> None:
    story = Playbook(settings=GroupSettings(initial_rebalance_delay_ms=3_000))
    assert (
        story
        >> join(1, "a")
        >> At(2_000)
        >> join(2, "b")
        >> At(5_999)
        >> At(6_000)
        << Saved(generation=1, members=["a", "b"])
        << replied(1, leader="a")
        << replied(2, leader="a")
    )


def test_the_first_rebalance_is_never_extended_past_the_rebalance_timeout() -> None:
    story = Playbook(settings=GroupSettings(initial_rebalance_delay_ms=3_000))
    story >> join(0, "m0", rebalance_timeout_ms=7_000)
    for second in range(1, 7):
        story >> At(second * 1_000) >> join(second, f"m{second}", rebalance_timeout_ms=7_000)
    assert story >> At(6_999)
    story >> At(7_000) << Saved(generation=1, members=[f"m{i}" for i in range(7)])
    for token in range(7):
        story << replied(token, generation=1)
    assert story


def test_a_dynamic_member_first_gets_its_id() -> None:
    assert (
        Playbook()
        >> join(1, "a", requires_member_id=True)
        << replied(1, error=ErrorCode.MEMBER_ID_REQUIRED, member_id="a")
        >> rejoin(2, "a", requires_member_id=True)
        << Saved(generation=1, members=["a"])
        << replied(2, member_id="a", leader="a")
    )


def test_a_member_id_that_is_not_used_expires() -> None:
    assert (
        Playbook()
        >> join(1, "a", requires_member_id=True)
        << replied(1, error=ErrorCode.MEMBER_ID_REQUIRED)
        >> At(SESSION_MS)
        >> rejoin(2, "a", requires_member_id=True)
        << replied(2, error=ErrorCode.UNKNOWN_MEMBER_ID)
    )


def test_a_rebalance_waits_for_members_that_only_got_their_id() -> None:
    assert (
        stable_pair()
        >> join(6, "c", requires_member_id=True)
        << replied(6, error=ErrorCode.MEMBER_ID_REQUIRED)
        >> rejoin(7, "a")
        >> rejoin(8, "b")
        >> rejoin(9, "c", requires_member_id=True)
        << Saved(generation=3, members=["a", "b", "c"])
        << replied(7, generation=3)
        << replied(8, generation=3)
        << replied(9, generation=3)
    )


def test_members_that_do_not_rejoin_in_time_are_removed() -> None:
    story = stable_pair()
    assert story >> rejoin(6, "a")
    for second in range(5, 60, 5):
        story >> At(second * 1_000) >> heartbeat(second, "b", 2)
        assert story << replied(second, code=ErrorCode.REBALANCE_IN_PROGRESS)
    assert (
        story
        >> At(REBALANCE_MS)
        << Saved(generation=3, members=["a"])
        << replied(6, generation=3)
        >> heartbeat(7, "b", 2)
        << replied(7, code=ErrorCode.UNKNOWN_MEMBER_ID)
    )


def test_when_the_leader_does_not_rejoin_another_leads() -> None:
    assert (
        stable_pair()
        >> rejoin(6, "b", protocols=[("range", b"new")])
        >> leave(7, "a")
        << Saved(generation=3, members=["b"])
        << replied(6, leader="b", generation=3)
        << replied(7, members=(ErrorCode.NONE,))
    )


def test_a_follower_that_joins_again_unchanged_gets_the_same_answer_again() -> None:
    assert (
        stable_pair()
        >> rejoin(6, "b")
        << replied(6, generation=2, leader="a", members=())
        >> heartbeat(7, "a", 2)
        << replied(7, code=ErrorCode.NONE)
    )


def test_a_leader_that_joins_again_causes_a_rebalance() -> None:
    assert stable_pair() >> rejoin(6, "a") >> heartbeat(7, "b", 2) << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)


def test_a_follower_with_a_new_subscription_causes_a_rebalance() -> None:
    story = stable_pair() >> rejoin(6, "b", protocols=[("range", b"more")])
    assert story >> heartbeat(7, "a", 2) << replied(7, code=ErrorCode.REBALANCE_IN_PROGRESS)


def test_a_join_answer_lost_while_the_leader_assigns_is_repeated() -> None:
    story = Playbook()
    assert (
        story
        >> join(1, "a")
        << Saved(generation=1)
        << replied(1, generation=1)
        >> rejoin(2, "a")
        << replied(2, generation=1, leader="a")
    )
    assert story.group.state is GroupState.COMPLETING


def test_a_second_join_replaces_the_first() -> None:
    assert (
        stable_pair()
        >> rejoin(6, "a")
        >> rejoin(7, "a")
        << replied(6, error=ErrorCode.REBALANCE_IN_PROGRESS)
        >> rejoin(8, "b")
        << Saved(generation=3)
        << replied(7, generation=3)
        << replied(8, generation=3)
    )


def test_members_vote_among_the_protocols_that_all_support() -> None:
    story = Playbook(settings=GroupSettings(initial_rebalance_delay_ms=3_000))
    assert (
        story
        >> join(1, "a", protocols=[("x", b""), ("y", b""), ("z", b"")])
        >> join(2, "b", protocols=[("z", b""), ("y", b"")])
        >> join(3, "c", protocols=[("z", b""), ("y", b""), ("w", b"")])
        >> At(6_000)
        << Saved(generation=1)
        << replied(1, protocol="z")
        << replied(2, protocol="z")
        << replied(3, protocol="z")
    )


@pytest.mark.parametrize(
    "fields",
    [{"protocols": [("sticky", b"")]}, {"protocol_type": "connect"}, {"protocols": []}, {"protocol_type": ""}],
)
def test_a_member_without_a_common_protocol_is_refused(fields: dict[str, object]) -> None:
    assert stable_pair() >> join(6, "c", **fields) << replied(6, error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


@pytest.mark.parametrize("fields", [{"protocols": []}, {"protocol_type": ""}])
def test_a_group_needs_a_protocol_and_a_type(fields: dict[str, object]) -> None:
    assert Playbook() >> join(1, "a", **fields) << replied(1, error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)


def test_an_empty_group_may_change_its_protocol_type_and_keeps_its_generations() -> None:
    story = stable_pair()
    assert (
        story
        >> leave(6, "a", "b")
        << Saved(generation=3, members=[])
        << replied(6, members=(ErrorCode.NONE, ErrorCode.NONE))
    )
    assert story.group.protocol_type == "consumer"
    assert (
        story
        >> join(7, "c", protocol_type="connect", protocols=[("sessioned", b"")])
        << Saved(generation=4, members=["c"])
        << replied(7, generation=4, protocol_type="connect", protocol="sessioned")
    )


@pytest.mark.parametrize("timeout_ms", [0, 999, 1_800_001])
def test_session_timeouts_out_of_bounds_are_refused(timeout_ms: int) -> None:
    assert (
        Playbook()
        >> join(1, "a", session_timeout_ms=timeout_ms)
        << replied(1, error=ErrorCode.INVALID_SESSION_TIMEOUT)
    )


def test_an_unknown_member_cannot_rejoin() -> None:
    assert Playbook() >> rejoin(1, "ghost") << replied(1, error=ErrorCode.UNKNOWN_MEMBER_ID, member_id="ghost")
    assert stable_pair() >> rejoin(6, "ghost") << replied(6, error=ErrorCode.UNKNOWN_MEMBER_ID)


def test_a_full_group_accepts_only_its_own_members() -> None:
    settings = GroupSettings(initial_rebalance_delay_ms=0, group_members_max=1)
    assert (
        Playbook(settings=settings)
        >> join(1, "a")
        << Saved(generation=1)
        << replied(1, error=ErrorCode.NONE)
        >> join(2, "b")
        << replied(2, error=ErrorCode.GROUP_MAX_SIZE_REACHED)
        >> rejoin(3, "a", protocols=[("range", b"new")])
        << Saved(generation=2)
        << replied(3, generation=2)
    )


def test_the_metadata_of_all_members_has_a_limit() -> None:
    settings = GroupSettings(initial_rebalance_delay_ms=0, group_bytes_max=100)
    story = Playbook(settings=settings)
    refused = replied(1, error=ErrorCode.GROUP_MAX_SIZE_REACHED)
    assert story >> join(1, "a", protocols=[("range", bytes(101))]) << refused


def test_a_new_member_that_waits_too_long_for_its_first_generation_is_removed() -> None:
    story = Playbook(settings=GroupSettings(initial_rebalance_delay_ms=3_000, new_member_timeout_ms=2_000))
    assert (
        story
        >> join(1, "a")
        >> At(2_000)
        << replied(1, error=ErrorCode.UNKNOWN_MEMBER_ID)
        >> At(3_000)
        << Saved(generation=1, members=[])
    )
    assert story.group.state is GroupState.EMPTY


def test_without_initial_delay_the_first_generation_begins_at_once() -> None:
    assert Playbook(settings=NO_DELAY) >> join(1, "a") << Saved(generation=1) << replied(1, generation=1)
