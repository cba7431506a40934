"""A second group protocol arrives as one file and one line in the registry; the coordinator does the rest."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.groups.classic.machine import CLASSIC
from higgins.groups.registry import Protocols
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.topics import CreateTopic
from higgins_protocol.errors import ErrorCode
from tests.groups.ledger import FakeBucket
from tests.groups.node import SETTINGS, TOPIC, Node, answered
from tests.groups.presence import PRESENCE, SILENT_MS_MAX, Enter, PresenceRecord, Present
from tests.tidy.imports import imports

PROTOCOLS = Protocols(
    CLASSIC,
    PRESENCE,
)


@pytest.fixture
def bucket() -> FakeBucket:
    made = FakeBucket()
    made.commit(0, CreateTopic("orders", TOPIC, 2, {}))
    return made


@pytest.fixture
async def node(bucket: FakeBucket, nursery: trio.Nursery) -> Node:
    made = Node(bucket, 9001, SETTINGS, PROTOCOLS)
    await nursery.start(made.coordinator.run)
    return made


async def enter(node: Node, member_id: str, topic: str = "orders", group_id: str = "g") -> Present:
    request = Enter(node.coordinator.new_token(), member_id, topic)
    return await answered(node.coordinator.request(group_id, request))


async def group_type(node: Node, group_id: str) -> str:
    view = (await node.coordinator.describe(group_id))[0]
    assert view is not None and not isinstance(view, ErrorCode)
    return view.group_type


async def test_every_join_commits_one_member_record_and_the_group_only_once(node: Node, bucket: FakeBucket) -> None:
    assert (await enter(node, "a")).members == ("a",)
    assert (await enter(node, "b")).members == ("a", "b")
    assert (await enter(node, "a")).members == ("a", "b"), "nothing changes, so nothing is committed"
    lease, first, second = node.ledger.proposals
    assert isinstance(lease, TakeLease)
    assert isinstance(first, SaveGroup) and isinstance(second, SaveGroup)
    assert isinstance(first.record, PresenceRecord) and first.record.changed_ms > 0
    assert [member_id for member_id, _ in first.members_saved] == ["a"]
    assert second.record is None
    assert [member_id for member_id, _ in second.members_saved] == ["b"]
    assert set(bucket.state.groups.members("g")) == {"a", "b"}


async def test_a_member_is_committed_before_it_is_answered(node: Node, nursery: trio.Nursery) -> None:
    await enter(node, "a")
    node.ledger.holds = True
    answers: list[Present] = []

    async def enter_b() -> None:
        answers.append(await enter(node, "b"))

    nursery.start_soon(enter_b)
    await wait_all_tasks_blocked()
    assert not answers
    node.ledger.release()
    await wait_all_tasks_blocked()
    assert answers == [Present(members=("a", "b"))]


async def test_another_node_restores_the_group_from_its_member_records(node: Node, bucket: FakeBucket) -> None:
    await enter(node, "a")
    await enter(node, "b")
    node.ledger.leave()
    other = Node(bucket, 9002, SETTINGS, PROTOCOLS)
    view = (await other.coordinator.describe("g"))[0]
    assert view is not None and not isinstance(view, ErrorCode)
    assert [member.member_id for member in view.members] == ["a", "b"], "seen before the group runs there"
    assert (await enter(other, "c")).members == ("a", "b", "c")


async def test_silent_members_expire_one_by_one(autojump_clock: MockClock, node: Node, bucket: FakeBucket) -> None:
    await enter(node, "a")
    await trio.sleep(SILENT_MS_MAX / 2_000)
    await enter(node, "b")
    await trio.sleep(SILENT_MS_MAX / 2_000 + 0.1)
    assert set(bucket.state.groups.members("g")) == {"b"}
    assert (await enter(node, "b")).members == ("b",)


async def test_both_protocols_run_side_by_side(node: Node) -> None:
    await node.stable("classic")
    await enter(node, "a")
    listed = await node.coordinator.list_all()
    assert not isinstance(listed, ErrorCode)
    assert [(view.group_id, view.group_type, view.state) for view in listed] == [
        ("classic", "classic", "Stable"),
        ("g", "presence", "Stable"),
    ]
    assert [PROTOCOLS.count_members(node.ledger.state, group_id) for group_id in ("classic", "g", "none")] == [1, 1, 0]


async def test_a_group_with_members_refuses_requests_of_another_protocol(node: Node) -> None:
    await node.stable("classic")
    await enter(node, "a")
    assert (await enter(node, "a", group_id="classic")).error is ErrorCode.GROUP_ID_NOT_FOUND
    assert (await node.join("g", "b")).error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert await node.heartbeat("g", "a", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert await node.heartbeat("classic", "a", 1) is ErrorCode.NONE
    assert (await enter(node, "a")).members == ("a",)


async def test_a_group_without_members_takes_the_protocol_of_the_next_member(node: Node, bucket: FakeBucket) -> None:
    await node.stable("g")
    assert await node.commit("g", 7, member_id="a", generation=1) == (ErrorCode.NONE,)
    await node.leave("g", "a")
    assert await group_type(node, "g") == "classic"
    assert (await enter(node, "b")).members == ("b",)
    assert await group_type(node, "g") == "presence"
    committed = await node.coordinator.committed("g")
    assert not isinstance(committed, ErrorCode)
    assert committed[0][TOPIC, 0].offset == 7, "committed offsets stay"
    node.ledger.leave()
    other = Node(bucket, 9002, SETTINGS, PROTOCOLS)
    assert (await enter(other, "c")).members == ("b", "c"), "and so it is restored"


async def test_common_requests_reach_any_protocol(node: Node, bucket: FakeBucket, autojump_clock: MockClock) -> None:
    topic = bucket.state.topics.by_id[TOPIC]
    await enter(node, "a")
    assert await node.commit("g", 5, member_id="a", generation=1) == (ErrorCode.NONE,)
    assert await node.commit("g", 6, member_id="stranger", generation=1) == (ErrorCode.UNKNOWN_MEMBER_ID,)
    assert await node.coordinator.delete_offsets("g", [(topic, 0)]) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]
    assert await node.coordinator.delete("g") is ErrorCode.NON_EMPTY_GROUP
    await trio.sleep(SILENT_MS_MAX / 1_000 + 0.1)
    assert await node.coordinator.delete_offsets("g", [(topic, 0)]) == [ErrorCode.NONE]
    assert await node.coordinator.delete("g") is ErrorCode.NONE
    assert bucket.state.groups.get("g") is None and not bucket.state.groups.members("g")
    assert (await enter(node, "b")).members == ("b",)


async def test_a_protocol_without_a_line_in_the_registry_is_refused(bucket: FakeBucket) -> None:
    node = Node(bucket, 9001)
    await node.commit("g", 5)
    assert (await enter(node, "a")).error is ErrorCode.GROUP_ID_NOT_FOUND


def test_only_the_registry_knows_the_classic_protocol() -> None:
    importers = {
        one.importer
        for one in imports()
        if one.module.startswith("higgins.groups.classic") and not one.importer.startswith("higgins.groups.classic")
    }
    below_the_handlers = {importer for importer in importers if not importer.startswith("higgins.kafka.groups.")}
    assert below_the_handlers == {"higgins.groups.registry"}
