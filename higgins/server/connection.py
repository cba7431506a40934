"""One connection: request frames in, responses out in the order of their requests.

Most requests are answered by the reading task itself, before the next frame is looked at. A request that must wait is
answered later, by whatever component completes it, or by a task of its own. A response that becomes ready at the head
of the queue is sent immediately by the code that completed it; only when the socket is full does a sending task take
over.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVarTuple

import structlog
import trio

from higgins.model.future import Future
from higgins.model.pointer import Buffer
from higgins.runtime import Runtime
from higgins.server.buffers import BufferPool
from higgins.server.busy_poll import BusyPolling, PollHistory
from higgins.server.order import RequestOrder
from higgins.server.session import ConnectionSession
from higgins.server.settings import Listener, ServerSettings
from higgins.server.transport import Transport

log = structlog.get_logger("higgins.server")

Ts = TypeVarTuple("Ts")

HEAD_BYTES = 64 << 10
READS_BEFORE_YIELD = 16
"""How many receives that did not have to wait are done before other tasks get a turn."""

Dispatch: TypeAlias = Callable[["Connection", memoryview, "Exchange"], Awaitable[None] | None]
"""Handles one request frame and calls `Exchange.answer` once, now or later. What it returns is awaited before the next
frame is looked at. Raises: CloseConnection."""


class Unsent:
    """Bytes of responses that clients have not received yet, over all connections of a node; and a cork on sending.

    The cork serves the log writer: one commit completes many produce requests, and their responses to one connection
    are cheaper to send in one system call than one by one.
    """

    __slots__ = ("_corks", "_held", "bytes")

    def __init__(self) -> None:
        self.bytes = 0
        self._corks = 0
        self._held: dict[Connection, None] = {}

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Hold responses back inside the block; at its end each connection sends all of its own together."""
        self._corks += 1
        try:
            yield
        finally:
            self._corks -= 1
            if not self._corks:
                held, self._held = self._held, {}
                for connection in held:
                    connection.send_ready()

    def holds(self, connection: "Connection") -> bool:
        """Whether the cork is in, so that `connection` must not send now; it is sent for when the cork comes out."""
        if self._corks:
            self._held[connection] = None
        return self._corks > 0


class CloseConnection(Exception):
    """The peer sent something that cannot be understood, and the connection must be closed; the message is logged."""


