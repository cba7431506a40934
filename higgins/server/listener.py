"""Listeners: accept connections within limits, close those that are overdue, stop in an orderly way."""

import errno
import socket
from collections.abc import Awaitable, Callable

import structlog
import trio

from higgins.model.errors import Unfit
from higgins.runtime import Runtime
from higgins.server.arriving import Arrivals
from higgins.server.buffers import BufferPool, Heads
from higgins.server.busy_poll import BusyPolling
from higgins.server.connection import Connection, Dispatch
from higgins.server.settings import Listener, ServerSettings
from higgins.server.transport import SocketTransport, Transport
from higgins.server.turns import Account, Turns
from higgins.server.unsent import Unsent
from higgins.telemetry.metrics import ConnectionCounts

log = structlog.get_logger("higgins.server")

SWEEP_S = 5.0
DESCRIPTORS_SHORT_S = 0.1


def open_socket(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket. Raises: Unfit, with the fix, when the address cannot be used."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unfit(f"Cannot listen on {host}:{port}: {error.strerror}. Give an address of this machine.") from error
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise Unfit(f"Cannot listen on {host}:{port}: {error.strerror}. {_fix(error)}") from error
    sock.setblocking(False)
    return sock


def _fix(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "Another process has this port (perhaps a Kafka, or another Higgins): stop it, or choose with --listen."
    if error.errno == errno.EACCES:
        return "Ports below 1024 need privileges: choose a higher one with --listen."
    return "Give an address of this machine with --listen."


class Server:
    """All connections of a node, over all its listeners."""

    def __init__(
        self,
        runtime: Runtime,
        dispatch: Dispatch,
        settings: ServerSettings,
        *,
        unsent: Unsent,
        turns: Turns,
        counts: ConnectionCounts,
        hold: Callable[[], Awaitable[None] | None],
    ) -> None:
        self._runtime = runtime
        self._dispatch = dispatch
        self._settings = settings
        self._hold = hold
        self._pool = BufferPool()
        self._heads = Heads()
        self._arrivals = Arrivals(
            runtime.monotonic, settings.arriving_bytes_max, settings.frame_bytes_per_s_min
        )
        self.turns = turns
        self._addresses: dict[str, dict[Connection, None]] = {}
        self.connections: dict[Connection, None] = {}
        self._counts = counts
        self._unsent = unsent
        self._busy_polling = BusyPolling(settings.busy_poll_us)
        self._made_room = 0
        """How many connections were closed because another address needed their places."""

    async def serve_socket(self, sock: socket.socket, listener: Listener, nursery: trio.Nursery) -> None:
        """Accept until cancelled; connections live in `nursery`, so that they may outlive the listener."""
        account = Account()
        while True:
            if self.turns.is_over():
                await self.turns.wait(account)
            try:
                accepted, _ = sock.accept()
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)
                continue
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    log.warning("listener.short", why=error.strerror, fix="raise the limit of open files (ulimit -n)")
                    await trio.sleep(DESCRIPTORS_SHORT_S)
                # Any other error concerns a peer that has left already.
                continue
            try:
                transport = SocketTransport(accepted)
            except OSError:
                accepted.close()
                continue
            if self._admits(transport.peer_host):
                nursery.start_soon(self.serve, transport, listener)
            else:
                self._counts.refused += 1
                transport.close()

    async def serve(self, transport: Transport, listener: Listener) -> None:
        """Serve one peer until its connection ends. A fault of ours ends the connection, never the node."""
        connection = Connection(
            transport,
            listener,
            self._dispatch,
            runtime=self._runtime,
            pool=self._pool,
            settings=self._settings,
            unsent=self._unsent,
            busy_polling=self._busy_polling,
            turns=self.turns,
            arrivals=self._arrivals,
            heads=self._heads,
            note=self._note_closed,
            hold=self._hold,
        )
        self.connections[connection] = None
        self._counts.accepted += 1
        self._addresses.setdefault(transport.peer_host, {})[connection] = None
        try:
            await connection.run()
        except* Exception as group:
            self._counts.failed += 1
            log.error("connection.failed", peer=transport.peer_host, exc_info=group)
        finally:
            self._counts.closed += 1
            self.connections.pop(connection, None)
            of_address = self._addresses[transport.peer_host]
            del of_address[connection]
            if not of_address:
                del self._addresses[transport.peer_host]

    def configure(self, settings: ServerSettings) -> None:
        """Use other limits from now on; existing connections keep theirs."""
        self._settings = settings

    async def sweep(self) -> None:
        """Close connections that are overdue: one timer for the node instead of three for each connection."""
        while True:
            await trio.sleep(SWEEP_S)
            now = self._runtime.monotonic()
            for connection in list(self.connections):
                why = connection.overdue(now)
                if why is not None:
                    self._counts.overdue += 1
                    self._note_closed(connection.session.peer_host, why)
                    connection.close()
            self._unsent.make_room(now)
            self._counts.gave_way = self._unsent.gave_way + self._arrivals.gave_way + self._made_room

    def stop_reading(self) -> None:
        """Ask every connection to finish its requests and close."""
        for connection in list(self.connections):
            connection.stop()

    def _admits(self, host: str) -> bool:
        """Whether there is a place for one more connection of this address; makes one, if others have taken them all.

        Nobody can know how many connections an address needs: thousands of clients may share that of a proxy. So an
        address may take all places, and gives them back as others need them: when a node is full, the address with the
        most connections loses the one that has been idle longest, as long as it has more than the newcomer's.
        """
        settings, of_host = self._settings, self._addresses.get(host, {})
        if settings.connections_per_address_max and len(of_host) >= settings.connections_per_address_max:
            return False
        if len(self.connections) < settings.connections_max:
            return True
        of_greatest = max(self._addresses.values(), key=len, default=of_host)
        if len(of_greatest) <= len(of_host) + 1:
            return False
        now = self._runtime.monotonic()
        open_ones = [one for one in of_greatest if not one.closed]
        if not open_ones:
            return False
        self._made_room += 1
        min(open_ones, key=lambda one: one.last_active(now)).give_way("another address needs the place")
        return True

    def _note_closed(self, peer: str, why: str) -> None:
        log.info("connection.closed", peer=peer, why=why)
