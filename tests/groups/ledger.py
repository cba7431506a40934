"""The ledger's port, faked: one State for all nodes, with the ledger's own validation and fold.

Commits happen at once, unless they are held; a node cut off from the store commits nothing and learns nothing new.
"""

from collections.abc import Callable
from typing import Any

from higgins.ledger.committer import Done, Outcome
from higgins.ledger.state.base import Proposal, Result
from higgins.ledger.state.sessions import Endpoint, JoinSession, LeaveSession, Session
from higgins.ledger.state.state import State
from higgins.model.errors import Fenced, Refused, StorageUnavailable


class FakeBucket:
    """What all nodes share."""

    def __init__(self) -> None:
        self.state = State()
        self.time_ms = 0

    def commit(self, epoch: int, proposal: Proposal[Any]) -> Result:
        """Raises: Refused."""
        draft = self.state.draft(self.time_ms)
        result = draft.validate(proposal, epoch)
        if draft.facts:
            self.state.fold(draft.moment, epoch, (), draft.facts, 0)
        return result

    def node(self, port: int) -> "FakeLedger":
        endpoints = (Endpoint("main", "localhost", port),)
        epoch = self.commit(0, JoinSession(None, endpoints, 10_000))
        return FakeLedger(self, self.state.sessions.live[epoch])


class FakeLedger:
    """One node's ledger."""

    def __init__(self, bucket: FakeBucket, session: Session) -> None:
        self._bucket = bucket
        self.session: Session | None = session
        self.alone = False
        self.is_cut_off = False
        self.holds = False
        self.held: list[tuple[Proposal[Any], Done]] = []
        self.proposals: list[Proposal[Any]] = []

    @property
    def state(self) -> State:
        return self._bucket.state

    @property
    def stand_in(self) -> Session | None:
        """None: this node has its session, or had one."""
        return None

    def in_touch(self) -> bool:
        return not self.is_cut_off

    async def barrier(self) -> None:
        if self.is_cut_off:
            raise StorageUnavailable("cut off")

    def submit(self, proposal: Proposal[Any], done: Done) -> None:
        if self.holds or self.is_cut_off:
            self.held.append((proposal, done))
        else:
            self._commit(proposal, done)

    def release(self, make_outcome: Callable[[Proposal[Any]], Outcome] | None = None) -> None:
        """Let what was held happen, or not happen."""
        self.holds = self.is_cut_off = False
        held, self.held = self.held, []
        for proposal, done in held:
            if make_outcome is None:
                self._commit(proposal, done)
            else:
                done(make_outcome(proposal))

    def leave(self) -> None:
        """The session ends, as all must know."""
        assert self.session is not None
        self._bucket.commit(self.session.epoch, LeaveSession())
        self.session = None

    def _commit(self, proposal: Proposal[Any], done: Done) -> None:
        if self.session is None or self.session.epoch not in self.state.sessions.live:
            done(Outcome(error=Fenced("no session")))
            return
        self.proposals.append(proposal)
        try:
            done(Outcome(self._bucket.commit(self.session.epoch, proposal)))
        except Refused as refusal:
            done(Outcome(error=refusal))
