"""A coordinator over a faked ledger, with the requests that tests send it."""

from collections.abc import Awaitable, Coroutine
from typing import Any, TypeAlias, TypeVar

from higgins.groups.classic.requests import Heartbeat, Join, JoinResult, Leave, LeaveResult, LeavingMember, SyncResult
from higgins.groups.coordinator import Coordinator
from higgins.groups.machine import AuthoriseCommit
from higgins.groups.registry import PROTOCOLS, Protocols
from higgins.groups.requests import Answer
from higgins.groups.settings import GroupSettings
from higgins.ledger.state.offsets import OffsetToCommit
from higgins.model.names import TopicId
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode
from tests.groups.ledger import FakeBucket
from tests.groups.playbook import join, sync

T = TypeVar("T")
Codes: TypeAlias = tuple[ErrorCode, ...]
SETTINGS = GroupSettings(initial_rebalance_delay_ms=0, min_session_timeout_ms=1_000)
TOPIC = TopicId(b"topic-orders-000")


class Node:
    """A coordinator and its ledger."""

    def __init__(
        self,
        bucket: FakeBucket,
        port: int,
        settings: GroupSettings = SETTINGS,
        protocols: Protocols = PROTOCOLS,
    ) -> None:
        self.ledger = bucket.node(port)
        self.coordinator = Coordinator(Runtime(), self.ledger, settings, protocols)

    async def join(self, group_id: str, new_member_id: str = "", **fields: Any) -> JoinResult:
        return await answered(self.coordinator.request(group_id, self.join_request(new_member_id, **fields)))

    def join_request(self, new_member_id: str = "", **fields: Any) -> Join:
        return join(self.coordinator.new_token(), new_member_id, **fields)

    async def sync(self, group_id: str, member_id: str, generation: int, **fields: Any) -> SyncResult:
        request = sync(self.coordinator.new_token(), member_id, generation, **fields)
        return await answered(self.coordinator.request(group_id, request))

    async def heartbeat(self, group_id: str, member_id: str, generation: int) -> ErrorCode:
        return await answered(self.beat(group_id, member_id, generation))

    def beat(self, group_id: str, member_id: str, generation: int) -> Answer[ErrorCode]:
        request = Heartbeat(self.coordinator.new_token(), member_id, generation)
        return self.coordinator.request(group_id, request)

    async def leave(self, group_id: str, *member_ids: str) -> LeaveResult:
        leaving = tuple(LeavingMember(member_id) for member_id in member_ids)
        return await answered(self.coordinator.request(group_id, Leave(self.coordinator.new_token(), leaving)))

    async def commit(
        self, group_id: str, offset: int, *, member_id: str = "", generation: int = -1, metadata: str = ""
    ) -> Codes:
        request = AuthoriseCommit(self.coordinator.new_token(), member_id, generation)
        entries = (OffsetToCommit(TOPIC, 0, offset, 7, metadata),)
        return await codes_of(self.coordinator.commit(group_id, request, entries))

    async def stable(self, group_id: str) -> None:
        """One member `a`, assigned `A` in generation 1."""
        assert (await self.join(group_id, "a")).generation == 1
        assert (await self.sync(group_id, "a", 1, assignments={"a": b"A"})).assignment == b"A"


async def answered(answer: Answer[T]) -> T:
    """The answer, once it is there."""
    return await answer if isinstance(answer, Coroutine) else answer


async def codes_of(commit: Coroutine[Any, Any, Codes | Awaitable[Codes]]) -> Codes:
    """The error codes of an offset commit, once it is settled."""
    submitted = await commit
    return submitted if isinstance(submitted, tuple) else await submitted


def owned_by(node: Node) -> str:
    """A group id that a node owns."""
    assert node.ledger.session is not None
    return next(
        name for name in map("g{}".format, range(1000)) if node.coordinator.find(name) == node.ledger.session
    )
