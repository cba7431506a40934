"""The limits of a coordinator: groups in memory, idle times, commits in flight, and what happens in which order."""

from collections.abc import AsyncIterator

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.groups.settings import GroupSettings
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import CommitOffsets
from higgins.ledger.state.sessions import FenceSession, TakeLease
from higgins.ledger.state.topics import CreateTopic
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.groups.ledger import FakeBucket
from tests.groups.node import SETTINGS, TOPIC, Node

OTHER = TopicId(b"topic-others-000")
SUBSCRIBED = bytes.fromhex("0000 00000001 0006") + b"orders" + bytes.fromhex("ffffffff")
"""A consumer's subscription to the topic `orders`."""


@pytest.fixture
def bucket() -> FakeBucket:
    made = FakeBucket()
    made.commit(0, CreateTopic("orders", TOPIC, 2, {}))
    made.commit(0, CreateTopic("others", OTHER, 1, {}))
    return made


@pytest.fixture
async def nodes(bucket: FakeBucket, nursery: trio.Nursery) -> AsyncIterator["Nodes"]:
    yield Nodes(bucket, nursery)


class Nodes:
    """Makes a node with settings of its own."""

    def __init__(self, bucket: FakeBucket, nursery: trio.Nursery) -> None:
        self._bucket = bucket
        self._nursery = nursery

    async def start(self, **settings: int) -> Node:
        made = Node(self._bucket, 9001, msgspec.structs.replace(SETTINGS, **settings))
        await self._nursery.start(made.coordinator.run)
        return made


def running(node: Node) -> int:
    """How many groups are in the memory of a node."""
    return int(repr(node.coordinator).partition("groups=")[2].rstrip(">"))


async def test_as_many_groups_run_as_the_limit_says(autojump_clock: MockClock, nodes: Nodes) -> None:
    node = await nodes.start(groups_max=2)
    for name, error in (("a", ErrorCode.NONE), ("b", ErrorCode.NONE), ("c", ErrorCode.COORDINATOR_NOT_AVAILABLE)):
        assert (await node.join(name, "m")).error is error
    assert running(node) == 2
    assert (await node.sync("b", "m", 1)).error is ErrorCode.NONE
    # Those that run go on, and the place of one that ended is free.
    assert await node.heartbeat("a", "m", 1) is ErrorCode.NONE
    assert (await node.leave("a", "m")).members == (ErrorCode.NONE,)
    for _ in range(20):
        await trio.sleep(5)
        assert await node.heartbeat("b", "m", 1) is ErrorCode.NONE
    assert (await node.join("c", "m")).error is ErrorCode.NONE


async def test_many_requests_for_one_group_take_one_lease(nodes: Nodes, nursery: trio.Nursery) -> None:
    node = await nodes.start(initial_rebalance_delay_ms=0)
    node.ledger.holds = True
    answers: list[object] = []

    async def beat() -> None:
        answers.append((await node.join("g", f"m{len(answers)}", requires_member_id=True)).error)

    for _ in range(5):
        nursery.start_soon(beat)
    await wait_all_tasks_blocked()
    assert answers == []
    node.ledger.release()
    await wait_all_tasks_blocked()
    assert answers == [ErrorCode.MEMBER_ID_REQUIRED] * 5
    assert [type(proposal) for proposal in node.ledger.proposals] == [TakeLease]


async def test_a_group_leaves_memory_a_minute_after_its_last_request(autojump_clock: MockClock, nodes: Nodes) -> None:
    node = await nodes.start(idle_group_ms=60_000)
    await node.commit("g", 1)
    await trio.sleep(50)
    await node.commit("g", 2)
    await trio.sleep(58)
    assert running(node) == 1
    await trio.sleep(5)
    assert running(node) == 0
    # A group with a member stays, however quiet its clients are for a while.
    assert (await node.join("h", "a", session_timeout_ms=300_000)).error is ErrorCode.NONE
    assert (await node.sync("h", "a", 1)).error is ErrorCode.NONE
    await trio.sleep(200)
    assert running(node) == 1


