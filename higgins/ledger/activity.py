"""What the other nodes have committed lately, on this node's own clock: signs of life, and work.

A commit of nothing but a signal of liveness is a sign of life and no work: a node that makes one every other second
competes with nobody. Clocks of two machines are never compared.
"""

from higgins.ledger.commit import Commit
from higgins.ledger.state.sessions import LivenessSignalled, SessionEnded
from higgins.ledger.tip import Tip
from higgins.runtime import Runtime


class Activity:
    """The newest commit of each other session, and when this node folded it."""

    def __init__(self, runtime: Runtime, tip: Tip) -> None:
        self._runtime = runtime
        self._tip = tip
        self._signs: dict[int, tuple[int, float]] = {}
        self.own_epoch = 0
        """The session epoch of this node; 0 without a session."""
        self.worked_at = runtime.monotonic()
        """When the newest commit with more than a signal of liveness was folded that another node wrote."""
        tip.subscribe(self._notice)

    def others(self) -> list[int]:
        """The epochs of the other live sessions."""
        return [epoch for epoch in self._tip.state.sessions.live if epoch != self.own_epoch]

    def silent_s(self, epoch: int) -> float:
        """How long ago this node folded the newest commit of a live session. A session first seen now counts from now.

        Time in which this node did not see the tip does not count: the other one may have been cut off together with
        it, or may have committed what this node has not read yet.
        """
        now = self._runtime.monotonic()
        number = self._tip.state.sessions.signs[epoch]
        known, since = self._signs.get(epoch, (number, now))
        if known != number:
            since = now
        self._signs[epoch] = (number, since)
        return now - max(since, self._tip.in_touch_since)

    def _notice(self, commit: Commit) -> None:
        head, now = commit.head, self._runtime.monotonic()
        for epoch in {head.writer, *(part.epoch for part in head.parts)} - {0, self.own_epoch}:
            self._signs[epoch] = (head.number, now)
        if head.writer != self.own_epoch and not all(isinstance(fact, LivenessSignalled) for fact in head.facts):
            self.worked_at = now
        for fact in head.facts:
            if isinstance(fact, SessionEnded):
                self._signs.pop(fact.epoch, None)
