"""Gives the proposals of this node their identities and hands them to the committer.

A node that commits through another one will send the same identities and bytes over its peer connection instead; that
is the only thing that changes.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from higgins.ledger.activity import Activity
from higgins.ledger.committer import Committer, Done, Outcome, Submission
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.facets import encode_proposal
from higgins.ledger.state.identities import Identity
from higgins.ledger.state.sessions import Session
from higgins.model.future import Future
from higgins.model.pointer import Buffer

R = TypeVar("R")


class Proposer:
    """Proposals of one node, under its session."""

    def __init__(self, committer: Committer, activity: Activity) -> None:
        self._committer = committer
        self._activity = activity
        self._session: Session | None = None
        self._next_counter = 1

    @property
    def session(self) -> Session | None:
        """The session under which this node proposes; None before it has joined and after it was fenced."""
        return self._session

    @session.setter
    def session(self, session: Session | None) -> None:
        self._session = session
        self._committer.epoch = self._activity.own_epoch = 0 if session is None else session.epoch

    def submit_all(self, proposals: Sequence[tuple[Proposal[Any], Done, tuple[Buffer, ...]]]) -> None:
        """Propose several changes, each with its own outcome, to go into one commit where they fit."""
        epoch = 0 if self._session is None else self._session.epoch
        counter = self._next_counter
        self._next_counter += len(proposals)
        self._committer.propose_all(
            [
                Submission(Identity(epoch, number), encode_proposal(proposal), done, payload)
                for number, (proposal, done, payload) in enumerate(proposals, counter)
            ]
        )

    async def propose(self, proposal: Proposal[R]) -> R:
        """Commit a proposal and return its result.

        Raises: Refused (at the tip), Fenced, StorageUnavailable (too much is waiting). If the caller is cancelled, the
        outcome is unknown, not undone.
        """
        future: Future[Outcome] = Future()
        self.submit_all([(proposal, future.set_result, ())])
        outcome = await future.wait()
        if outcome.error is not None:
            raise outcome.error
        result: R = outcome.result
        return result

    async def propose_all(self, proposals: Sequence[Proposal[Any]]) -> list[Outcome]:
        """Propose several changes, each by itself, and wait for all outcomes; mostly one commit."""
        futures: list[Future[Outcome]] = [Future() for _ in proposals]
        self.submit_all(
            [(proposal, future.set_result, ()) for proposal, future in zip(proposals, futures, strict=True)]
        )
        return [await future.wait() for future in futures]
