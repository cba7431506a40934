"""A proxy that completes fake-gcs-server: it turns uploads of Google's XML API into uploads of its JSON API.

The client library of the broker writes with the XML API (`PUT /BUCKET/OBJECT`, on condition with
`x-goog-if-generation-match`), which fake-gcs-server lacks. Its JSON API has uploads and honours the condition.
Everything else is passed on as it is.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

NOT_FORWARDED = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: str
    _upstream: http.client.HTTPConnection | None = None

    def do_PUT(self) -> None:
        bucket, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        query = f"uploadType=media&name={quote(unquote(name), safe='')}"
        generation = self.headers.get("x-goog-if-generation-match")
        if generation is not None:
            query += f"&ifGenerationMatch={generation}"
        path = f"/upload/storage/v1/b/{bucket}/o?{query}"
        status, _, body = self._ask("POST", path, {"Content-Type": "application/octet-stream"})
        if status == 200:
            row = json.loads(body)
            self._answer(200, {"ETag": f'"{row["etag"]}"', "x-goog-generation": row["generation"]}, b"")
        else:
            self._answer(status, {"Content-Type": "application/json"}, body)

    def forward(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        self._answer(*self._ask(self.command, self.path, headers))

    do_GET = do_HEAD = do_POST = do_DELETE = forward

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(self.target, timeout=30)
        self._upstream.request(method, path, body, {**headers, "Host": self.target})
        answer = self._upstream.getresponse()
        data = answer.read()
        return answer.status, {k: v for k, v in answer.getheaders() if k.lower() not in NOT_FORWARDED}, data

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()


@contextmanager
def uploads_translated(target: str) -> Iterator[str]:
    """The endpoint of a proxy in front of fake-gcs-server at `target`, as HOST:PORT."""
    handler = type("Handler", (_Handler,), {"target": target})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
