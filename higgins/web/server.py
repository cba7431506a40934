"""The HTTP server: anycorn speaks HTTP, and this module adds the limits that anycorn does not have.

anycorn is hypercorn on anyio, so it runs on trio; of the two it is the one with releases (hypercorn's last is a year
old, and anycorn has fixed bugs that are still open there, among them an OSError that escapes from trio connections).
It bounds request heads, and the time that they take. What it does not bound:

- the number of connections;
- the time that a client takes to accept a response. It sends in a shielded scope without a deadline, so one client that
  stops reading would keep the broker from stopping;
- a connection that stays idle after a StreamingResponse: starlette cancels the sender before anycorn has started its
  idle timer.

Therefore connections are accepted here. Each is served by anycorn's handler on a stream that limits every send, and
that is closed when nothing passes over it for too long, and when the server is cancelled. anycorn's own `serve` is not
used. Nothing here installs a signal handler or writes to standard error.
"""

import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import anyio
import structlog
import trio
from anycorn.config import Config
from anycorn.tcp_server import tcp_server_handler
from anycorn.typing import ASGIFramework, ConnectionState, LifespanState
from anycorn.utils import wrap_app
from anycorn.worker_context import WorkerContext
from anyio.abc import ByteStream, SocketListener
from starlette.types import ASGIApp

from higgins.web.settings import WebSettings

log = structlog.get_logger("higgins.web")

ACCEPT_RETRY_S: Final = 0.1
"""How long to wait when no connection can be accepted, as when the process has no file descriptors left."""


class HttpServer:
    """Serves an ASGI app over HTTP/1.1 and HTTP/2."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._settings = settings
        self._streams: set[LimitedStream] = set()
        self._handle = tcp_server_handler(
            wrap_app(cast(ASGIFramework, app), 0, "asgi"),
            _config(settings),
            WorkerContext(max_requests=None),
            ConnectionState(LifespanState({})),
        )

    async def run(self, sock: socket.socket) -> None:
        """Serve everybody who connects to a listening socket, until cancelled."""
        async with await SocketListener.from_socket(sock) as listener, trio.open_nursery() as connections:
            try:
                while True:
                    await self._accept(listener, connections)
            finally:
                # Ends the sends that anycorn shields from cancellation. It is shielded itself, or cancellation would
                # be raised as soon as the first stream was closed. Closing a socket does not wait.
                with trio.CancelScope(shield=True):
                    for stream in list(self._streams):
                        await anyio.aclose_forcefully(stream)

    async def _accept(self, listener: SocketListener, connections: trio.Nursery) -> None:
        try:
            stream = LimitedStream(await listener.accept(), self._settings.write_patience_ms / 1000)
        except (OSError, anyio.BrokenResourceError) as error:
            log.warning("web.accept_failed", error=str(error))
            await trio.sleep(ACCEPT_RETRY_S)
            return
        if len(self._streams) >= self._settings.connections_max:
            await anyio.aclose_forcefully(stream)
            return
        self._streams.add(stream)
        connections.start_soon(self._serve, stream)

    async def _serve(self, stream: "LimitedStream") -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._close_when_idle, stream, nursery.cancel_scope)
                await self._handle(stream)
                nursery.cancel_scope.cancel()
        except Exception:
            # The connection's edge: a client of HTTP must not be able to stop the node.
            log.exception("web.connection_failed")
        finally:
            self._streams.discard(stream)
            await anyio.aclose_forcefully(stream)


    async def _close_when_idle(self, stream: "LimitedStream", connection: trio.CancelScope) -> None:
        idle_s = self._settings.idle_ms / 1000
        while (remaining_s := stream.active_at + idle_s - trio.current_time()) > 0:
            await trio.sleep(remaining_s)
        connection.cancel()
        await anyio.aclose_forcefully(stream)


class LimitedStream(ByteStream):
    """A connection whose sends have a time limit. One that takes longer closes the connection."""

    def __init__(self, stream: anyio.abc.SocketStream, send_s: float) -> None:
        self._stream = stream
        self._send_s = send_s
        self.active_at = trio.current_time()
        """When bytes last passed in either direction."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """The next bytes of the client."""
        received = await self._stream.receive(max_bytes)
        self.active_at = trio.current_time()
        return received

    async def send(self, item: bytes) -> None:
        """Send all of it. Raises: BrokenResourceError, also when it takes too long."""
        with trio.move_on_after(self._send_s) as limit:
            await self._stream.send(item)
        if limit.cancelled_caught:
            await anyio.aclose_forcefully(self._stream)
            raise anyio.BrokenResourceError
        self.active_at = trio.current_time()

    async def send_eof(self) -> None:
        """Close the sending half."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """anycorn asks for the socket's addresses here."""
        return self._stream.extra_attributes


def _config(settings: WebSettings) -> Config:
    config = Config()
    # Failures of routes are logged by the app, with structlog like everything else.
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.h11_max_incomplete_size = settings.head_bytes_max
    config.h2_max_header_list_size = settings.head_bytes_max
    config.keep_alive_timeout = settings.idle_ms / 1000
    return config
