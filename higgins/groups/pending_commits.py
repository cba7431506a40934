"""Offset commits and deletions that are in flight. OffsetFetch waits for the newest of its group."""

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

import trio

from higgins.groups.ledger_access import LedgerPort
from higgins.ledger.committer import Outcome
from higgins.ledger.state.base import Proposal
from higgins.model.errors import Refused, StorageUnavailable
from higgins.model.future import Future
from higgins_protocol.errors import ErrorCode


class PendingCommits:
    """Those of all groups of a node."""

    def __init__(self, ledger: LedgerPort) -> None:
        self._ledger = ledger
        self._newest: dict[str, Future[Outcome]] = {}

    def submit(self, group_id: str, proposal: Proposal[Any], timeout_ms: int) -> Coroutine[Any, Any, Outcome]:
        """Submit at once. The coroutine waits for the outcome; after the timeout the commit may still happen."""
        pending: Future[Outcome] = Future()
        self._newest[group_id] = pending

        def done(outcome: Outcome) -> None:
            # A newer commit may have taken its place.
            if self._newest.get(group_id) is pending:
                del self._newest[group_id]
            pending.set_result(outcome)

        async def wait() -> Outcome:
            with trio.move_on_after(timeout_ms / 1_000):
                return await pending.wait()
            return Outcome(error=StorageUnavailable("The commit takes too long; try again."))

        self._ledger.submit(proposal, done)
        return wait()

    def of_groups(self, group_ids: Sequence[str]) -> list[Future[Outcome]]:
        """Futures that are done once everything is settled that was submitted for these groups until now."""
        return [self._newest[group_id] for group_id in group_ids if group_id in self._newest]


async def error_codes(commit: Awaitable[Outcome], entries: int) -> tuple[ErrorCode, ...]:
    """The error code of each entry of an offset commit."""
    outcome = await commit
    if outcome.error is not None:
        return (error_code(outcome),) * entries
    return tuple(ErrorCode(code) for code in outcome.result)


def error_code(outcome: Outcome) -> ErrorCode:
    """The error code of a commit that failed."""
    return outcome.error.code if isinstance(outcome.error, Refused) else ErrorCode.COORDINATOR_NOT_AVAILABLE
