"""Producer ids for idempotent producers, reserved in the ledger in blocks, so that most ids need no commit."""

import trio

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.producers import GrantProducerIds

BLOCK_SIZE = 1000


class ProducerIds:
    """The block of ids of this node. Ids that are unused at a restart are lost; there are 2^63 of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._next = 0
        self._remaining = 0
        self._reserving = trio.Lock()

    def take_nowait(self) -> int | None:
        """A new id, or None when the block is used up."""
        if not self._remaining:
            return None
        self._remaining -= 1
        self._next += 1
        return self._next - 1

    async def take(self) -> int:
        """A new id; reserves another block when this one is used up. Raises: Fenced, StorageUnavailable."""
        async with self._reserving:
            while (producer_id := self.take_nowait()) is None:
                self._next = await self._ledger.propose(GrantProducerIds(BLOCK_SIZE))
                self._remaining = BLOCK_SIZE
            return producer_id
