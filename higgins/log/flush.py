"""A flush on its way as one object: its put, and the proposals that follow it."""

from collections.abc import Sequence

import msgspec
import structlog
import trio

from higgins.ledger.state.runs import Append
from higgins.ledger.state.tasks import TaskStep
from higgins.log.buffer import Item, Layout, Producer, StepItem, Unit
from higgins.log.segment import footer
from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import Buffer, ObjectId, object_key
from higgins.runtime import Backoff, Runtime
from higgins.storage.store import Store

log = structlog.get_logger("higgins.log")


class Flush:
    """Items on their way as one object, or inline."""

    __slots__ = ("failed", "items", "layout", "length", "lost", "object_id", "ready", "waiting")

    def __init__(self, items: Sequence[Item | StepItem], layout: Layout, object_id: ObjectId) -> None:
        self.items = items
        self.layout = layout
        self.object_id = object_id
        self.length = 0
        """Bytes of the object, known once it is put."""
        self.ready = False
        """Whether the put has ended, well or not."""
        self.failed: StorageUnavailable | None = None
        self.lost: set[Producer] = set()
        """Producers whose earlier batches failed for good while these were on their way."""
        self.waiting = len(layout.units)
        """Proposals without an outcome."""

    async def put(self, runtime: Runtime, store: Store, patience_s: float) -> list[Buffer]:
        """Put the object, trying again for `patience_s`; its pieces. Sets `failed` when it was all in vain."""
        pieces = [piece for unit in self.layout.units for piece in unit.payload]
        pieces.append(footer(self.layout.rows))
        self.length = sum(len(piece) for piece in pieces)
        backoff = Backoff(runtime.random, first_s=0.1, longest_s=2.0)
        with trio.move_on_after(patience_s) as patience:
            while True:
                try:
                    await store.put(object_key(self.object_id), pieces)
                    break
                except StorageUnavailable as error:
                    # The same bytes under the same key: repeating an unknown put is harmless.
                    log.warning("segment.put_failed", object=self.object_id, why=str(error))
                    await backoff.wait()
        if patience.cancelled_caught:
            self.failed = StorageUnavailable("The store did not take the records in time; try again.")
        return pieces

    def drop_lost(self) -> list[Item]:
        """Leave out what continues a lost batch: it would only be refused as a gap. Its bytes are in the object
        already; nothing will point to them."""
        if not self.lost:
            return []
        dropped: list[Item] = []
        for unit in self.layout.units:
            lost = [item for item in unit.items if isinstance(item, Item) and item.producer in self.lost]
            unit.drop(lost)
            dropped += lost
        self.layout.units = [unit for unit in self.layout.units if unit.items]
        self.waiting = len(self.layout.units)
        return dropped

    def proposal_of(self, unit: Unit) -> Append | TaskStep:
        """A unit's proposal with the length of its object."""
        return _sized(unit.proposal, self.length)


def _sized(proposal: Append | TaskStep, length: int) -> Append | TaskStep:
    """The proposal with the length of the data object that its pointers lead into."""
    if isinstance(proposal, Append):
        return msgspec.structs.replace(proposal, object_length=length)
    appends = tuple(msgspec.structs.replace(append, object_length=length) for append in proposal.appends)
    return msgspec.structs.replace(proposal, appends=appends, object_length=length)
