"""The barrier: after it, State holds everything that was committed before the call.

A negative answer, a frontier or a committed offset is sent only after the barrier, so that it is true now. Calls that
arrive while a check of the tip is under way share the next one, since that check may have read too early.
"""

import structlog
import trio

from higgins.ledger.tip import Tip
from higgins.model.errors import StorageUnavailable
from higgins.model.future import Future
from higgins.storage.store import Store

log = structlog.get_logger("higgins.ledger")


class Barrier:
    """One check of the tip at a time, shared by all callers that wait when it begins."""

    def __init__(self, store: Store, tip: Tip) -> None:
        self._tip = tip
        self._reads_are_direct = store.traits.reads_are_direct
        self._waiting: list[Future[None]] = []
        self._arrived = trio.Event()

    async def pass_through(self) -> None:
        """Wait for a check of the tip that begins after this call. Raises: StorageUnavailable, Corrupt."""
        if self._reads_are_direct:
            await self._tip.check()
            return
        checked: Future[None] = Future()
        self._waiting.append(checked)
        self._arrived.set()
        try:
            await checked.wait()
        except StorageUnavailable as error:
            # Several callers wait for the same error; each raises one of its own.
            message = f"The store does not answer, so the current state is unknown; try again. ({error})"
            raise StorageUnavailable(message) from error

    async def run(self) -> None:
        """Check the tip for all waiting callers, until cancelled. Raises: Corrupt."""
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            waiting, self._waiting = self._waiting, []
            try:
                await self._tip.check()
            except StorageUnavailable as error:
                log.debug("ledger.unreachable", why=str(error))
                for checked in waiting:
                    checked.set_error(error)
                continue
            for checked in waiting:
                checked.set_result(None)
