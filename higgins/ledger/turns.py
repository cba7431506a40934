"""Turns: after a commit of its own, when and for how long a node lets others commit."""

import trio

from higgins.ledger.activity import Activity
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.tip import Tip
from higgins.model.errors import StorageUnavailable
from higgins.runtime import Runtime

WINDOW_CREATES = 5.0
"""A winner that lets others commit waits for this many creates; a node that has just lost needs three (`_window_s`)."""

WINDOW_FOLLOWS = 2.0
"""It waits at least this many times as long as the store's `follow_ms`."""

WINDOW_MAX_S = 0.75

WINDOW_JITTER = (1.0, 1.5)
"""The wait is a random multiple from this range, so that two nodes that wait do not try the next number together."""

QUIET_INTERVAL_S = 3.0
"""How often a busy node lets others commit while it knows of no other that works. One may be about to join."""

OVERDUE_INTERVAL_S = 0.25
"""How often it does so while another node has not signalled for longer than it should have."""

OVERDUE_SIGNS = 1.5
"""A node is overdue after this many intervals between its signals."""


class Turns:
    """The waiting of one committer."""

    def __init__(
        self, runtime: Runtime, tip: Tip, activity: Activity, settings: LedgerSettings, follow_s: float
    ) -> None:
        self._runtime = runtime
        self._tip = tip
        self._activity = activity
        self._settings = settings
        self._follow_s = follow_s
        self._let_at = runtime.monotonic()
        """When this node last let others commit."""
        self.won_number = 0
        """The newest commit of this node."""
        self.won_at = runtime.monotonic()
        """When it was made."""
        self.create_s = 0.0
        """How long its create took."""

    async def let_others_commit(self) -> None:
        """After a commit of our own: wait now and then until nodes that have lost a race to us have won one.

        Without this the node nearest to the store wins every race: it learns first that a number is taken and tries the
        next one first. The farthest node then never commits, gives no sign of life, and is fenced. A node that loses
        tells nobody, so the winner goes by what others have committed (`_window_interval_s`): while they work, it waits
        after each commit; while they do not, an idle node next to it costs nothing.
        """
        if self._tip.state.number != self.won_number:
            return
        now = self._runtime.monotonic()
        if now - self._let_at < self._window_interval_s(now):
            return
        with trio.move_on_at(self.won_at + self._window_s()):
            await self._others_have_committed()
        self._let_at = self._runtime.monotonic()

    def _window_interval_s(self, now: float) -> float:
        """How long after one window the next one begins: a third of the time since another node committed any work.

        So a node that commits again and again takes turns with this one, and a node that begins to commit after a
        pause loses races for at most half as long as it has paused.
        """
        overdue_s = OVERDUE_SIGNS * self._settings.sign_interval_ms / 1000
        interval_s = min((now - self._activity.worked_at) / 3, QUIET_INTERVAL_S)
        if any(self._activity.silent_s(epoch) > overdue_s for epoch in self._activity.others()):
            return min(interval_s, OVERDUE_INTERVAL_S)
        return interval_s

    def _window_s(self) -> float:
        """How long a node that has just lost a race to us needs to win the next one, and some more.

        It learns that it has lost (one request), reads the winner and what follows (a second one, since they are read
        side by side) and creates the next number (a third one). It may be farther from the store than we are.
        """
        creates_s = min(WINDOW_CREATES * self.create_s, WINDOW_MAX_S)
        return max(WINDOW_FOLLOWS * self._follow_s, creates_s) * self._runtime.random.uniform(*WINDOW_JITTER)

    async def _others_have_committed(self) -> None:
        """Wait until every other live session has committed after our last commit: then nobody is waiting for us."""
        number = self.won_number
        pause_s = max(self.create_s, self._follow_s / 5)
        while True:
            signs = self._tip.state.sessions.signs
            others = self._activity.others()
            if others and all(signs[epoch] > number for epoch in others):
                return
            await trio.sleep(pause_s)
            try:
                await self._tip.check()
            except StorageUnavailable:
                await trio.sleep(pause_s)