class Exchange:
    """One request of a connection, from its frame to its response."""

    __slots__ = ("connection", "is_ready", "pieces", "request_bytes")

    def __init__(self, connection: "Connection", request_bytes: int) -> None:
        self.connection = connection
        self.request_bytes = request_bytes
        self.pieces: Sequence[Buffer] | None = None
        self.is_ready = False

    def answer(self, pieces: Sequence[Buffer] | None) -> None:
        """Give the whole response frame in pieces, or None for a request without a response. Call it once.

        It is sent once every earlier request of the connection has its response.
        """
        assert not self.is_ready, "a request is answered once"
        self.pieces = pieces
        self.is_ready = True
        self.connection.send_ready()


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
        hold: Callable[[], Awaitable[None] | None],
    ) -> None:
        """`hold` is called after each request: None, or what to await first (the log has no room)."""
        self._transport = transport
        self.session = ConnectionSession(listener, transport.peer_host)
        self.order = RequestOrder()
        self._dispatch = dispatch
        self._runtime = runtime
        self._pool = pool
        self._settings = settings
        self._hold = hold
        self._node_unsent = unsent
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
        self._sending = False
        self._progress = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._head = bytearray(4096)
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
            log.info("connection.closed", peer=self.session.peer_host, why=str(group.exceptions[0]))
        finally:
            self.close()

    def close(self) -> None:
        """Close immediately; responses that are still due are dropped."""
        if not self.closed:
            self.closed = True
            self._keep_unsent([])
            self._transport.close()
            if self._nursery is not None:
                self._nursery.cancel_scope.cancel()

    def stop(self) -> None:
        """Read no further request; close once every request has its response."""
        self.stopping = True
        if not self._exchanges and not self._unsent:
            self.close()

    def overdue(self, now: float) -> str | None:
        """Why the connection should be closed now, or None."""
        settings = self._settings
        if self._is_active:
            # The hot path only sets a flag: reading the clock for each request would cost more than this sweep does.
            self._is_active = False
            self.active_at = now
        if self.frame_deadline is not None and now > self.frame_deadline:
            return "a request took too long to arrive"
        if self.write_deadline is not None and now > self.write_deadline:
            return "responses were not received"
        if not self._exchanges and not self._sending and (now - self.active_at) * 1000 > settings.connection_idle_ms:
            return f"idle for {settings.connection_idle_ms // 1000} s"
        return None

    # ---- reading ------------------------------------------------------------------------------------------------

    async def _read_frames(self) -> None:
        filled = start = 0
        unawaited = 0
        while not self.stopping:
            if self.session.muted_until is not None:
                await self._stay_muted()
            if filled - start >= 4:
                length = int.from_bytes(self._head[start : start + 4], "big", signed=True)
                self._check_length(length)
                end = start + 4 + length
                if end <= filled:
                    frame = memoryview(bytes(memoryview(self._head)[start + 4 : end]))
                    start = end
                    await self._handle(frame)
                    continue
                if length + 4 > HEAD_BYTES:
                    frame = await self._large_frame(length, memoryview(self._head)[start + 4 : filled])
                    filled = start = 0
                    await self._handle(frame)
                    continue
                if self.frame_deadline is None:
                    self._set_frame_deadline(length)
            if start:
                self._head[: filled - start] = self._head[start:filled]
                filled, start = filled - start, 0
            if filled == len(self._head):
                # A connection that sends little keeps a small buffer; ten thousand of them would hold 640 MB otherwise.
                self._head.extend(bytes(HEAD_BYTES - filled))
            received = await self._receive(memoryview(self._head)[filled:])
            if not received:
                return
            filled += received
            self._is_active = True
            unawaited += 1
            if unawaited >= READS_BEFORE_YIELD:
                unawaited = 0
                await trio.lowlevel.checkpoint()

    async def _stay_muted(self) -> None:
        # The rest of a frame cannot arrive while nothing is read; its time starts over afterwards.
        self.frame_deadline = None
        while (until := self.session.muted_until) is not None:
            if self._runtime.monotonic() >= until:
                self.session.muted_until = None
            else:
                await trio.sleep_until(until)

    async def _receive(self, memory: memoryview) -> int:
        polling = self._busy_polling
        if self._exchanges:
            self._transport.acknowledge()
        elif polling.last_served is self and polling.limit_s and self._poll_history.should_poll():
            polled = self._transport.poll_into(memory, polling.limit_s, self._runtime.stopwatch)
            self._poll_history.record(polled is not None)
            if polled is not None:
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

    def _set_frame_deadline(self, length: int) -> None:
        allowance_s = self._settings.frame_patience_ms / 1000 + length / self._settings.frame_bytes_per_s_min
        self.frame_deadline = self._runtime.monotonic() + allowance_s

    async def _large_frame(self, length: int, beginning: memoryview) -> memoryview:
        """Receive into a buffer of the frame's own size; only the beginning, which is here already, is copied."""
        self._set_frame_deadline(length)
        frame = self._pool.lease(length)
        filled = len(beginning)
        frame[:filled] = beginning
        beginning.release()
        while filled < length:
            received = await self._transport.receive_into(frame[filled:])
            if not received:
                raise trio.BrokenResourceError("the peer left in the middle of a frame")
            filled += received
        self._is_active = True
        return frame

    async def _handle(self, frame: memoryview) -> None:
        self.frame_deadline = None
        if not self._newest_task_runs or self._next_waits_for is not None:
            await self._wait_for_earlier()
        exchange = Exchange(self, len(frame))
        self._exchanges.append(exchange)
        self._bytes_in_flight += exchange.request_bytes
        pending = self._dispatch(self, frame, exchange)
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
            or self._unsent_bytes >= settings.unsent_bytes_max
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
            if exchange.pieces:
                self._unsent += exchange.pieces
                if self._sending:
                    self._count(sum(len(piece) for piece in exchange.pieces))
        self._is_active = True
        if self._unsent and not self._sending and not self.closed:
            try:
                self._keep_unsent(self._transport.send_nowait(self._unsent))
            except trio.BrokenResourceError:
                self.close()
                return
            if self._unsent and self._nursery is not None:
                self._sending = True
                self._nursery.start_soon(self._send_rest)
        self._made_progress()

    async def _send_rest(self) -> None:
        stall_s = self._settings.write_patience_ms / 1000
        try:
            while self._unsent:
                self.write_deadline = self._runtime.monotonic() + stall_s
                pieces, self._unsent = self._unsent, []
                unsent = await self._transport.send(pieces)
                # More responses may have become ready while this one was being sent.
                self._keep_unsent([*unsent, *self._unsent] if self._unsent else unsent)
                self._made_progress()
        finally:
            self._sending = False
            self.write_deadline = None
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
