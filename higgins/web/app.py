"""The HTTP app: the list of its routes, its answers to what no route takes, and how a node serves it.

To add a route, write it in a module of its own and add it to `node_routes`.
"""

import socket
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from higgins.web.metrics import metrics_route
from higgins.web.page import build_page
from higgins.web.server import HttpServer
from higgins.web.settings import WebSettings
from higgins.web.sources import Sources

log = structlog.get_logger("higgins.web")

INDEX: Final = "Metrics are at /metrics.\n"
"""What / answers, and every path that no route takes."""

NO_STORE: Final = {"cache-control": "no-store"}


async def serve_http(sources: Sources, settings: WebSettings, sock: socket.socket) -> None:
    """Serve a node's routes to whoever connects to a listening socket, until cancelled."""
    app = create_app(node_routes(sources, settings), body_bytes_max=settings.body_bytes_max)
    await HttpServer(app, settings).run(sock)


def node_routes(sources: Sources, settings: WebSettings) -> list[BaseRoute]:
    """Every route of a node."""
    return [
        Route("/", index, methods=["GET"]),
        metrics_route(partial(build_page, sources, settings.page_bytes_max)),
    ]


def create_app(routes: Sequence[BaseRoute], *, body_bytes_max: int) -> Starlette:
    """An app of these routes. It has no lifespan: what routes need is started and stopped by the broker."""
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _refused, Exception: _failed},
        max_body_size=body_bytes_max,
    )


async def index(request: Request) -> Response:
    """Where things are."""
    return PlainTextResponse(INDEX, headers=NO_STORE)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = INDEX if error.status_code == HTTPStatus.NOT_FOUND else f"{error.detail}.\n"
    return PlainTextResponse(text, error.status_code, headers={**NO_STORE, **(error.headers or {})})


async def _failed(request: Request, error: Exception) -> Response:
    log.error("web.request_failed", path=request.url.path, exc_info=error)
    return PlainTextResponse("The broker failed to answer this request; its log says why.\n", 500, headers=NO_STORE)
