"""The writer: buffers batches, flushes them, and proposes their appends to the ledger. The way in to a node's log.

A flush takes everything in the buffer, of all partitions and connections (at most `object_bytes_max`). It ends in a
commit, which assigns the offsets; nothing is acknowledged earlier.

Inline or object. Up to `inline_bytes_max` the bytes are stored inside the commit, so a light load costs one request to
the store per flush. A larger flush is put as a data object first and its commit holds pointers: the ledger stays small,
and large puts can overlap. Inline flushes do not overlap: while one is in flight, small batches gather for the next.
That is natural batching: a slow store makes larger flushes, without a timer.

When a flush starts. At once, if nothing is in flight and no item lingers. With a flush in flight, a small buffer waits
for its end, and one that needs an object waits while a put is running; only a full buffer starts another put beside it,
up to `puts_in_flight_max`. One put does not fill the connection to a remote store, a few do.

Lingers. On stores where each commit costs money and time, records wait for more records before a flush. A linger counts
from the start of the flush before, not from the arrival of the record: a producer that sends one record at a time and
waits for each answer then never waits for a linger, as long as it sends less often than that.

Order. Puts end in any order, but flushes are proposed strictly in the order in which they started, and the committer
keeps that order. Otherwise batch 2 of an idempotent producer could be validated before batch 1, and refused as a gap.
For the same reason a flush that fails for good fails what continues its sequences in later flushes and in the buffer.

Puts and commits run in tasks of the writer, not of the connection that sent the batches: when a client disconnects, its
records are committed all the same, and the flush, which also holds records of others, is not cancelled.
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
    OnDone,
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
UNKNOWN = -ErrorCode.UNKNOWN_PRODUCER_ID


class Writer:
    """Appends to the log through one node."""

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
        """The callbacks of a flush are called within `gathering`, so that their responses can be sent together."""
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
        self._puts_in_flight = 0
        self._commits_in_flight = 0
        self._inline_in_flight = False
        self._gaps = Gaps((settings.gap_patience_ms + 2 * self._linger_ms) / 1000)
        self._nursery: trio.Nursery | None = None
        self._timer_changed = trio.Event()
        self._timer_s = float("inf")
        self._last_flush_s = -1e9
        self._lingers = False
        """Whether any item has lingered; if not, the clock is not read at each flush."""
        self._object_counter = 0
        self._object_epoch = 0
        self._draining = False
        self._has_room = trio.Event()
        self._is_empty = trio.Event()
        self.bytes_held = 0
        """Bytes of batches that were accepted and have no outcome yet."""
        ledger.subscribe(self._on_commit)

    # ---- accepting batches---------------------------------------------------------------------------------------

    def append(
        self,
        topic_id: TopicId,
        partition: int,
        batches: Sequence[tuple[BatchHeader, Buffer]],
        on_done: OnDone,
        *,
        stamps: bool = False,
        linger_ms: int | None = None,
        more: bool = False,
    ) -> None:
        """Buffer validated batches of one partition; `on_done` is called once they are committed or refused.

        With `stamps`, the topic uses LogAppendTime. With `more`, another append of the same request follows, and no
        flush starts before it.
        """
        item = Item(topic_id, partition, batches, on_done, stamps=stamps, due_s=self._due_s(linger_ms))
        self.bytes_held += item.bytes or 1
        self._buffer.add(item)
        if not more:
            self._start_flushes()

    def flush(self) -> None:
        """Start a flush if one may start: for a request whose last append (the one without `more`) was refused."""
        if self._buffer.items:
            self._start_flushes()

    def step(self, step: StepDraft, batches: Sequence[tuple[TopicId, int, Buffer]], on_done: OnDone) -> None:
        """Buffer one epoch of a task: its output and progress become one proposal of a flush."""
        session = self._ledger.session
        if session is None:
            on_done(
                Fenced("This node has no session. The task continues on another node, or here after a new join."), -1
            )
            return
        with_headers = [(topic_id, partition, read_header(view), view) for topic_id, partition, view in batches]
        item = StepItem(step, with_headers, on_done, self._due_s(None))
        self.bytes_held += item.bytes or 1
        self._buffer.add(item)
        self._start_flushes()

    @property
    def is_full(self) -> bool:
        """Whether the server should stop reading from connections that produce."""
        return self.bytes_held >= self._settings.buffer_bytes_max

    async def room(self) -> None:
        """Wait until the buffer has room again. Any number of tasks may wait at a time; all of them are woken."""
        while self.is_full:
            if self._has_room.is_set():
                self._has_room = trio.Event()
            await self._has_room.wait()

    async def drain(self) -> None:
        """Flush the buffer and wait until every item has an outcome. Nothing lingers from now on."""
        self._draining = True
        for item in self._buffer.items:
            item.due_s = 0.0
        self._timer_changed.set()
        while self.bytes_held:
            if self._is_empty.is_set():
                self._is_empty = trio.Event()
            await self._is_empty.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the puts, and the timer for lingers and gaps."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while True:
                now = self._runtime.monotonic()
                self._timer_s = self._next_deadline(now)
                with trio.move_on_at(self._timer_s):
                    await self._timer_changed.wait()
                self._timer_changed = trio.Event()
                self._retry(self._gaps.take_expired(self._runtime.monotonic()))
                self._start_flushes()

    # ---- when to flush ------------------------------------------------------------------------------------------

    def _due_s(self, linger_ms: int | None) -> float:
        # Counted from the flush before: see *Lingers* above.
        if self._draining:
            return 0.0
        linger = self._linger_ms if linger_ms is None else linger_ms
        if not linger:
            return 0.0
        self._lingers = True
        return self._last_flush_s + linger / 1000

    def _next_deadline(self, now: float) -> float:
        due = self._buffer.due_s() if self._buffer.items else float("inf")
        return min(self._gaps.next_deadline_s(), due) if due > now else self._gaps.next_deadline_s()

    def _start_flushes(self) -> None:
        """Start the flushes that may start now; the module's docstring has the rules."""
        while self._buffer.items and self._nursery is not None:
            if self._buffer.bytes < self._settings.object_bytes_max:
                due = self._buffer.due_s()
                if due and due > self._runtime.monotonic():  # 0 is no linger: the clock need not be read
                    if due < self._timer_s:
                        self._timer_changed.set()  # wakes `run`, which sleeps until a later deadline
                    return
                if self._puts_in_flight or (self._buffer.bytes <= self._inline_bytes_max and self._in_flight):
                    return
            elif self._puts_in_flight >= self._settings.puts_in_flight_max:
                return
            if not self._start_flush():
                return

    @property
    def _in_flight(self) -> bool:
        return self._inline_in_flight or self._commits_in_flight > 0 or bool(self._flushes)

    def _start_flush(self) -> bool:
        session = self._ledger.session
        if session is None:
            self._fail_all(
                StorageUnavailable("The store takes no writes at the moment. Try again.")
                if self._ledger.awaits_store
                else Fenced("This node has no session at the moment. Try again.")
            )
            return False
        inline = self._buffer.bytes <= self._inline_bytes_max
        items = self._buffer.take(self._settings.object_bytes_max)
        if self._lingers:
            self._last_flush_s = self._runtime.monotonic()
        first = items[0]
        if inline and len(items) == 1 and isinstance(first, Item) and not first.stamps and not first.begins_anywhere:
            self._submit_single(first)
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
            self._puts_in_flight += 1
            assert self._nursery is not None
            self._nursery.start_soon(self._put, flush)
        return True

    def _submit_single(self, item: Item) -> None:
        """Propose an inline flush of one append. Light load makes mostly such flushes, so it skips the layout."""
        append, payload, _ = append_of(item.topic_id, item.partition, item.batches, INLINE, 0)
        self._inline_in_flight = True
        self._ledger.submit_all([(append, partial(self._single_done, item), tuple(payload))])

    def _single_done(self, item: Item, outcome: Outcome) -> None:
        self._inline_in_flight = False
        if outcome.error is not None:
            self._fail([item], outcome.error)
            if isinstance(outcome.error, Fenced):
                self._fail_all(outcome.error)
            elif isinstance(outcome.error, StorageUnavailable):
                self._fail_successors([item], outcome.error)
        else:
            self._finish_item(item, outcome.result, -1)
        if self._buffer.items:
            self._start_flushes()

    def _next_object_id(self, epoch: int) -> ObjectId:
        # The epoch is unique to this session of this node, so keys never collide, and need no coordination.
        if epoch != self._object_epoch:
            self._object_epoch, self._object_counter = epoch, 0
        self._object_counter += 1
        return data_object(epoch, self._object_counter)

    # ---- a flush in progress ------------------------------------------------------------------------------------

    async def _put(self, flush: Flush) -> None:
        pieces = await flush.put(self._runtime, self._store, self._settings.put_patience_s)
        if flush.error is None and not self._store.traits.reads_are_direct:
            # Consumers that keep up read these bytes next.
            self._cache.put(flush.object_id, Blob(pieces))
        self._puts_in_flight -= 1
        flush.put_done = True
        self._submit_ready()
        self._start_flushes()

    def _submit_ready(self) -> None:
        """Propose the flushes at the front whose puts are done. The committer may take several into one commit."""
        while self._flushes and self._flushes[0].put_done:
            flush = self._flushes.popleft()
            if flush.error is None:
                error = StorageUnavailable("An earlier batch of the same producer could not be stored. Try again.")
                self._fail(flush.drop_successors(), error)
                if flush.layout.units:
                    self._commits_in_flight += 1
                    self._submit(flush)
            else:
                self._fail(flush.items, flush.error)
                self._fail_successors(flush.items, flush.error)

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
        flush.pending -= 1
        with self._gathering():
            if outcome.error is not None:
                self._fail(unit.items, outcome.error)
                if isinstance(outcome.error, StorageUnavailable):
                    self._fail_successors(unit.items, outcome.error)
            else:
                self._finish(unit, outcome.result, flush.layout.stamped_ms)
        if flush.pending:
            return
        if flush.object_id == INLINE:
            self._inline_in_flight = False
        else:
            self._commits_in_flight -= 1
        if isinstance(outcome.error, Fenced):
            self._fail_all(outcome.error)
        self._start_flushes()

    def _finish(self, unit: Unit, result: list[int], stamped_ms: int) -> None:
        start = 0
        for item in unit.items:
            if isinstance(item, StepItem):
                self._release(item)
                item.on_done(result, stamped_ms)
                continue
            self._finish_item(item, result[start : start + len(item.batches)], stamped_ms)
            start += len(item.batches)

    def _finish_item(self, item: Item, offsets: list[int], stamped_ms: int) -> None:
        # Only an append of a single batch is parked: of a longer one, earlier batches may have been committed just now,
        # and the whole item would be proposed again.
        if len(offsets) == 1 and (offsets[0] == GAP or offsets[0] == UNKNOWN) and self._park(item, offsets[0]):
            return
        self._release(item)
        item.on_done(offsets, stamped_ms if item.stamps else -1)

    def _fail(self, items: Sequence[Item | StepItem], error: HigginsError) -> None:
        for item in items:
            self._release(item)
            item.on_done(error, -1)

    def _fail_all(self, error: HigginsError) -> None:
        """Fail everything that is not in a flush: without a session nothing can be committed."""
        items, self._buffer = self._buffer.items, FlushBuffer()
        self._fail([*self._gaps.take_all(), *items], error)

    def _fail_successors(self, lost: Sequence[Item | StepItem], error: HigginsError) -> None:
        """Fail everything that continues a sequence of lost items: it would be refused as a gap."""
        lost_producers = {item.producer for item in lost if isinstance(item, Item) and item.producer[0] >= 0}
        if not lost_producers:
            return
        for later in self._flushes:
            later.lost_producers |= lost_producers
        buffered, self._buffer = self._buffer.items, FlushBuffer()
        for item in buffered:
            if isinstance(item, Item) and item.producer in lost_producers:
                self._fail([item], error)
            else:
                self._buffer.add(item)

    def _release(self, item: Item | StepItem) -> None:
        self.bytes_held -= item.bytes or 1
        if not self.is_full:
            self._has_room.set()
        if not self.bytes_held:
            self._is_empty.set()

    # ---- gaps ---------------------------------------------------------------------------------------------------

    def _park(self, item: Item, refusal: int) -> bool:
        parked = self._gaps.park(item, self._runtime.monotonic(), is_unknown=refusal == UNKNOWN)
        if parked:
            self._timer_changed.set()
        return parked

    def _on_commit(self, commit: Commit) -> None:
        if self._gaps:
            self._retry(self._gaps.take_after_commit())
            self._timer_changed.set()

    def _retry(self, items: Sequence[Item]) -> None:
        for item in items:
            item.due_s = 0.0
            self._buffer.add(item)
