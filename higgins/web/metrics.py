"""GET /metrics: the metrics page, in the format that the scraper asks for."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from higgins.web.page import Page

CHUNK_BYTES: Final = 64 * 1024
"""How much is sent at once: the time limit of sending applies to each chunk."""

BuildPage: TypeAlias = Callable[[str], Awaitable[Page]]
"""Builds a page in the format that an Accept header prefers."""


def metrics_route(build_page: BuildPage) -> Route:
    """The route. It builds one page at a time: two scrapers at once would hold two pages in memory."""
    turn = trio.Lock()

    async def metrics(request: Request) -> Response:
        async with turn:
            page = await build_page(request.headers.get("accept", ""))
        return PageResponse(page)

    return Route("/metrics", metrics, methods=["GET"])


class PageResponse(Response):
    """A page, sent piece by piece. Its length is known, so it is not chunked and HEAD is told the length.

    Not starlette's StreamingResponse, which is for bodies that are still being made: it runs a second task that waits
    for the client to leave.
    """

    def __init__(self, page: Page) -> None:
        self.status_code = HTTPStatus.OK
        self.background = None
        self._pieces = page.pieces
        length = sum(map(len, page.pieces))
        self.init_headers(
            {"content-type": page.content_type, "content-length": str(length), "cache-control": "no-store"}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces:
            for start in range(0, len(piece), CHUNK_BYTES):
                chunk = piece[start : start + CHUNK_BYTES]
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