async def test_committed_offsets_are_read_after_the_commits_before_them(nodes: Nodes, nursery: trio.Nursery) -> None:
    node = await nodes.start()
    await node.commit("g", 1)
    node.ledger.holds = True
    read: list[int] = []

    async def fetch() -> None:
        offsets = await node.coordinator.committed("g")
        assert not isinstance(offsets, ErrorCode)
        read.append(offsets[0][TOPIC, 0].offset)

    for offset in (2, 3, 4):
        nursery.start_soon(node.commit, "g", offset)
        await wait_all_tasks_blocked()
    nursery.start_soon(fetch)
    await wait_all_tasks_blocked()
    assert read == []
    # The first two are done; the newest counts.
    held, node.ledger.held = node.ledger.held, []
    node.ledger.holds = False
    for proposal, done in held[:2]:
        node.ledger.submit(proposal, done)
    nursery.start_soon(fetch)
    await wait_all_tasks_blocked()
    assert read == []
    node.ledger.submit(*held[2])
    await wait_all_tasks_blocked()
    assert read == [4, 4]
    # Nothing is in flight any more, so nothing is waited for.
    with trio.fail_after(5):
        await fetch()


async def test_a_commit_that_hangs_is_answered_for_every_partition(autojump_clock: MockClock, nodes: Nodes) -> None:
    node = await nodes.start(commit_timeout_ms=3_000)
    await node.commit("g", 1)
    node.ledger.holds = True
    begun = trio.current_time()
    assert await node.commit("g", 2) == (ErrorCode.COORDINATOR_NOT_AVAILABLE,)
    assert trio.current_time() - begun == pytest.approx(3)
    assert await node.coordinator.committed("g") is ErrorCode.COORDINATOR_NOT_AVAILABLE
    node.ledger.release()
    offsets = await node.coordinator.committed("g", "nobody")
    assert not isinstance(offsets, ErrorCode)
    assert [len(each) for each in offsets] == [1, 0] and offsets[0][TOPIC, 0].offset == 2


async def test_group_ids_up_to_the_limit_are_accepted(nodes: Nodes) -> None:
    node = await nodes.start(group_id_characters_max=10)
    assert (await node.join("x" * 10, "a")).error is ErrorCode.NONE
    assert (await node.join("x" * 11, "a")).error is ErrorCode.INVALID_GROUP_ID
    assert await node.commit("y" * 10, 1) == (ErrorCode.NONE,)
    assert await node.commit("y" * 11, 1) == (ErrorCode.INVALID_GROUP_ID,)
    assert not isinstance(await node.coordinator.committed("y" * 10), ErrorCode)
    assert await node.coordinator.committed("a", "y" * 11) is ErrorCode.INVALID_GROUP_ID
    assert await node.coordinator.delete("y" * 11) is ErrorCode.INVALID_GROUP_ID


async def test_groups_that_move_away_with_deadlines_leave_nothing_behind(
    autojump_clock: MockClock, nodes: Nodes, bucket: FakeBucket
) -> None:
    node = await nodes.start()
    names = [f"g{i}" for i in range(12)]
    for name in names:
        await node.stable(name)
    other = Node(bucket, 9002)
    assert running(node) == len(names)
    # The node is taken for dead and joins again; its groups have moved with all their members' deadlines.
    old, other_session = node.ledger.session, other.ledger.session
    assert old is not None and other_session is not None
    bucket.commit(other_session.epoch, FenceSession(old.epoch, bucket.state.sessions.signs[old.epoch]))
    for name in names:
        assert await other.heartbeat(name, "a", 1) is ErrorCode.NONE
    node.ledger.session = bucket.node(9001).session
    for _ in range(15):
        await trio.sleep(4)
        for name in names:
            assert await other.heartbeat(name, "a", 1) is ErrorCode.NONE
    assert running(node) == 0
    for name in names:
        assert await node.heartbeat(name, "a", 1) is ErrorCode.NOT_COORDINATOR


async def test_by_default_the_limits_are_those_of_kafka(nodes: Nodes) -> None:
    node = await nodes.start()
    assert (await node.join("x" * 1_024, "a")).error is ErrorCode.NONE
    assert (await node.join("x" * 1_025, "a")).error is ErrorCode.INVALID_GROUP_ID
    for timeout_ms, error in ((1_800_000, ErrorCode.NONE), (1_800_001, ErrorCode.INVALID_SESSION_TIMEOUT)):
        assert (await node.join(f"g{timeout_ms}", "a", session_timeout_ms=timeout_ms)).error is error
    defaults = GroupSettings()
    assert (defaults.min_session_timeout_ms, defaults.initial_rebalance_delay_ms) == (6_000, 3_000)
    assert (defaults.offset_metadata_characters_max, defaults.new_member_timeout_ms) == (4_096, 300_000)


