"""Deleting groups and their offsets: by the coordinator alone, under its lease, and answered after the commit."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from higgins.ledger.committer import Outcome
from higgins.ledger.state.topics import CreateTopic
from higgins.model.errors import StorageUnavailable
from higgins_protocol.errors import ErrorCode
from tests.groups.ledger import FakeBucket
from tests.groups.node import TOPIC, Node, owned_by


@pytest.fixture
async def nodes(nursery: trio.Nursery) -> tuple[Node, Node]:
    """Two nodes over a bucket with the topic `orders` in it."""
    bucket = FakeBucket()
    bucket.commit(0, CreateTopic("orders", TOPIC, 2, {}))
    made = Node(bucket, 9001), Node(bucket, 9002)
    for node in made:
        await nursery.start(node.coordinator.run)
    return made


def offsets_of(node: Node, group_id: str) -> list[int]:
    return [entry.offset for _, _, entry in node.ledger.state.offsets.of_group(group_id)]


async def test_only_its_coordinator_deletes_a_group(nodes: tuple[Node, Node]) -> None:
    ours, other = nodes
    group_id = owned_by(ours)
    topic = ours.ledger.state.topics.by_id[TOPIC]
    assert await ours.commit(group_id, 5) == (ErrorCode.NONE,)
    assert await other.coordinator.delete(group_id) is ErrorCode.NOT_COORDINATOR
    assert await other.coordinator.delete_offsets(group_id, [(topic, 0)]) is ErrorCode.NOT_COORDINATOR
    assert offsets_of(ours, group_id) == [5]
    assert await ours.coordinator.delete(group_id) is ErrorCode.NONE
    assert offsets_of(ours, group_id) == []
    assert await ours.coordinator.delete(group_id) is ErrorCode.GROUP_ID_NOT_FOUND


async def test_a_deletion_is_answered_after_its_commit(nodes: tuple[Node, Node], nursery: trio.Nursery) -> None:
    ours, _ = nodes
    group_id = owned_by(ours)
    await ours.commit(group_id, 5)
    answers: list[ErrorCode] = []

    async def delete() -> None:
        answers.append(await ours.coordinator.delete(group_id))

    ours.ledger.holds = True
    nursery.start_soon(delete)
    await wait_all_tasks_blocked()
    assert answers == []
    ours.ledger.release()
    await wait_all_tasks_blocked()
    assert answers == [ErrorCode.NONE] and offsets_of(ours, group_id) == []


async def test_a_deletion_that_may_not_be_committed_is_answered_with_an_error(
    nodes: tuple[Node, Node], nursery: trio.Nursery
) -> None:
    ours, _ = nodes
    group_id = owned_by(ours)
    topic = ours.ledger.state.topics.by_id[TOPIC]
    await ours.commit(group_id, 5)
    answers: list[object] = []

    async def delete_offsets() -> None:
        answers.append(await ours.coordinator.delete_offsets(group_id, [(topic, 0)]))

    ours.ledger.holds = True
    nursery.start_soon(delete_offsets)
    await wait_all_tasks_blocked()
    ours.ledger.release(lambda _: Outcome(error=StorageUnavailable("lost")))
    await wait_all_tasks_blocked()
    assert answers == [ErrorCode.COORDINATOR_NOT_AVAILABLE] and offsets_of(ours, group_id) == [5]
    assert await ours.coordinator.delete_offsets(group_id, [(topic, 0), (topic, 1)]) == [ErrorCode.NONE] * 2
    assert offsets_of(ours, group_id) == []
