"""A flush in progress: the put of its object, and what becomes of its proposals when an earlier flush fails."""

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

REFUSAL_PATIENCE_S = 2.0
"""How long a put that the store refuses (a full disk, missing permissions) is tried again."""

log = structlog.get_logger("higgins.log")


class Flush:
    """Items that are stored together, as one object or inline in a commit."""

    __slots__ = ("error", "items", "layout", "length", "lost_producers", "object_id", "pending", "put_done")

    def __init__(self, items: Sequence[Item | StepItem], layout: Layout, object_id: ObjectId) -> None:
        self.items = items
        self.layout = layout
        self.object_id = object_id
        self.length = 0
        """Length of the object, known once the put has started."""
        self.put_done = False
        """Whether the put has ended, with success or with `error`."""
        self.error: StorageUnavailable | None = None
        self.lost_producers: set[Producer] = set()
        """Sequences with batches in an earlier flush whose put failed for good."""
        self.pending = len(layout.units)
        """Number of proposals without an outcome."""

    async def put(self, runtime: Runtime, store: Store, timeout_s: float) -> list[Buffer]:
        """Put the object, with retries for `timeout_s`; returns its pieces. Sets `error` when no attempt succeeded.

        A store that refuses it has REFUSAL_PATIENCE_S: clients then learn the reason, not only that time is over.
        """
        pieces = [piece for unit in self.layout.units for piece in unit.payload]
        pieces.append(footer(self.layout.rows))
        self.length = sum(len(piece) for piece in pieces)
        backoff = Backoff(runtime.random, first_s=0.1, longest_s=2.0)
        begun_s = runtime.monotonic()
        with trio.move_on_after(timeout_s) as deadline:
            while True:
                try:
                    await store.put(object_key(self.object_id), pieces)
                    break
                except StorageUnavailable as error:
                    # A put whose outcome is unknown may be repeated: the key and the bytes are the same.
                    log.debug("segment.put_failed", object=self.object_id, why=str(error))
                    if error.certain and runtime.monotonic() - begun_s >= REFUSAL_PATIENCE_S:
                        self.error = error
                        return pieces
                    await backoff.wait()
        if deadline.cancelled_caught:
            self.error = StorageUnavailable("The store did not accept the records in time. Try again.")
        return pieces

    def drop_successors(self) -> list[Item]:
        """Remove and return the items that continue a lost batch; they would be refused as gaps.

        Their bytes are in the object already, and no pointer will lead to them.
        """
        if not self.lost_producers:
            return []
        dropped: list[Item] = []
        for unit in self.layout.units:
            lost = [item for item in unit.items if isinstance(item, Item) and item.producer in self.lost_producers]
            unit.drop(lost)
            dropped += lost
        self.layout.units = [unit for unit in self.layout.units if unit.items]
        self.pending = len(self.layout.units)
        return dropped

    def proposal_of(self, unit: Unit) -> Append | TaskStep:
        """The proposal of a unit, with the length of the object. It is not known when the flush is laid out."""
        return _with_object_length(unit.proposal, self.length)


def _with_object_length(proposal: Append | TaskStep, length: int) -> Append | TaskStep:
    if isinstance(proposal, Append):
        return msgspec.structs.replace(proposal, object_length=length)
    appends = tuple(msgspec.structs.replace(append, object_length=length) for append in proposal.appends)
    return msgspec.structs.replace(proposal, appends=appends, object_length=length)
