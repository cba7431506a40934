"""GET /metrics: the metrics page, in the format that the scraper asks for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import trio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

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
        headers = {
            "content-type": page.content_type,
            # Known beforehand, so the response is not chunked and a HEAD request is told the length.
            "content-length": str(sum(map(len, page.pieces))),
            "cache-control": "no-store",
        }
        return StreamingResponse(_chunks(page.pieces), headers=headers)

    return Route("/metrics", metrics, methods=["GET"])


async def _chunks(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            yield piece[start : start + CHUNK_BYTES]
