"""Producer ids for idempotent producers: taken from the ledger in blocks, handed out one by one."""

import trio

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.producers import GrantProducerIds

BLOCK = 1000


class ProducerIds:
    """This node's block of ids; what is left of it at a restart is never used, which costs nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._next = 0
        self._left = 0
        self._refilling = trio.Lock()

    def take_nowait(self) -> int | None:
        """An id that nobody has had, or None when the block is used up."""
        if not self._left:
            return None
        self._left -= 1
        self._next += 1
        return self._next - 1

    async def take(self) -> int:
        """The same, fetching a block first where needed. Raises: Fenced, StorageUnavailable."""
        async with self._refilling:
            while (found := self.take_nowait()) is None:
                self._next = await self._ledger.propose(GrantProducerIds(BLOCK))
                self._left = BLOCK
            return found
