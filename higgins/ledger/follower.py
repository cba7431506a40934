"""The follower: folds the commits of other nodes while nothing else reads them."""

import trio

from higgins.ledger.activity import Activity
from higgins.ledger.commit import Commit
from higgins.ledger.tip import Tip
from higgins.model.errors import StorageUnavailable
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store

UNWATCHED_INTERVAL_S = 1.0
"""How often a node looks for commits of others while it knows of no other node, or while nothing here waits for one."""

QUIET_SHARE = 0.02
"""While something waits, the time from one look to the next, as a share of the time since others committed work."""

QUIET_FOLLOWS = 20
"""At most this many times the store's `follow_ms`, and at most UNWATCHED_INTERVAL_S."""


class Follower:
    """Polls for the next commit: often while something here waits for one and others commit, seldom otherwise.

    Each look is a read that the store may charge for: on a cloud store, polling at 5 ms would cost $200 a month. There
    is nearly always something that waits, such as an operator or a consumer's long poll, so that alone is no reason to
    look every `follow_ms`. The longer the other nodes have committed nothing, the longer a look may be away: by a
    fiftieth of that time. Records that end a silence of a second are noticed up to 20 ms later for that.
    """

    def __init__(self, runtime: Runtime, store: Store, tip: Tip, activity: Activity) -> None:
        self._runtime = runtime
        self._tip = tip
        self._activity = activity
        self._follow_s = store.traits.follow_ms / 1000
        self.watchers = 0
        """How many wait for what another node may commit."""
        self._watched = trio.Event()
        self._has_company = trio.Event()
        tip.subscribe(self._notice)

    def watch(self) -> None:
        """Register a waiter for commits of other nodes, so that the follower polls faster; `unwatch` removes it."""
        self.watchers += 1
        self._watched.set()

    def unwatch(self) -> None:
        """Remove a waiter."""
        self.watchers -= 1

    async def run(self) -> None:
        """Follow until cancelled. Raises: Corrupt."""
        backoff = Backoff(self._runtime.random, first_s=0.05, longest_s=2.0)
        while True:
            await self._pause()
            try:
                await self._tip.check()
                backoff.reset()
            except StorageUnavailable:
                await backoff.wait()

    async def _pause(self) -> None:
        if len(self._tip.state.sessions.live) <= 1:
            self._has_company = trio.Event()
            with trio.move_on_after(UNWATCHED_INTERVAL_S):
                await self._has_company.wait()
        elif self.watchers:
            await trio.sleep(self._interval_s())
        else:
            # A watcher that arrives in the middle of a long pause ends it.
            with trio.move_on_after(UNWATCHED_INTERVAL_S):
                await self._watched.wait()
            await trio.sleep(self._follow_s)
        self._watched = trio.Event()

    def _notice(self, commit: Commit) -> None:
        if len(self._tip.state.sessions.live) > 1:
            self._has_company.set()

    def _interval_s(self) -> float:
        quiet_s = self._runtime.monotonic() - self._activity.worked_at
        longest_s = min(QUIET_FOLLOWS * self._follow_s, UNWATCHED_INTERVAL_S)
        return max(self._follow_s, min(QUIET_SHARE * quiet_s, longest_s))
