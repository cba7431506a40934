"""What the APIs that members of groups use have in common."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from higgins.groups.requests import Answer
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.messages.heartbeat import HeartbeatRequest
from higgins_protocol.messages.join_group import JoinGroupRequest
from higgins_protocol.messages.leave_group import LeaveGroupRequest
from higgins_protocol.messages.offset_commit import OffsetCommitRequest
from higgins_protocol.messages.sync_group import SyncGroupRequest

T = TypeVar("T")
R = TypeVar("R")

# A JoinGroup waits for the other members and a SyncGroup for the leader, up to minutes. Members rely on being heard
# meanwhile: a consumer sends heartbeats and commits its offsets while its join waits, it may leave, and the members of
# one process may share a connection. The group's machine takes all their requests in the order in which they begin.
MEMBER_REQUESTS = (HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest)


def then(call: Call, answer: Answer[T], respond: Callable[[T], R]) -> Future[R]:
    """A future of the response to a coordinator's answer; it costs a task only when the answer has to wait."""
    if isinstance(answer, Coroutine):
        return call.spawn(_later, answer, respond)
    return completed(respond(answer))


async def _later(answer: Coroutine[Any, Any, T], respond: Callable[[T], R]) -> R:
    return respond(await answer)
