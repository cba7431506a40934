"""Proposals of a use case: all in one commit where possible, and what became of each."""

from collections.abc import Sequence
from typing import Any

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.base import Proposal
from higgins.model.errors import Fenced, HigginsError, Refused
from higgins_protocol.errors import ErrorCode


async def propose_all(ledger: Ledger, proposals: Sequence[Proposal[Any]]) -> list[Any]:
    """The result of each proposal, in order, or a Refused."""
    outcomes = await ledger.propose_all(proposals) if proposals else []
    return [outcome.result if outcome.error is None else refusal_of(outcome.error) for outcome in outcomes]


def refusal_of(error: HigginsError) -> Refused:
    """The code and message for a client: a fenced node sends clients to another one, a failed store to a retry."""
    if isinstance(error, Refused):
        return error
    code = ErrorCode.NOT_LEADER_OR_FOLLOWER if isinstance(error, Fenced) else ErrorCode.KAFKA_STORAGE_ERROR
    return Refused(code, str(error))
