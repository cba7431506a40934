"""One connection: request frames in, responses out in the order of their requests.

Most requests are answered by the reading task itself, before the next frame is looked at. A request that must wait is
answered later, by whatever component completes it, or by a task of its own. A response that becomes ready at the head
of the queue is sent immediately by the code that completed it; only when the socket is full does a sending task take
over.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVarTuple

import trio

from higgins.model.future import Future
from higgins.model.pointer import Buffer
from higgins.runtime import Runtime
from higgins.server.arriving import Arrivals
from higgins.server.buffers import HEAD_BYTES, BufferPool, Heads
from higgins.server.busy_poll import BusyPolling, PollHistory
from higgins.server.exchange import CloseConnection, Exchange
from higgins.server.order import RequestOrder
from higgins.server.session import ConnectionSession
from higgins.server.settings import Listener, ServerSettings
from higgins.server.transport import Transport
from higgins.server.turns import Account, Turns
from higgins.server.unsent import Unsent

Ts = TypeVarTuple("Ts")

LENGTH_BYTES = 4
KIND_END = 6
"""Where the API key, which follows the length, ends."""
REST_BYTES_MAX = 2 << 10
"""How much of an incomplete request a connection keeps without counting it."""
PRODUCE = 0
"""The API whose requests carry records."""

Dispatch: TypeAlias = Callable[["Connection", memoryview, "Exchange"], Awaitable[None] | None]
"""Handles one request frame and calls `Exchange.answer` once, now or later. What it returns is awaited before the next
frame is looked at. Raises: CloseConnection."""


class Connection:
    """One peer of one listener."""

    def __init__(
        self,
        transport: Transport,
        listener: Listener,
        dispatch: Dispatch,
        *,
        runtime: Runtime,
        pool: BufferPool,
        settings: ServerSettings,
        unsent: Unsent,
        busy_polling: BusyPolling,
        turns: Turns,
        arrivals: Arrivals,
        heads: Heads,
        note: Callable[[str, str], None],
        hold: Callable[[], Awaitable[None] | None],
    ) -> None:
        """`note` logs that the connection of a peer was closed, and why.

        `hold` is called after each request: None, or what to await first (the log has no room).
        """
        self._transport = transport
        self.session = ConnectionSession(listener, transport.peer_host)
        self.order = RequestOrder()
        self._dispatch = dispatch
        self._runtime = runtime
        self._pool = pool
        self._settings = settings
        self._hold = hold
        self._node_unsent = unsent
        self.turns = turns
        self.account = Account()
        self._arrivals = arrivals
        self._heads = heads
        self._note = note
        self._busy_polling = busy_polling
        self._poll_history = PollHistory()
        self._exchanges: deque[Exchange] = deque()
        self._bytes_in_flight = 0
        self._tasks = 0
        self._newest_task_runs = True
        """Whether the newest task has had its first turn."""
        self._next_waits_for: Future[None] | None = None
        """What must be done before the next request is looked at; see `hold_next`."""
        self._unsent: list[Buffer] = []
        self._unsent_bytes = 0
        self._held_bytes = 0
        """Of responses that are being built, or that wait for an earlier one."""
        self._sending = False
        self.received_at = 0.0
        """When the peer last received a part of a response that it does not receive at once."""
        self._progress = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.closed = False
        self.stopping = False
        now = runtime.monotonic()
        self.active_at = now
        """About when bytes last arrived or a response was last due, to the precision of the sweep that noticed."""
        self._is_active = False
        self.frame_deadline: float | None = None
        """When the frame that is arriving must be complete."""
        self.write_deadline: float | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._exchanges)} in flight, {self._unsent_bytes} bytes unsent"
        return f"<Connection {self.session.peer_host} {self.session.listener.name} {state}>"

    async def run(self) -> None:
        """Serve the peer until it leaves or is closed. A peer that sends nonsense is closed."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await self._read_frames()
                await self._finish_all()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except* CloseConnection as group:
            self._note(self.session.peer_host, str(group.exceptions[0]))
        finally:
            self.close()

    def close(self) -> None:
        """Close immediately; responses that are still due are dropped."""
        if not self.closed:
            self.closed = True
            self._keep_unsent([])
            self._node_unsent.bytes -= self._held_bytes
            self._held_bytes = 0
            self._node_unsent.sending.pop(self, None)
            self._transport.close()
            if self._nursery is not None:
                self._nursery.cancel_scope.cancel()

    def give_way(self, why: str) -> None:
        """Close immediately, because others need the memory that this connection holds."""
        self._note(self.session.peer_host, why)
        self.close()

    def stop(self) -> None:
        """Read no further request; close once every request has its response."""
        self.stopping = True
        if not self._exchanges and not self._unsent:
            self.close()

    def last_active(self, now: float) -> float:
        """About when bytes last arrived or a response was last due."""
        if self._is_active:
            # The hot path only sets a flag: reading the clock for each request would cost more than the sweep does.
            self._is_active = False
            self.active_at = now
        return self.active_at

    def overdue(self, now: float) -> str | None:
        """Why the connection should be closed now, or None."""
        settings = self._settings
        active_at = self.last_active(now)
        if self.frame_deadline is not None and now > self.frame_deadline:
            return "a request took too long to arrive"
        if self.write_deadline is not None and now > self.write_deadline:
            return "responses were not received"
        if not self._exchanges and not self._sending and (now - active_at) * 1000 > settings.connection_idle_ms:
            return f"idle for {settings.connection_idle_ms // 1000} s"
        return None

    # ---- reading ------------------------------------------------------------------------------------------------

    async def _read_frames(self) -> None:
        """Read and handle requests until the peer sends no more.

        A connection that waits for bytes holds nothing but the beginning of the next request. It borrows a buffer when
        there is something to receive, and large requests are received into memory of their own.
        """
        heads, turns = self._heads, self.turns
        rest = b""
        while not self.stopping:
            if self.session.muted_until is not None:
                await self._stay_muted()
            if len(rest) >= KIND_END:
                length = int.from_bytes(rest[:LENGTH_BYTES], "big", signed=True)
                self._check_kind(length, rest)
                if len(rest) > REST_BYTES_MAX or length + LENGTH_BYTES > HEAD_BYTES:
                    frame = await self._large_frame(length, memoryview(rest)[LENGTH_BYTES:])
                    rest = b""
                    await self._handle(frame)
                    continue
            polls = self._should_poll()
            if not polls:
                await self._transport.wait_readable()
            head = heads.borrow()
            try:
                head[: len(rest)] = rest
                received = await self._receive(memoryview(head)[len(rest) :], polls=polls)
                if received is None:
                    continue
                if not received:
                    return
                self._is_active = True
                rest = await self._handle_frames(head, len(rest) + received)
            finally:
                heads.give_back(head)
            if turns.clock() > turns.ends_at:
                await turns.wait(self.account)

    async def _handle_frames(self, head: bytearray, filled: int) -> bytes:
        """Handle the requests that are complete; the beginning of the next one."""
        start = 0
        while filled - start >= LENGTH_BYTES and not self.stopping:
            length = int.from_bytes(head[start : start + LENGTH_BYTES], "big", signed=True)
            self._check_length(length)
            end = start + LENGTH_BYTES + length
            if end > filled:
                break
            # A copy, because the buffer is used again, and a request is kept for as long as its batches are.
            frame = memoryview(bytes(memoryview(head)[start + LENGTH_BYTES : end]))
            start = end
            if self.session.muted_until is not None:
                await self._stay_muted()
            await self._handle(frame)
        rest = bytes(memoryview(head)[start:filled])
        if rest and self.frame_deadline is None:
            self._set_frame_deadline(len(rest))
        return rest

    async def _stay_muted(self) -> None:
        # The rest of a frame cannot arrive while nothing is read; its time starts over afterwards.
        self.frame_deadline = None
        while (until := self.session.muted_until) is not None:
            if self._runtime.monotonic() >= until:
                self.session.muted_until = None
            else:
                await trio.sleep_until(until)

    def _should_poll(self) -> bool:
        polling = self._busy_polling
        if self._exchanges:
            self._transport.acknowledge()
            return False
        return polling.last_served is self and polling.limit_s > 0 and self._poll_history.should_poll()

    async def _receive(self, memory: memoryview, *, polls: bool) -> int | None:
        """How many bytes were received, 0 at the end; None when polling was in vain."""
        polling = self._busy_polling
        if polls:
            polled = self._transport.poll_into(memory, polling.limit_s, self._runtime.stopwatch)
            self._poll_history.record(polled is not None)
            return polled
        received = await self._transport.receive_into(memory)
        polling.last_served = self
        return received

    def _check_length(self, length: int) -> None:
        if length < 0 or length > self._settings.frame_bytes_max:
            raise CloseConnection(
                f"a frame of {length} bytes was announced; 0 to {self._settings.frame_bytes_max} are allowed "
                "(a client that speaks TLS or HTTP to this port looks like this)"
            )

    def _check_kind(self, length: int, beginning: bytes) -> None:
        api_key = int.from_bytes(beginning[LENGTH_BYTES:KIND_END], "big", signed=True)
        if length > self._settings.other_frame_bytes_max and api_key != PRODUCE:
            raise CloseConnection(
                f"a request of {length} bytes without records was announced (API key {api_key}); "
                f"at most {self._settings.other_frame_bytes_max} are allowed"
            )

    def _set_frame_deadline(self, length: int) -> None:
        self.frame_deadline = self._runtime.monotonic() + self._frame_allowance_s(length)

    def _frame_allowance_s(self, length: int) -> float:
        return self._settings.frame_patience_ms / 1000 + length / self._settings.frame_bytes_per_s_min

    async def _large_frame(self, length: int, beginning: memoryview) -> memoryview:
        """Receive into a buffer of the frame's own size; only the beginning, which is here already, is copied."""
        room = self._arrivals.room_for(length)
        arrival = room.begin(self._give_way_in_frame)
        try:
            frame = self._pool.lease(length)
            filled = len(beginning)
            frame[:filled] = beginning
            while filled < length:
                # Time in which it may not receive does not count.
                self.frame_deadline = None
                ahead = await room.take(arrival, filled, length - filled)
                self.frame_deadline = arrival.begun_at + self._frame_allowance_s(length)
                received = await self._transport.receive_into(frame[filled : filled + ahead])
                if not received:
                    raise trio.BrokenResourceError("the peer left in the middle of a frame")
                filled += received
                arrival.received = filled
                if self.turns.clock() > self.turns.ends_at:
                    await self.turns.wait(self.account)
            self._is_active = True
            return frame
        finally:
            room.end(arrival)

    def _give_way_in_frame(self) -> None:
        self.give_way("a request arrived too slowly while others waited for room")

    async def _handle(self, frame: memoryview) -> None:
        self.frame_deadline = None
        turns = self.turns
        if turns.clock() > turns.ends_at:
            await turns.wait(self.account)
        if not self._newest_task_runs or self._next_waits_for is not None:
            await self._wait_for_earlier()
        exchange = Exchange(self, len(frame))
        self._exchanges.append(exchange)
        self._bytes_in_flight += exchange.request_bytes
        begun = turns.clock()
        pending = self._dispatch(self, frame, exchange)
        turns.charge(self.account, begun)
        if pending is not None:
            await pending
        while self._must_wait():
            self._progress = trio.Event()
            await self._progress.wait()
        room = self._hold()
        if room is not None:
            await room

    async def _wait_for_earlier(self) -> None:
        while not self._newest_task_runs:
            # Trio runs tasks that were started together in random order; requests must begin in theirs.
            await trio.lowlevel.checkpoint()
        if self._next_waits_for is not None:
            await self._next_waits_for.wait()
            self._next_waits_for = None

    def hold_next(self, until: Future[None]) -> None:
        """Look at no further request of this connection before `until` is done."""
        if not until.is_done:
            assert self._next_waits_for is None, "a request holds the next one once"
            self._next_waits_for = until

    def spawn(self, function: Callable[[*Ts], Awaitable[None]], *args: *Ts) -> None:
        """Run `function` in a task that ends with the connection; `tasks_in_flight_max` counts it."""
        assert self._nursery is not None, "the connection is not running"
        self._tasks += 1
        self._newest_task_runs = False
        self._nursery.start_soon(self._run_task, function, args)

    async def _run_task(self, function: Callable[[*Ts], Awaitable[None]], args: tuple[*Ts]) -> None:
        self._newest_task_runs = True
        try:
            await function(*args)
        finally:
            self._tasks -= 1
            self._made_progress()

    def _must_wait(self) -> bool:
        settings = self._settings
        return (
            len(self._exchanges) >= settings.requests_in_flight_max
            or self._tasks >= settings.tasks_in_flight_max
            or self._bytes_in_flight >= settings.request_bytes_in_flight_max
            or self._unsent_bytes + self._held_bytes >= settings.unsent_bytes_max
            or (self._unsent_bytes + self._held_bytes > 0 and self._node_unsent.is_full)
        )

    # ---- sending ------------------------------------------------------------------------------------------------

    def send_ready(self) -> None:
        """Send every response whose turn has come, as far as the socket takes it."""
        if self._node_unsent.holds(self):
            return
        exchanges = self._exchanges
        while exchanges and exchanges[0].is_ready:
            exchange = exchanges.popleft()
            self._bytes_in_flight -= exchange.request_bytes
            if exchange.counted_bytes and not self.closed:
                self.count_held(-exchange.counted_bytes)
            if exchange.pieces and not self.closed:
                self._unsent += exchange.pieces
                if self._sending:
                    self._count(sum(len(piece) for piece in exchange.pieces))
            exchange.pieces = None
        self._is_active = True
        if self._unsent and not self._sending and not self.closed:
            try:
                self._keep_unsent(self._transport.send_nowait(self._unsent))
            except trio.BrokenResourceError:
                self.close()
                return
            if self._unsent and self._nursery is not None:
                self._sending = True
                self.received_at = self._runtime.monotonic()
                self._node_unsent.sending[self] = None
                self._nursery.start_soon(self._send_rest)
        self._made_progress()

    async def _send_rest(self) -> None:
        stall_s = self._settings.write_patience_ms / 1000
        try:
            while self._unsent:
                self.received_at = self._runtime.monotonic()
                self.write_deadline = self.received_at + stall_s
                pieces, self._unsent = self._unsent, []
                unsent = await self._transport.send(pieces)
                if self.closed:
                    return
                # More responses may have become ready while this one was being sent.
                self._keep_unsent([*unsent, *self._unsent] if self._unsent else unsent)
                self._made_progress()
        finally:
            self._sending, self.write_deadline = False, None
            if not self._held_bytes:
                self._node_unsent.sending.pop(self, None)
        self._made_progress()

    def _keep_unsent(self, pieces: list[Buffer]) -> None:
        if not pieces and not self._unsent_bytes:
            self._unsent = pieces
            return
        self._count(sum(len(piece) for piece in pieces) - self._unsent_bytes)
        self._unsent = pieces

    def _count(self, more: int) -> None:
        self._unsent_bytes += more
        self._node_unsent.bytes += more

    def count_held(self, more: int) -> None:
        """Count bytes of a response that is being built, or that waits for an earlier one."""
        unsent = self._node_unsent
        if not self._held_bytes and not self._sending:
            self.received_at = self._runtime.monotonic()
            unsent.sending[self] = None
        self._held_bytes += more
        unsent.bytes += more
        if not self._held_bytes and not self._sending:
            unsent.sending.pop(self, None)

    def _made_progress(self) -> None:
        if not self._progress.is_set():
            self._progress.set()
        if self.stopping and not self._exchanges and not self._unsent and not self._sending:
            self.close()

    async def _finish_all(self) -> None:
        """The peer sends nothing more, or the node stops: answer the requests in flight."""
        while (self._exchanges or self._unsent or self._sending) and not self.closed:
            self._progress = trio.Event()
            await self._progress.wait()
