"""The writer: gathers batches, flushes them as objects or inline payloads, and submits them in flush order.

Nothing is acknowledged before its commit. Puts of several flushes run side by side; their commits never overtake each
other, so a producer's batches keep their order. Puts and commits belong to this engine, not to the connection that
asked: a client that leaves changes nothing.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import trio

from higgins.ledger.commit import Commit
from higgins.ledger.committer import Outcome
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.append import INLINE
from higgins.log.buffer import (
    FlushBuffer,
    Item,
    Settled,
    StepDraft,
    StepItem,
    Unit,
    append_of,
    lay_out,
)
from higgins.log.flush import Flush
from higgins.log.gaps import Gaps
from higgins.log.settings import LogSettings
from higgins.model.errors import Fenced, HigginsError, StorageUnavailable
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectId, data_object
from higgins.runtime import Runtime
from higgins.storage.cache import Blob, Cache
from higgins.storage.store import Store
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import BatchHeader, read_header

GAP = -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


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
        self._flushes: deque[Flush] = deque()
        self._puts = 0
        self._submitted = 0
        self._inline_in_flight = False
        self._gaps = Gaps((settings.gap_patience_ms + 2 * self._linger_ms) / 1000)
        self._nursery: trio.Nursery | None = None
        self._timer = trio.Event()
        self._armed_until = float("inf")
        self._flushed_at = -1e9
        self._lingers = False
        """Whether anything has ever lingered here; if not, nobody needs to know when the last flush was."""
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
        item = StepItem(step, headed, settled, self._due_s(None))
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
                self._try_again(self._gaps.over(self._runtime.monotonic()))
                self._pump()

    # ---- when to flush ------------------------------------------------------------------------------------------

    def _due_s(self, linger_ms: int | None) -> float:
        # A linger counts from the flush before, so that a lone synchronous producer never waits.
        if self._draining:
            return 0.0
        linger = self._linger_ms if linger_ms is None else linger_ms
        if not linger:
            return 0.0
        self._lingers = True
        return self._flushed_at + linger / 1000

    def _next_deadline(self, now: float) -> float:
        due = self._buffer.due_s() if self._buffer.items else float("inf")
        return min(self._gaps.next_s(), due) if due > now else self._gaps.next_s()

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
        if self._lingers:
            self._flushed_at = self._runtime.monotonic()
        if inline and len(items) == 1 and isinstance(items[0], Item) and not items[0].stamps:
            self._submit_alone(items[0])
        elif inline:
            layout = lay_out(items, self._runtime.now_ms(), INLINE, inline=True)
            flush = Flush(items, layout, INLINE)
            self._inline_in_flight = True
            self._submit(flush)
        else:
            object_id = self._next_object_id(session.epoch)
            layout = lay_out(items, self._runtime.now_ms(), object_id, inline=False)
            flush = Flush(items, layout, object_id)
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

    async def _put(self, flush: Flush) -> None:
        pieces = await flush.put(self._runtime, self._store, self._settings.put_patience_s)
        if flush.failed is None and not self._store.traits.reads_are_direct:
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
                lost = StorageUnavailable("A batch before this one could not be stored; try again.")
                self._fail(flush.drop_lost(), lost)
                if flush.layout.units:
                    self._submitted += 1
                    self._submit(flush)
            else:
                self._fail(flush.items, flush.failed)
                self._fail_successors(flush)

    def _submit(self, flush: Flush) -> None:
        inline = flush.object_id == INLINE
        self._ledger.submit_all(
            [
                (
                    unit.proposal if inline else flush.proposal_of(unit),
                    partial(self._unit_done, flush, unit),
                    tuple(unit.payload) if inline else (),
                )
                for unit in flush.layout.units
            ]
        )

    def _unit_done(self, flush: Flush, unit: Unit, outcome: Outcome) -> None:
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
        self._fail([*self._gaps.drain(), *items], error)

    def _fail_successors(self, flush: Flush) -> None:
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

    def _release(self, item: Item | StepItem) -> None:
        self.bytes_held -= item.bytes or 1
        if not self.is_full:
            self._room.set()
        if not self.bytes_held:
            self._empty.set()

    # ---- gaps ---------------------------------------------------------------------------------------------------

    def _park(self, item: Item) -> bool:
        parked = self._gaps.park(item, self._runtime.monotonic())
        if parked:
            self._timer.set()
        return parked

    def _notice(self, commit: Commit) -> None:
        if self._gaps:
            self._try_again(self._gaps.after_commit())
            self._timer.set()

    def _try_again(self, items: Sequence[Item]) -> None:
        for item in items:
            item.due_s = 0.0
            self._buffer.add(item)
