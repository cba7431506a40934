"""Driving machines under leases: no answer before its commit, no answer without the lease."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.groups.classic.requests import JoinResult
from higgins.groups.machine import AuthoriseCommit
from higgins.groups.settings import GroupSettings
from higgins.ledger.committer import Outcome
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import OffsetToCommit
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition
from higgins.ledger.state.topics import CreateTopic
from higgins.model.errors import StorageUnavailable
from higgins.model.names import TopicId
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode
from tests.groups.ledger import FakeBucket, FakeLedger
from tests.groups.node import TOPIC, Node, answered, codes_of, owned_by
from tests.groups.playbook import SESSION_MS


@pytest.fixture
def bucket() -> FakeBucket:
    made = FakeBucket()
    made.commit(0, CreateTopic("orders", TOPIC, 2, {}))
    return made


@pytest.fixture
async def node(bucket: FakeBucket, nursery: trio.Nursery) -> Node:
    made = Node(bucket, 9001)
    await nursery.start(made.coordinator.run)
    return made


@pytest.fixture
async def pair(node: Node, bucket: FakeBucket, nursery: trio.Nursery) -> AsyncIterator[tuple[Node, Node]]:
    """The second node has joined after the first."""
    other = Node(bucket, 9002)
    await nursery.start(other.coordinator.run)
    yield node, other


async def test_a_generation_is_committed_before_its_members_learn_of_it(node: Node, nursery: trio.Nursery) -> None:
    await answered(node.coordinator.request("g", node.join_request("p", requires_member_id=True)))
    node.ledger.holds = True
    results: list[JoinResult] = []

    async def enter() -> None:
        results.append(await node.join("g", "a"))

    nursery.start_soon(enter)
    await wait_all_tasks_blocked()
    assert not results
    assert node.ledger.state.groups.get("g") is None
    node.ledger.release()
    await wait_all_tasks_blocked()
    assert results[0].generation == 1
    record = node.ledger.state.groups.get("g")
    assert isinstance(record, ClassicGroupRecord)
    assert [member.member_id for member in record.members] == ["a"]


async def test_a_heartbeat_in_a_stable_group_costs_no_task_and_no_commit(node: Node) -> None:
    await node.stable("g")
    proposals = len(node.ledger.proposals)
    assert node.beat("g", "a", 1) is ErrorCode.NONE
    assert len(node.ledger.proposals) == proposals


async def test_a_rebalance_costs_two_commits_and_a_lease(node: Node) -> None:
    await node.stable("g")
    assert [type(proposal) for proposal in node.ledger.proposals] == [TakeLease, SaveGroup, SaveGroup]


async def test_a_node_that_does_not_own_a_group_answers_not_coordinator(pair: tuple[Node, Node]) -> None:
    first, second = pair
    group_id = owned_by(second)
    assert (await first.join(group_id, "a")).error is ErrorCode.NOT_COORDINATOR
    assert await first.heartbeat(group_id, "a", 1) is ErrorCode.NOT_COORDINATOR
    assert await first.commit(group_id, 5) == (ErrorCode.NOT_COORDINATOR,)
    assert await first.coordinator.describe(group_id) == [ErrorCode.NOT_COORDINATOR]
    assert (await second.join(group_id, "a")).error is ErrorCode.NONE


async def test_a_group_moves_to_its_new_owner_without_a_rebalance(pair: tuple[Node, Node]) -> None:
    first, second = pair
    group_id = owned_by(second)
    await second.stable(group_id)
    second.ledger.leave()
    assert await first.heartbeat(group_id, "a", 1) is ErrorCode.NONE
    assert (await first.sync(group_id, "a", 1)).assignment == b"A"
    assert await second.heartbeat(group_id, "a", 1) is ErrorCode.NOT_COORDINATOR


async def test_members_that_wait_where_the_group_moved_away_get_not_coordinator(
    autojump_clock: MockClock, node: Node, bucket: FakeBucket, nursery: trio.Nursery
) -> None:
    results: list[JoinResult] = []

    async def wait_in(group_id: str) -> None:
        await node.stable(group_id)
        results.append(await node.join(group_id, "b"))

    for i in range(20):
        nursery.start_soon(wait_in, f"g{i}")
    await wait_all_tasks_blocked()
    Node(bucket, 9002)
    await trio.sleep(2)
    assert not results, "a group does not move because a node has joined"
    node.ledger.leave()
    await trio.sleep(2)
    assert len(results) == 20
    assert {result.error for result in results} == {ErrorCode.NOT_COORDINATOR}


async def test_a_group_does_not_move_back_to_a_node_that_returns(node: Node, bucket: FakeBucket) -> None:
    other = Node(bucket, 9002)
    group_ids = [f"g{i}" for i in range(30)]
    for group_id in group_ids:
        holder = node if node.ledger.session == node.coordinator.find(group_id) else other
        await holder.stable(group_id)
    node.ledger.leave()
    for group_id in group_ids:
        assert await other.heartbeat(group_id, "a", 1) is ErrorCode.NONE
    returned = Node(bucket, 9001)
    for group_id in group_ids:
        assert await returned.heartbeat(group_id, "a", 1) is ErrorCode.NOT_COORDINATOR
        assert await other.heartbeat(group_id, "a", 1) is ErrorCode.NONE
        assert returned.coordinator.find(group_id) == other.coordinator.find(group_id) == other.ledger.session
    owners = {returned.coordinator.find(f"new{i}") for i in range(30)}
    assert owners == {returned.ledger.session, other.ledger.session}, "new groups are shared out among all nodes"


async def test_a_lease_that_moved_and_came_back_starts_from_the_record(
    node: Node, bucket: FakeBucket
) -> None:
    other = Node(bucket, 9002)
    group_id = owned_by(node)
    await node.stable(group_id)
    session = node.ledger.session
    assert session is not None
    node.ledger.leave()
    assert await other.heartbeat(group_id, "a", 1) is ErrorCode.NONE
    assert (await other.sync(group_id, "a", 1)).assignment == b"A"
    rejoined = Node(bucket, 9001)
    other.ledger.leave()
    assert (await rejoined.sync(group_id, "a", 1)).assignment == b"A"


async def test_after_a_refused_commit_waiting_members_get_not_coordinator(node: Node, nursery: trio.Nursery) -> None:
    await node.stable("g")
    results: list[JoinResult] = []

    async def enter(**fields: Any) -> None:
        results.append(await node.join("g", **fields))

    nursery.start_soon(lambda: enter(new_member_id="b"))
    await wait_all_tasks_blocked()
    node.ledger.holds = True
    nursery.start_soon(lambda: enter(member_id="a"))
    await wait_all_tasks_blocked()
    node.ledger.release(lambda proposal: Outcome(error=StorageUnavailable("who knows")))
    await wait_all_tasks_blocked()
    assert [result.error for result in results] == [ErrorCode.NOT_COORDINATOR] * 2
    assert await node.heartbeat("g", "a", 1) is ErrorCode.NONE


async def test_a_member_that_gave_up_waiting_does_not_stop_the_others(
    autojump_clock: MockClock, node: Node, nursery: trio.Nursery
) -> None:
    await node.stable("g")
    with trio.move_on_after(1):
        await node.join("g", "b")
    result = await node.join("g", member_id="a")
    assert result.generation == 2
    assert {member.member_id for member in result.members} == {"a", "b"}


async def test_silent_members_expire_by_the_nodes_own_clock(autojump_clock: MockClock, node: Node) -> None:
    await node.stable("g")
    await trio.sleep(SESSION_MS / 1_000 - 0.5)
    assert await node.heartbeat("g", "a", 1) is ErrorCode.NONE
    await trio.sleep(SESSION_MS / 1_000 + 0.5)
    assert await node.heartbeat("g", "a", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    record = node.ledger.state.groups.get("g")
    assert isinstance(record, ClassicGroupRecord)
    assert (record.generation, record.members) == (2, ())


async def test_the_initial_rebalance_delay_is_observed(
    bucket: FakeBucket, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    node = Node(bucket, 9001, GroupSettings(initial_rebalance_delay_ms=3_000))
    await nursery.start(node.coordinator.run)
    started = trio.current_time()
    await node.join("g", "a")
    assert trio.current_time() - started == pytest.approx(3, abs=0.1)


async def test_a_node_cut_off_from_the_ledger_refuses_all_requests(node: Node) -> None:
    await node.stable("g")
    node.ledger.is_cut_off = True
    assert await node.heartbeat("g", "a", 1) is ErrorCode.NOT_COORDINATOR
    assert (await node.join("g", "b")).error is ErrorCode.NOT_COORDINATOR
    assert await node.coordinator.committed("g") is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert await node.coordinator.list_all() is ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_members_do_not_expire_while_the_node_is_cut_off(autojump_clock: MockClock, node: Node) -> None:
    await node.stable("g")
    node.ledger.is_cut_off = True
    await trio.sleep(10 * SESSION_MS / 1_000)
    node.ledger.release()
    await trio.sleep(2)
    assert await node.heartbeat("g", "a", 1) is ErrorCode.NONE


async def test_members_do_not_wait_for_a_commit_that_hangs(
    autojump_clock: MockClock, node: Node, nursery: trio.Nursery
) -> None:
    await node.join("g", "p", requires_member_id=True)
    node.ledger.holds = True
    assert (await node.join("g", "a")).error is ErrorCode.NOT_COORDINATOR
    node.ledger.release()
    assert await node.heartbeat("g", "a", 1) is ErrorCode.NONE


@pytest.mark.parametrize("generation", [0, 7])
async def test_no_lease_is_taken_for_a_group_that_does_not_exist(node: Node, generation: int) -> None:
    assert await node.heartbeat("g", "a", generation) is ErrorCode.UNKNOWN_MEMBER_ID
    assert (await node.sync("g", "a", generation)).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert (await node.leave("g", "a", "b")).members == (ErrorCode.UNKNOWN_MEMBER_ID,) * 2
    assert await node.commit("g", 1, member_id="a", generation=generation) == (ErrorCode.GROUP_ID_NOT_FOUND,)
    assert (await node.join("g", member_id="a")).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert not node.ledger.proposals


@pytest.mark.parametrize("group_id", ["", "x" * 1_025])
async def test_group_ids_that_are_empty_or_too_long_are_refused(node: Node, group_id: str) -> None:
    assert (await node.join(group_id, "a")).error is ErrorCode.INVALID_GROUP_ID
    assert await node.heartbeat(group_id, "a", 1) is ErrorCode.INVALID_GROUP_ID


async def test_offsets_can_be_committed_under_the_empty_group_id(node: Node) -> None:
    assert await node.commit("", 5) == (ErrorCode.NONE,)
    assert await node.commit("x" * 1_025, 5) == (ErrorCode.INVALID_GROUP_ID,)


async def test_committed_offsets_come_back_as_committed(node: Node) -> None:
    assert await node.commit("g", 42, metadata="why") == (ErrorCode.NONE,)
    committed = await node.coordinator.committed("g", "unknown")
    assert not isinstance(committed, ErrorCode)
    entry = committed[0][TOPIC, 0]
    assert (entry.offset, entry.leader_epoch, entry.metadata) == (42, 7, "why")
    assert committed[1] == {}


async def test_a_member_commits_in_its_generation_only(node: Node) -> None:
    await node.stable("g")
    assert await node.commit("g", 5, member_id="a", generation=1) == (ErrorCode.NONE,)
    assert await node.commit("g", 6, member_id="a", generation=2) == (ErrorCode.ILLEGAL_GENERATION,)
    assert await node.commit("g", 7) == (ErrorCode.UNKNOWN_MEMBER_ID,)
    committed = await node.coordinator.committed("g")
    assert not isinstance(committed, ErrorCode)
    assert committed[0][TOPIC, 0].offset == 5


async def test_a_partition_that_does_not_exist_has_its_own_error(node: Node) -> None:
    request = AuthoriseCommit(node.coordinator.new_token(), "", -1)
    entries = (OffsetToCommit(TOPIC, 0, 1, -1, ""), OffsetToCommit(TopicId(bytes(16)), 0, 1, -1, ""))
    codes = await codes_of(node.coordinator.commit("g", request, entries))
    assert codes == (ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


async def test_an_offset_commit_under_a_lost_lease_is_refused(node: Node, bucket: FakeBucket) -> None:
    group_id = owned_by(node)
    await node.stable(group_id)
    node.ledger.holds = True
    codes: list[tuple[ErrorCode, ...]] = []

    async def commit() -> None:
        codes.append(await node.commit(group_id, 5, member_id="a", generation=1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit)
        await wait_all_tasks_blocked()
        stopped = node.ledger.session
        node.ledger.leave()
        other = Node(bucket, 9002)
        assert await other.heartbeat(group_id, "a", 1) is ErrorCode.NONE
        node.ledger.session = stopped
        assert stopped is not None
        node.ledger.release(lambda proposal: _judge(bucket, stopped.epoch, proposal))
    assert codes == [(ErrorCode.NOT_COORDINATOR,)]


def _judge(bucket: FakeBucket, epoch: int, proposal: Any) -> Outcome:
    ledger = FakeLedger(bucket, bucket.node(9009).session)  # type: ignore[arg-type]
    outcomes: list[Outcome] = []
    ledger.submit(proposal, outcomes.append)
    return outcomes[0]


async def test_groups_are_described_and_listed(node: Node) -> None:
    await node.stable("busy")
    await node.commit("plain", 1)
    views = await node.coordinator.describe("busy", "plain", "unknown")
    busy, plain, unknown = views
    assert unknown is None
    assert not isinstance(busy, ErrorCode | None)
    assert (busy.state, busy.protocol_type, busy.protocol) == ("Stable", "consumer", "range")
    assert [(member.member_id, member.assignment, member.metadata) for member in busy.members] == [
        ("a", b"A", b"topics")
    ]
    assert not isinstance(plain, ErrorCode | None)
    assert (plain.state, plain.protocol_type) == ("Empty", "")
    listed = await node.coordinator.list_all()
    assert not isinstance(listed, ErrorCode)
    assert [view.group_id for view in listed] == ["busy", "plain"]


async def test_a_group_that_does_not_run_is_described_from_its_record(node: Node, bucket: FakeBucket) -> None:
    await node.stable("g")
    node.ledger.leave()
    restarted = Node(bucket, 9001)
    view = (await restarted.coordinator.describe("g"))[0]
    assert not isinstance(view, ErrorCode | None)
    assert (view.state, view.members[0].assignment) == ("Stable", b"A")
    assert not restarted.ledger.proposals


async def test_each_node_lists_its_own_groups(pair: tuple[Node, Node]) -> None:
    listed: list[str] = []
    for each in pair:
        await each.stable(owned_by(each))
    for each in pair:
        views = await each.coordinator.list_all()
        assert not isinstance(views, ErrorCode)
        assert [view.group_id for view in views] == [owned_by(each)]
        listed += [view.group_id for view in views]
    assert len(set(listed)) == 2


async def test_an_empty_group_without_requests_leaves_memory_but_stays_on_record(
    autojump_clock: MockClock, node: Node
) -> None:
    await node.commit("g", 5)
    assert repr(node.coordinator) == "<Coordinator groups=1>"
    await trio.sleep(120)
    assert repr(node.coordinator) == "<Coordinator groups=0>"
    listed = await node.coordinator.list_all()
    assert not isinstance(listed, ErrorCode)
    assert [view.group_id for view in listed] == ["g"]


async def test_groups_without_members_and_offsets_are_deleted_in_the_end(
    autojump_clock: MockClock, node: Node, bucket: FakeBucket
) -> None:
    """Consumers that pass by leave a group each; one with offsets stays, one with members does."""
    for group_id in ("passed", "kept", "busy"):
        await node.stable(group_id)
    await node.commit("kept", 5, member_id="a", generation=1)
    for group_id in ("passed", "kept"):
        await node.leave(group_id, "a")
    bucket.time_ms = Runtime().now_ms() + 3_600_000
    bucket.commit(0, CreateTopic("later", TopicId(b"topic-later-0000"), 1, {}))
    for _ in range(200):
        assert await node.heartbeat("busy", "a", 1) is ErrorCode.NONE
        await trio.sleep(4)
    assert set(node.ledger.state.groups.names()) == {"kept", "busy"}
    assert (await node.join("passed", "b")).generation == 1


@pytest.fixture
def with_operator(node: Node, bucket: FakeBucket) -> Node:
    out = TopicId(b"topic-large-0000")
    positions = tuple((InputPosition(TOPIC, partition, offset),) for partition, offset in enumerate((3, 4)))
    topography = ApplyTopography(
        base_version=0,
        topics=(CreateTopic("large", out, 2, {}),),
        attach=(AttachTasks("large", 1, (TOPIC,), (out,), b"", positions),),
        detach=(),
        document=b"",
    )
    bucket.commit(0, topography)
    return node


async def test_an_operators_group_shows_its_progress(with_operator: Node, bucket: FakeBucket) -> None:
    node = with_operator
    committed = await node.coordinator.committed("higgins.op.large")
    assert not isinstance(committed, ErrorCode)
    assert {key[1]: entry.offset for key, entry in committed[0].items()} == {0: 3, 1: 4}
    view = (await node.coordinator.describe("higgins.op.large"))[0]
    assert not isinstance(view, ErrorCode | None)
    assert (view.state, view.protocol_type, view.members) == ("Empty", "higgins", ())
    assert node.ledger.session is not None
    bucket.commit(node.ledger.session.epoch, TakeLease("task/large/0"))
    running = (await node.coordinator.describe("higgins.op.large"))[0]
    assert not isinstance(running, ErrorCode | None)
    assert (running.state, [member.member_id for member in running.members]) == ("Stable", ["node-1"])


@pytest.mark.parametrize("group_id", ["higgins.op.large", "higgins.op.none"])
async def test_clients_can_neither_join_nor_commit_to_an_operators_group(with_operator: Node, group_id: str) -> None:
    assert (await with_operator.join(group_id, "a")).error is ErrorCode.POLICY_VIOLATION
    assert await with_operator.commit(group_id, 9) == (ErrorCode.POLICY_VIOLATION,)
