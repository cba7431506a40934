"""From a client's request to the group's machine and back.

A request goes straight to the machine while this node knows that it coordinates the group. Otherwise the node first
makes sure that it knows the newest commit, takes the group's lease if it should have it, or refuses.
"""

from collections.abc import Awaitable, Coroutine, Sequence
from itertools import count
from typing import Any, TypeAlias, TypeVar

from higgins.groups.driver import GroupDriver
from higgins.groups.leases import Leases
from higgins.groups.ledger_access import commit_offsets, delete_offsets
from higgins.groups.machine import AuthoriseCommit, DeleteGroup, RequestEvent
from higgins.groups.operator_groups import operator_of
from higgins.groups.pending_commits import PendingCommits, error_code, error_codes
from higgins.groups.timers import monotonic_ms
from higgins.ledger.state.offsets import OffsetToCommit
from higgins.ledger.state.topics import Topic
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

T = TypeVar("T")
R = TypeVar("R")
Answer: TypeAlias = T | Coroutine[Any, Any, T]
"""The answer itself or, when it is not known yet, a coroutine that waits for it."""


class Requests:
    """What clients ask of the groups of this node."""

    def __init__(self, runtime: Runtime, leases: Leases, commits: PendingCommits) -> None:
        self._runtime = runtime
        self._leases = leases
        self._commits = commits
        self._tokens = count(1)

    def new_token(self) -> int:
        """A token for the next request."""
        return next(self._tokens)

    def submit(self, group_id: str, request: RequestEvent[R]) -> Answer[R]:
        """Pass a request to the group's machine. The answer is held back until what it says is committed.

        Heartbeats come through here, one per member and few seconds. Answered at once, they cost no task.
        """
        error = self._id_error(group_id)
        if error is not None:
            return request.refusal(error)
        driver = self._leases.current(group_id)
        if driver is None or not driver.protocol.accepts(request):
            return self._submit_at_tip(group_id, request)
        if self._has_no_room(request):
            return request.refusal(request.too_large_error)
        answer = driver.request(request, monotonic_ms(self._runtime))
        return answer.result() if answer.is_done else answer.wait()

    async def _submit_at_tip(self, group_id: str, request: RequestEvent[R]) -> R:
        driver = await self._leases.obtain(group_id, opened_by=_opener(request))
        if isinstance(driver, ErrorCode):
            return request.refusal(driver)
        if not driver.protocol.accepts(request) and not self._leases.change_protocol(driver, request):
            return request.refusal(request.wrong_protocol_error)
        if self._has_no_room(request):
            return request.refusal(request.too_large_error)
        return await driver.request(request, monotonic_ms(self._runtime)).wait()

    def _has_no_room(self, request: RequestEvent[Any]) -> bool:
        more = request.member_bytes
        return more > 0 and self._leases.member_bytes + more > self._leases.settings.member_bytes_max

    async def commit(
        self, group_id: str, request: AuthoriseCommit, entries: tuple[OffsetToCommit, ...]
    ) -> tuple[ErrorCode, ...] | Awaitable[tuple[ErrorCode, ...]]:
        """Commit offsets if the member may: an error code for each entry, or an awaitable for them.

        The offsets are handed to the ledger before this returns, so that later commits cannot overtake them.
        """
        error = self._id_error(group_id, may_be_empty=True)
        if error is not None:
            return (error,) * len(entries)
        driver = self._leases.current(group_id) or await self._leases.obtain(group_id, opened_by=_opener(request))
        if isinstance(driver, ErrorCode):
            is_member_of_nothing = driver is ErrorCode.UNKNOWN_MEMBER_ID and not request.creates_group
            return (ErrorCode.GROUP_ID_NOT_FOUND if is_member_of_nothing else driver,) * len(entries)
        code = await driver.request(request, monotonic_ms(self._runtime)).wait()
        if code is not ErrorCode.NONE or not entries:
            return (code,) * len(entries)
        driver.is_known = True
        proposal = commit_offsets(group_id, driver.lease, entries)
        commit = self._commits.submit(group_id, proposal, self._leases.settings.commit_timeout_ms)
        return error_codes(commit, len(entries))

    async def delete(self, group_id: str) -> ErrorCode:
        """Delete a group that has no members, with all its committed offsets."""
        driver = await self._existing(group_id, may_be_empty=True)
        if isinstance(driver, ErrorCode):
            return driver
        request = DeleteGroup(self.new_token(), with_offsets=True)
        return await driver.request(request, monotonic_ms(self._runtime)).wait()

    async def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[Topic, int]]
    ) -> list[ErrorCode] | ErrorCode:
        """Delete committed offsets of topics that no member subscribes to: an error code for each, or one for all."""
        driver = await self._existing(group_id)
        if isinstance(driver, ErrorCode):
            return driver
        error = driver.machine.offset_deletion_error
        if error is not None:
            return error
        subscribed = driver.machine.subscribed_topics()
        is_deletable = [subscribed is not None and topic.name not in subscribed for topic, _ in partitions]
        keys = tuple(
            (topic.id, index) for (topic, index), deletable in zip(partitions, is_deletable, strict=True) if deletable
        )
        if keys:
            proposal = delete_offsets(group_id, driver.lease, keys)
            outcome = await self._commits.submit(group_id, proposal, self._leases.settings.commit_timeout_ms)
            if outcome.error is not None:
                return error_code(outcome)
        return [ErrorCode.NONE if deletable else ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC for deletable in is_deletable]

    async def _existing(self, group_id: str, *, may_be_empty: bool = False) -> GroupDriver | ErrorCode:
        """The driver of a group that exists, as of the newest commit."""
        error = self._id_error(group_id, may_be_empty=may_be_empty)
        driver = error or await self._leases.obtain(group_id)
        # A driver alone makes no group: it may only have refused a member, or authorised a commit of no offsets.
        is_missing = isinstance(driver, GroupDriver) and not self._leases.exists(group_id)
        if is_missing or driver is ErrorCode.UNKNOWN_MEMBER_ID:
            return ErrorCode.GROUP_ID_NOT_FOUND
        if isinstance(driver, GroupDriver):
            driver.is_known = True
        return driver

    def _id_error(self, group_id: str, *, may_be_empty: bool = False) -> ErrorCode | None:
        """Why no client may use this group id, or None."""
        if (not group_id and not may_be_empty) or len(group_id) > self._leases.settings.group_id_characters_max:
            return ErrorCode.INVALID_GROUP_ID
        return None if operator_of(group_id) is None else ErrorCode.POLICY_VIOLATION


def _opener(request: RequestEvent[Any]) -> type[RequestEvent[Any]] | None:
    return type(request) if request.creates_group else None
