"""As much of HTTP/1.1 as a scraper needs, sans-IO: heads in, whole answers out. Refuses bodies and every other verb."""

from http import HTTPStatus
from typing import Final

import msgspec

TEXT: Final = "text/plain; charset=utf-8"
END_OF_HEAD: Final = b"\r\n\r\n"
METHODS: Final = ("GET", "HEAD")


class Request(msgspec.Struct, frozen=True):
    """What was asked. `path` is without its query."""

    method: str
    path: str
    keeps_open: bool


class Refusal(Exception):
    """What cannot be answered: the connection ends after this answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def parse_head(head: bytes) -> Request:
    """A request from its head, the empty line left out. Raises: Refusal."""
    try:
        lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "A head of HTTP has only ASCII.") from None
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):
        raise Refusal(HTTPStatus.BAD_REQUEST, "This port speaks HTTP/1.1.")
    method, target, version = parts
    if version not in {"HTTP/1.0", "HTTP/1.1"}:
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This port speaks HTTP/1.1.")
    if method not in METHODS:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are answered.")
    if not target.startswith("/"):
        raise Refusal(HTTPStatus.BAD_REQUEST, "Ask for a path of this server, as in GET /metrics.")
    headers = _headers(lines[1:])
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Refusal(HTTPStatus.CONTENT_TOO_LARGE if hasattr(HTTPStatus, "CONTENT_TOO_LARGE")
                      else HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A request here has no body.")  # fmt: skip
    wish = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close").lower()
    return Request(method, target.partition("?")[0], keeps_open="close" not in wish)


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        # Folded lines and blanks before the colon have been used to smuggle requests past proxies.
        if not colon or not name or name != name.strip():
            raise Refusal(HTTPStatus.BAD_REQUEST, "A header is a name, a colon and a value.")
        headers[name.lower()] = value.strip()
    return headers


def answer_head(status: HTTPStatus, length: int, *, keeps_open: bool, content_type: str = TEXT) -> bytes:
    """The head of an answer whose body has `length` bytes."""
    allow = f"Allow: {', '.join(METHODS)}\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {length}\r\n"
        f"Cache-Control: no-store\r\n{allow}"
        f"Connection: {'keep-alive' if keeps_open else 'close'}\r\n\r\n"
    ).encode("ascii")
