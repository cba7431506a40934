"""The follower: folds the commits of other nodes while nothing else reads them."""

import trio

from higgins.ledger.tip import Tip
from higgins.model.errors import StorageUnavailable
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store

ALONE_INTERVAL_S = 1.0
"""How often a node that knows of no other node looks for a commit of one."""


class Follower:
    """Polls for the next commit: often while something here waits for one, once a second otherwise.

    Each look is a read that the store may charge for, so a node without waiting consumers does not look every
    `follow_ms`: on a cloud store, polling at 5 ms would cost $200 a month.
    """

    def __init__(self, runtime: Runtime, store: Store, tip: Tip) -> None:
        self._runtime = runtime
        self._tip = tip
        self._follow_s = store.traits.follow_ms / 1000
        self.watchers = 0
        """How many wait for what another node may commit."""
        self._watched = trio.Event()

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
            await trio.sleep(ALONE_INTERVAL_S)
        else:
            # A watcher that arrives in the middle of a long pause ends it.
            with trio.move_on_after(0 if self.watchers else ALONE_INTERVAL_S):
                await self._watched.wait()
            await trio.sleep(self._follow_s)
        self._watched = trio.Event()
