"""Commits of offsets on their way: each is waited for, no longer than a client does; a group's newest is known."""

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

import trio

from higgins.groups.seat import LedgerPort
from higgins.ledger.committer import Outcome
from higgins.ledger.state.base import Proposal
from higgins.model.errors import Refused, StorageUnavailable
from higgins_protocol.errors import ErrorCode


class Commits:
    """Those of all groups of a node."""

    def __init__(self, ledger: LedgerPort) -> None:
        self._ledger = ledger
        self._newest: dict[str, trio.Event] = {}

    def submit(self, group_id: str, proposal: Proposal[Any], timeout_ms: int) -> Coroutine[Any, Any, Outcome]:
        """Submit at once; what is returned waits. After the timeout it may still happen."""
        outcomes: list[Outcome] = []
        settled = self._newest[group_id] = trio.Event()

        def done(outcome: Outcome) -> None:
            outcomes.append(outcome)
            settled.set()
            if self._newest.get(group_id) is settled:
                del self._newest[group_id]

        async def wait() -> Outcome:
            with trio.move_on_after(timeout_ms / 1_000):
                await settled.wait()
            late = StorageUnavailable("The commit takes too long; try again.")
            return outcomes[0] if outcomes else Outcome(error=late)

        self._ledger.submit(proposal, done)
        return wait()

    def under_way(self, group_ids: Sequence[str]) -> list[trio.Event]:
        """What tells that all is settled that was submitted for these groups until now."""
        return [self._newest[group_id] for group_id in group_ids if group_id in self._newest]


async def codes_of(commit: Awaitable[Outcome], entries: int) -> tuple[ErrorCode, ...]:
    """A code for each entry of a commit."""
    outcome = await commit
    if outcome.error is not None:
        return (code_of(outcome),) * entries
    return tuple(ErrorCode(each) for each in outcome.result)


def code_of(outcome: Outcome) -> ErrorCode:
    """What a client is told of a commit that failed."""
    return outcome.error.code if isinstance(outcome.error, Refused) else ErrorCode.COORDINATOR_NOT_AVAILABLE