async def test_offsets_of_topics_that_members_read_are_not_deleted(nodes: Nodes) -> None:
    node = await nodes.start()
    topics = node.ledger.state.topics.by_id
    keys = [(topics[TOPIC], 0), (topics[OTHER], 0), (topics[TOPIC], 1)]
    joined = await node.join("g", "a", protocols=[("range", SUBSCRIBED)])
    assert joined.error is ErrorCode.NONE
    assert await node.commit("g", 7, member_id="a", generation=1) == (ErrorCode.REBALANCE_IN_PROGRESS,)
    await node.sync("g", "a", 1)
    assert await node.commit("g", 7, member_id="a", generation=1) == (ErrorCode.NONE,)
    subscribed = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    assert await node.coordinator.delete_offsets("g", keys) == [subscribed, ErrorCode.NONE, subscribed]
    assert [entry.offset for _, _, entry in node.ledger.state.offsets.of_group("g")] == [7]
    # What a member reads that does not say so is unknown: it may be any topic.
    await node.join("h", "a", protocols=[("range", b"unreadable")])
    assert await node.coordinator.delete_offsets("h", keys) == [subscribed] * 3
    await node.join("i", "a", protocol_type="connect")
    assert await node.coordinator.delete_offsets("i", keys) is ErrorCode.NON_EMPTY_GROUP
    await node.leave("g", "a")
    assert await node.coordinator.delete_offsets("g", keys) == [ErrorCode.NONE] * 3
    assert list(node.ledger.state.offsets.of_group("g")) == []


async def test_no_reply_overtakes_the_commit_of_a_generation(nodes: Nodes, nursery: trio.Nursery) -> None:
    node = await nodes.start()
    await node.stable("g")
    node.ledger.holds = True
    answers: list[str] = []

    async def join() -> None:
        answers.append(f"join {(await node.join('g', member_id='a')).generation}")

    async def beat(name: str, generation: int) -> None:
        answers.append(f"{name} {(await node.heartbeat('g', 'a', generation)).name}")

    nursery.start_soon(join)
    await wait_all_tasks_blocked()
    # The generation 2 is being saved: nobody learns of it, not even by an error.
    nursery.start_soon(beat, "old", 1)
    await wait_all_tasks_blocked()
    nursery.start_soon(beat, "new", 2)
    await wait_all_tasks_blocked()
    assert answers == []
    node.ledger.release()
    await wait_all_tasks_blocked()
    assert sorted(answers) == ["join 2", "new NONE", "old ILLEGAL_GENERATION"]


async def test_groups_are_listed_by_name_and_those_that_form_are_among_them(
    autojump_clock: MockClock, nodes: Nodes, nursery: trio.Nursery
) -> None:
    node = await nodes.start(initial_rebalance_delay_ms=3_000)
    for name in ("delta", "alpha", "charlie"):
        await node.commit(name, 1)
    nursery.start_soon(node.join, "bravo", "a")
    await wait_all_tasks_blocked()
    listed = await node.coordinator.list_all()
    assert not isinstance(listed, ErrorCode)
    assert [(view.group_id, view.state) for view in listed] == [
        ("alpha", "Empty"), ("bravo", "PreparingRebalance"), ("charlie", "Empty"), ("delta", "Empty"),
    ]  # fmt: skip
    assert [type(proposal) for proposal in node.ledger.proposals if not isinstance(proposal, TakeLease)] == [
        CommitOffsets
    ] * 3
    await trio.sleep(4)
    assert isinstance(node.ledger.proposals[-1], SaveGroup)


async def test_an_empty_group_is_deleted_once_it_is_old_and_not_before(
    autojump_clock: MockClock, nodes: Nodes, bucket: FakeBucket
) -> None:
    node = await nodes.start(empty_group_retention_ms=100_000)
    await node.stable("g")
    await node.leave("g", "a")
    changed_ms = node.ledger.state.groups.get("g").changed_ms  # type: ignore[union-attr]
    for age_ms, names in ((99_999, ["g"]), (100_000, [])):
        bucket.time_ms = changed_ms + age_ms
        bucket.commit(0, CreateTopic(f"later{age_ms}", TopicId(age_ms.to_bytes(16, "big")), 1, {}))
        await trio.sleep(110)
        assert list(node.ledger.state.groups.names()) == names


async def test_settings_that_change_count_for_groups_that_run(nodes: Nodes) -> None:
    node = await nodes.start(group_members_max=1)
    assert (await node.join("g", "a")).error is ErrorCode.NONE
    assert (await node.join("g", "b")).error is ErrorCode.GROUP_MAX_SIZE_REACHED
    node.coordinator.configure(GroupSettings(initial_rebalance_delay_ms=0, min_session_timeout_ms=20_000))
    assert (await node.join("g", "b")).error is ErrorCode.INVALID_SESSION_TIMEOUT
    assert node.coordinator.settings.group_members_max == 10_000
