"""The metrics door: a few connections, each with deadlines, and one page built at a time."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TypeAlias

import structlog
import trio

from higgins.web.exposition import CONTENT_TYPE
from higgins.web.http import END_OF_HEAD, TEXT, Refusal, Request, answer_head, parse_head
from higgins.web.settings import WebSettings

log = structlog.get_logger("higgins.web")

RECEIVE_BYTES = 4096

Page: TypeAlias = Callable[[], Awaitable[Sequence[bytes]]]


class MetricsServer:
    """Answers GET /metrics with a page, and everything else with a sentence."""

    def __init__(self, page: Page, settings: WebSettings) -> None:
        self._page = page
        self._settings = settings
        self._connections = 0
        # Two scrapers at once would hold two pages in memory and the loop for twice as long.
        self._turn = trio.Lock()

    async def run(self, sock: socket.socket) -> None:
        """Serve everybody who connects to a listening socket, until cancelled."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        await trio.serve_listeners(self.serve, [listener])

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end. Whatever happens on it ends it alone."""
        if self._connections >= self._settings.connections_max:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            await self._converse(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            pass
        except Exception:
            # The connection's edge: who watches a node must not be able to stop it.
            log.exception("metrics.failed")
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.abc.Stream) -> None:
        left = b""
        keeps_open = True
        while keeps_open:
            try:
                head, left = await self._head(stream, left)
                if head is None:
                    return
                request = parse_head(head)
                keeps_open = request.keeps_open
                await self._answer(stream, request)
            except Refusal as refusal:
                await self._send(stream, refusal.status, [f"{refusal.sentence}\n".encode()], keeps_open=False)
                return

    async def _head(self, stream: trio.abc.Stream, came: bytes) -> tuple[bytes | None, bytes]:
        """The next head, and what came behind it; None at the end, or when nothing comes for too long."""
        with trio.move_on_after(self._settings.idle_ms / 1000) as patience:
            while END_OF_HEAD not in came:
                if len(came) > self._settings.head_bytes_max:
                    raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of this request is too large.")
                if came:
                    hurry = trio.current_time() + self._settings.head_patience_ms / 1000
                    patience.deadline = min(patience.deadline, hurry)
                more = await stream.receive_some(RECEIVE_BYTES)
                if not more:
                    return None, b""
                came += more
            head, _, left = bytes(came).partition(END_OF_HEAD)
            return head, left
        return None, b""

    async def _answer(self, stream: trio.abc.Stream, request: Request) -> None:
        if request.path == "/metrics":
            async with self._turn:
                pieces, status, kind = await self._page(), HTTPStatus.OK, CONTENT_TYPE
        else:
            pieces, status, kind = [b"Metrics are at /metrics.\n"], HTTPStatus.OK, TEXT
            if request.path != "/":
                status = HTTPStatus.NOT_FOUND
        await self._send(
            stream,
            status,
            pieces,
            keeps_open=request.keeps_open,
            content_type=kind,
            has_body=request.method != "HEAD",
        )

    async def _send(
        self,
        stream: trio.abc.Stream,
        status: HTTPStatus,
        pieces: Sequence[bytes],
        *,
        keeps_open: bool,
        content_type: str = TEXT,
        has_body: bool = True,
    ) -> None:
        length = sum(map(len, pieces))
        with trio.fail_after(self._settings.write_patience_ms / 1000):
            await stream.send_all(answer_head(status, length, keeps_open=keeps_open, content_type=content_type))
            for piece in pieces if has_body else ():
                await stream.send_all(piece)
