"""The writer: gathers batches, flushes them as objects or inline payloads, and submits them in flush order.

Nothing is acknowledged before its commit. Puts of several flushes run side by side; their commits never overtake each
other, so a producer's batches keep their order. Puts and commits belong to this engine, not to the connection that
asked: a client that leaves changes nothing.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import structlog
import trio

from higgins.ledger.commit import Commit
from higgins.ledger.committer import Outcome
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import INLINE, Append
from higgins.ledger.state.tasks import TaskStep
from higgins.log.buffer import (
    FlushBuffer,
    Item,
    Layout,
    Producer,
    Settled,
    StepDraft,
    StepItem,
    Unit,
    append_of,
    lay_out,
)
from higgins.log.segment import footer
from higgins.log.settings import LogSettings
from higgins.model.errors import Fenced, HigginsError, StorageUnavailable
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectId, data_object, object_key
from higgins.runtime import Runtime
from higgins.storage.cache import Blob, Cache
from higgins.storage.retry import Backoff
from higgins.storage.store import Store
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import BatchHeader, read_header

log = structlog.get_logger("higgins.log")

GAP = -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


class _Flush:
    """Items on their way as one object, or inline."""

    __slots__ = ("failed", "items", "layout", "length", "lost", "object_id", "ready", "waiting")

    def __init__(self, items: list[Item | StepItem], layout: Layout, object_id: ObjectId) -> None:
        self.items = items
        self.layout = layout
        self.object_id = object_id
        self.length = 0
        self.ready = False
        self.failed: StorageUnavailable | None = None
        self.lost: set[Producer] = set()
        """Producers whose earlier batches failed for good while these were on their way."""
        self.waiting = len(layout.units)


class Writer:
    """One node's way into the log."""

    def __init__(
        self,
        runtime: Runtime,
        store: Store,
        ledger: Ledger,
        cache: Cache,
        settings: LogSettings,
        *,
        gathering: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`gathering` surrounds the settling of many items, so that their answers can be sent together."""
        self._gathering = gathering
        self._runtime = runtime
        self._store = store
        self._ledger = ledger
        self._cache = cache
        self._settings = settings
        traits = store.traits
        self._linger_ms = traits.linger_ms if settings.linger_ms is None else settings.linger_ms
        self._inline_bytes_max = (
            traits.inline_bytes_max if settings.inline_bytes_max is None else settings.inline_bytes_max
        )
        self._buffer = FlushBuffer()
        self._flushes: deque[_Flush] = deque()
        self._puts = 0
        self._submitted = 0
        self._inline_in_flight = False
        self._parked: list[Item] = []
        self._nursery: trio.Nursery | None = None
        self._timer = trio.Event()
        self._armed_until = float("inf")
        self._flushed_at = -1e9
        self._counter = 0
        self._counter_epoch = 0
        self._draining = False
        self._room = trio.Event()
        self._empty = trio.Event()
        self.bytes_held = 0
        """Bytes accepted and not yet settled."""
        ledger.subscribe(self._notice)

    # ---- the way in ---------------------------------------------------------------------------------------------

    def append(
        self,
        topic_id: TopicId,
        partition: int,
        batches: Sequence[tuple[BatchHeader, Buffer]],
        settled: Settled,
        *,
        stamps: bool = False,
        linger_ms: int | None = None,
        more: bool = False,
    ) -> None:
        """Take checked batches of one partition; `settled` is called in the loop once they are committed or refused.

        With `more`, another append of the same request follows, and nothing is flushed before it.
        """
        item = Item(topic_id, partition, batches, settled, stamps=stamps, due_s=self._due_s(linger_ms))
        self.bytes_held += item.bytes or 1
        self._buffer.add(item)
        if not more:
            self._pump()

    def flush(self) -> None:
        """Flush what may be flushed now; for a request whose last partition was refused."""
        if self._buffer.items:
            self._pump()

    def step(
        self, step: StepDraft, batches: Sequence[tuple[TopicId, int, Buffer]], settled: Settled
    ) -> None:
        """Take one epoch of a task: output and progress are committed together, with everybody else's data."""
        session = self._ledger.session
        if session is None:
            settled(Fenced("This node has no session; the task goes on elsewhere, or here once it joined again."), -1)
            return
        headed = [(topic_id, partition, read_header(view), view) for topic_id, partition, view in batches]
        item = StepItem(step, session.epoch, headed, settled, self._due_s(None))
        self.bytes_held += item.bytes or 1
        self._buffer.add(item)
        self._pump()

    @property
    def is_full(self) -> bool:
        """Whether producers should stop being read."""
        return self.bytes_held >= self._settings.buffer_bytes_max

    async def room(self) -> None:
        """Wait until the buffer has room again."""
        while self.is_full:
            self._room = trio.Event()
            await self._room.wait()

    async def drain(self) -> None:
        """Wait until everything taken is settled; from now on nothing lingers."""
        self._draining = True
        for item in self._buffer.items:
            item.due_s = 0.0
        self._timer.set()
        while self.bytes_held:
            self._empty = trio.Event()
            await self._empty.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the puts in flight and the timers of lingers and gaps."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while True:
                now = self._runtime.monotonic()
                self._armed_until = self._next_deadline(now)
                with trio.move_on_at(self._armed_until):
                    await self._timer.wait()
                self._timer = trio.Event()
                self._end_gaps()
                self._pump()

    # ---- when to flush ------------------------------------------------------------------------------------------

    def _due_s(self, linger_ms: int | None) -> float:
        # A linger counts from the flush before, so that a lone synchronous producer never waits.
        if self._draining:
            return 0.0
        linger = self._linger_ms if linger_ms is None else linger_ms
        return self._flushed_at + linger / 1000 if linger else 0.0

    def _next_deadline(self, now: float) -> float:
        deadlines = [item.gap_until_s for item in self._parked if item.gap_until_s is not None]
        if self._buffer.items:
            due = self._buffer.due_s()
            if due > now:
                deadlines.append(due)
        return min(deadlines, default=float("inf"))

    def _pump(self) -> None:
        """Start whatever flush may start now."""
        while self._buffer.items and self._nursery is not None:
            if self._buffer.bytes < self._settings.object_bytes_max:
                due = self._buffer.due_s()
                if due and due > self._runtime.monotonic():
                    if due < self._armed_until:
                        self._timer.set()
                    return
                if self._puts or (self._buffer.bytes <= self._inline_bytes_max and self._in_flight):
                    return
            elif self._puts >= self._settings.puts_in_flight_max:
                return
            if not self._start_flush():
                return

    @property
    def _in_flight(self) -> bool:
        return self._inline_in_flight or self._submitted > 0 or bool(self._flushes)

    def _start_flush(self) -> bool:
        session = self._ledger.session
        if session is None:
            self._fail_all(Fenced("This node has no session at the moment; try again."))
            return False
        inline = self._buffer.bytes <= self._inline_bytes_max
        items = self._buffer.take(self._settings.object_bytes_max)
        self._flushed_at = self._runtime.monotonic()
        if inline and len(items) == 1 and isinstance(items[0], Item) and not items[0].stamps:
            self._submit_alone(items[0])
        elif inline:
            layout = lay_out(items, self._runtime.now_ms(), INLINE, inline=True)
            flush = _Flush(items, layout, INLINE)
            self._inline_in_flight = True
            self._submit(flush)
        else:
            object_id = self._next_object_id(session.epoch)
            layout = lay_out(items, self._runtime.now_ms(), object_id, inline=False)
            flush = _Flush(items, layout, object_id)
            self._flushes.append(flush)
            self._puts += 1
            assert self._nursery is not None
            self._nursery.start_soon(self._put, flush)
        return True

    def _submit_alone(self, item: Item) -> None:
        """The short road of a flush that is one partition's batches and rides in its commit."""
        append, payload, _ = append_of(item.topic_id, item.partition, item.batches, INLINE, 0)
        self._inline_in_flight = True
        self._ledger.submit_all([(append, partial(self._alone_done, item), tuple(payload))])

    def _alone_done(self, item: Item, outcome: Outcome) -> None:
        self._inline_in_flight = False
        if outcome.error is not None:
            self._fail([item], outcome.error)
            if isinstance(outcome.error, Fenced):
                self._fail_all(outcome.error)
        else:
            self._settle_item(item, outcome.result, -1)
        if self._buffer.items:
            self._pump()

    def _next_object_id(self, epoch: int) -> ObjectId:
        if epoch != self._counter_epoch:
            self._counter_epoch, self._counter = epoch, 0
        self._counter += 1
        return data_object(epoch, self._counter)

    # ---- a flush on its way -------------------------------------------------------------------------------------

    async def _put(self, flush: _Flush) -> None:
        pieces = [piece for unit in flush.layout.units for piece in unit.payload]
        pieces.append(footer(flush.layout.rows))
        flush.length = sum(len(piece) for piece in pieces)
        backoff = Backoff(self._runtime, first_s=0.1, longest_s=2.0)
        patience = trio.move_on_after(self._settings.put_patience_s)
        with patience:
            while True:
                try:
                    await self._store.put(object_key(flush.object_id), pieces)
                    break
                except StorageUnavailable as error:
                    # The same bytes under the same key: repeating an unknown put is harmless.
                    flush.failed = error
                    log.warning("segment.put_failed", object=flush.object_id, why=str(error))
                    await backoff.wait()
        if patience.cancelled_caught:
            flush.failed = StorageUnavailable("The store did not take the records in time; try again.")
        else:
            flush.failed = None
            if not self._store.traits.reads_are_direct:
                self._cache.put(flush.object_id, Blob(pieces))
        self._puts -= 1
        flush.ready = True
        self._submit_ready()
        self._pump()

    def _submit_ready(self) -> None:
        """Submit in flush order; the committer keeps that order, and may take several flushes into one commit."""
        while self._flushes and self._flushes[0].ready:
            flush = self._flushes.popleft()
            if flush.failed is None:
                self._drop_lost(flush)
                if flush.layout.units:
                    self._submitted += 1
                    self._submit(flush)
            else:
                self._fail(flush.items, flush.failed)
                self._fail_successors(flush)

    def _submit(self, flush: _Flush) -> None:
        inline = flush.object_id == INLINE
        self._ledger.submit_all(
            [
                (
                    unit.proposal if inline else _sized(unit.proposal, flush.length),
                    partial(self._unit_done, flush, unit),
                    tuple(unit.payload) if inline else (),
                )
                for unit in flush.layout.units
            ]
        )

    def _unit_done(self, flush: _Flush, unit: Unit, outcome: Outcome) -> None:
        flush.waiting -= 1
        with self._gathering():
            if outcome.error is not None:
                self._fail(unit.items, outcome.error)
            else:
                self._settle(unit, outcome.result, flush.layout.stamped_ms)
        if flush.waiting:
            return
        if flush.object_id == INLINE:
            self._inline_in_flight = False
        else:
            self._submitted -= 1
        if isinstance(outcome.error, Fenced):
            self._fail_all(outcome.error)
        self._pump()

    def _settle(self, unit: Unit, result: list[int], stamped_ms: int) -> None:
        start = 0
        for item in unit.items:
            if isinstance(item, StepItem):
                self._release(item)
                item.settled(result, stamped_ms)
                continue
            self._settle_item(item, result[start : start + len(item.batches)], stamped_ms)
            start += len(item.batches)

    def _settle_item(self, item: Item, offsets: list[int], stamped_ms: int) -> None:
        if GAP in offsets and len(offsets) == 1 and self._park(item):
            return
        self._release(item)
        item.settled(offsets, stamped_ms if item.stamps else -1)

    def _fail(self, items: Sequence[Item | StepItem], error: HigginsError) -> None:
        for item in items:
            self._release(item)
            item.settled(error, -1)

    def _fail_all(self, error: HigginsError) -> None:
        items, self._buffer = self._buffer.items, FlushBuffer()
        parked, self._parked = self._parked, []
        self._fail([*parked, *items], error)

    def _fail_successors(self, flush: _Flush) -> None:
        """What continues a sequence that has just lost a batch would only be refused as a gap."""
        assert flush.failed is not None
        lost = {item.producer for item in flush.items if isinstance(item, Item) and item.producer[0] >= 0}
        for follower in self._flushes:
            follower.lost |= lost
        kept, self._buffer = self._buffer.items, FlushBuffer()
        for item in kept:
            if isinstance(item, Item) and item.producer in lost:
                self._fail([item], flush.failed)
            else:
                self._buffer.add(item)

    def _drop_lost(self, flush: _Flush) -> None:
        """Fail what continues a lost batch. Its bytes are in the object already; nothing will point to them."""
        if not flush.lost:
            return
        for unit in flush.layout.units:
            lost = [item for item in unit.items if isinstance(item, Item) and item.producer in flush.lost]
            unit.drop(lost)
            self._fail(lost, StorageUnavailable("A batch before this one could not be stored; try again."))
        flush.layout.units = [unit for unit in flush.layout.units if unit.items]
        flush.waiting = len(flush.layout.units)

    def _release(self, item: Item | StepItem) -> None:
        self.bytes_held -= item.bytes or 1
        if not self.is_full:
            self._room.set()
        if not self.bytes_held:
            self._empty.set()

    # ---- gaps ---------------------------------------------------------------------------------------------------

    def _park(self, item: Item) -> bool:
        """Let a batch wait for its predecessor, which may be on its way through another node; False when it has."""
        now = self._runtime.monotonic()
        if item.gap_until_s is None:
            item.gap_until_s = now + (self._settings.gap_patience_ms + 2 * self._linger_ms) / 1000
        elif item.gap_retries <= 0 or item.gap_until_s <= now:
            return False
        self._parked.append(item)
        self._timer.set()
        return True

    def _notice(self, commit: Commit) -> None:
        """A commit has been folded: what is parked may fit now."""
        if not self._parked:
            return
        parked, self._parked = self._parked, []
        for item in parked:
            item.gap_retries -= 1
            item.due_s = 0.0
            self._buffer.add(item)
        self._timer.set()

    def _end_gaps(self) -> None:
        now = self._runtime.monotonic()
        over = [item for item in self._parked if item.gap_until_s is not None and item.gap_until_s <= now]
        if over:
            self._parked = [item for item in self._parked if item not in over]
            for item in over:
                # One last look at the tip, which is where a refusal has to be given.
                item.gap_retries = 0
                item.due_s = 0.0
                self._buffer.add(item)


def _sized(proposal: Append | TaskStep, length: int) -> Append | TaskStep:
    """The proposal with the length of its object, known once the footer is made."""
    if isinstance(proposal, Append):
        return Append(proposal.topic_id, proposal.partition, proposal.object_id, length, proposal.batches)
    return TaskStep(
        proposal.name,
        proposal.generation,
        proposal.partition,
        proposal.epoch,
        proposal.lease_epoch,
        proposal.from_offset,
        proposal.to_offset,
        tuple(_sized(append, length) for append in proposal.appends),  # type: ignore[misc]
        proposal.counters,
        proposal.state_pointer,
    )
