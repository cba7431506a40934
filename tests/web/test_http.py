"""HTTP: what is answered, what is refused, and that no client can hold the server."""

import socket

import pytest
import trio
import trio.testing
from starlette.responses import StreamingResponse
from starlette.routing import Route

from higgins.server.listener import open_socket
from higgins.web.app import create_app, index
from higgins.web.metrics import metrics_route
from higgins.web.page import Page
from higgins.web.server import HttpServer
from higgins.web.settings import WebSettings

SETTINGS = WebSettings(connections_max=2, head_bytes_max=1_000)
LARGE = 64 * 1024 * 1024
HOST = b"Host: x\r\n"


class Server:
    """A server of a page of two pieces, and its clients."""

    def __init__(self, nursery):
        self.pieces = [b"a 1\n", b"b 2\n"]
        self.built = self.building = self.most_at_once = 0
        self.accept = []
        self._nursery = nursery
        self._sock = open_socket("127.0.0.1", 0, 10)
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    async def run(self):
        routes = [Route("/", index), metrics_route(self._page), Route("/streaming", streaming)]
        with self.scope:
            await HttpServer(create_app(routes, body_bytes_max=0), SETTINGS).run(self._sock)
        self.ended.set()

    async def _page(self, accept):
        self.accept.append(accept)
        self.built += 1
        self.building += 1
        self.most_at_once = max(self.most_at_once, self.building)
        await trio.sleep(1)
        self.building -= 1
        if self.pieces is None:
            raise RuntimeError("a defect")
        return Page("text/plain; version=0.0.4; charset=utf-8", self.pieces)

    async def connect(self):
        stream = await trio.open_tcp_stream(*self._sock.getsockname())
        await trio.testing.wait_all_tasks_blocked(0.01)
        return stream


async def streaming(request):
    async def parts():
        yield b"part"

    return StreamingResponse(parts())


async def ask(stream, text):
    await stream.send_all(text)
    return await answer(stream)


async def answer(stream):
    """Status and headers of one answer; nothing where the connection was closed."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = await receive(stream, 1)
        if not received:
            return None
        head += received
    lines = head.decode().split("\r\n")
    return int(lines[0].split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines[1:] if line)


async def body(stream, headers):
    received = b""
    while len(received) < int(headers["content-length"]):
        received += await stream.receive_some(100)
    return received


async def receive(stream, size=None):
    try:
        return await stream.receive_some(size)
    except trio.BrokenResourceError:  # reset
        return b""


def get(path, *headers, version=b"1.1", method=b"GET"):
    lines = b"".join(one + b"\r\n" for one in (b"Host: x", *headers))
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, path, version, lines)


@pytest.fixture
async def server(autojump_clock, nursery):
    autojump_clock.autojump_threshold = 0.02  # real sockets: what was sent must have time to arrive
    started = Server(nursery)
    nursery.start_soon(started.run)
    return started


async def test_one_connection_is_answered_many_times(autojump_clock, server):
    stream = await server.connect()
    for path in (b"/metrics", b"/metrics?name=x"):
        status, headers = await ask(stream, get(path, b"Accept: text/plain"))
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert headers["cache-control"] == "no-store"
        assert await body(stream, headers) == b"a 1\nb 2\n"
    assert server.built == 2 and server.accept == ["text/plain"] * 2


async def test_head_has_the_length_and_no_body(autojump_clock, server):
    stream = await server.connect()
    status, headers = await ask(stream, get(b"/metrics", b"Connection: close", method=b"HEAD"))
    assert status == 200 and headers["content-length"] == "8" and headers["connection"] == "close"
    assert await receive(stream) == b""


async def test_other_paths_name_the_path_of_metrics(autojump_clock, server):
    stream = await server.connect()
    for path, expected in ((b"/", 200), (b"/etc/passwd", 404), (b"http://elsewhere/metrics", 404)):
        status, headers = await ask(stream, get(path))
        assert status == expected
        assert await body(stream, headers) == b"Metrics are at /metrics.\n"
    assert not server.built


@pytest.mark.parametrize("version, stays_open", [(b"1.0", False), (b"1.1", True)])
async def test_an_http_1_0_client_is_answered_once(autojump_clock, server, version, stays_open):
    stream = await server.connect()
    _, headers = await ask(stream, get(b"/", version=version))
    await body(stream, headers)
    if stays_open:
        assert await ask(stream, get(b"/"))
    else:
        assert await receive(stream) == b""


@pytest.mark.parametrize(
    "request_, expected",
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host: RFC 9112
        (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 2_000, 431),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", 413),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 999999999\r\n\r\n", 413),
    ],
)
async def test_a_bad_request_is_refused_and_the_connection_closed(autojump_clock, server, request_, expected):
    stream = await server.connect()
    status, headers = await ask(stream, request_)
    assert status == expected
    await body(stream, headers)
    if expected != 413:
        assert await receive(stream) == b""


async def test_other_methods_are_refused_with_those_allowed(autojump_clock, server):
    stream = await server.connect()
    status, headers = await ask(stream, get(b"/metrics", b"Content-Length: 0", method=b"POST"))
    assert status == 405 and set(headers["allow"].split(", ")) == {"get", "head"}
    assert not server.built


async def test_a_connection_that_is_idle_or_slow_is_closed(autojump_clock, server):
    started_at = trio.current_time()
    idle, slow = await server.connect(), await server.connect()
    await slow.send_all(b"GET / HTTP/1.1\r\n")
    await trio.sleep(60)
    await slow.send_all(b"X: y\r\n")
    assert await receive(slow) == b""
    assert await receive(idle) == b""
    assert trio.current_time() - started_at == pytest.approx(120, abs=1)


@pytest.mark.parametrize("path", [b"/", b"/metrics", b"/streaming", b"/nowhere"])
async def test_a_connection_that_was_answered_is_closed_when_it_stays_idle(autojump_clock, server, path):
    stream = await server.connect()
    await ask(stream, get(path))
    answered_at = trio.current_time()
    await received_bytes(stream)
    assert trio.current_time() - answered_at == pytest.approx(120, abs=1)


async def test_a_body_that_no_route_reads_does_not_hold_the_connection(autojump_clock, server):
    stream = await server.connect()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    await stream.send_all(b"POST /metrics HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
    with trio.move_on_after(300) as limit:
        try:
            while True:
                await stream.send_all(chunk)
        except trio.BrokenResourceError:
            pass
    assert not limit.cancelled_caught


async def test_a_connection_beyond_the_limit_is_closed_and_closed_ones_do_not_count(autojump_clock, server):
    first, second = await server.connect(), await server.connect()
    assert await receive(await server.connect()) == b""
    assert await ask(first, get(b"/", b"Connection: close"))
    await first.aclose()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert await ask(await server.connect(), get(b"/"))
    assert await ask(second, get(b"/"))


async def test_pages_are_built_one_after_the_other(autojump_clock, server):
    streams = [await server.connect(), await server.connect()]
    for stream in streams:
        await stream.send_all(get(b"/metrics"))
    for stream in streams:
        assert (await answer(stream))[0] == 200
    assert (server.built, server.most_at_once) == (2, 1)


async def test_a_failing_page_is_answered_with_500_and_the_server_goes_on(autojump_clock, server, capsys):
    server.pieces = None
    assert (await ask(await server.connect(), get(b"/metrics")))[0] == 500
    assert (await ask(await server.connect(), get(b"/")))[0] == 200
    printed = capsys.readouterr()
    assert "web.request_failed" in printed.out and "a defect" in printed.out and not printed.err


async def test_a_client_that_does_not_read_is_disconnected(autojump_clock, server):
    server.pieces = [b"x" * LARGE]
    stream = await server.connect()
    status, _ = await ask(stream, get(b"/metrics"))
    assert status == 200
    await trio.sleep(40)
    assert await received_bytes(stream) < LARGE


async def test_cancelling_the_server_does_not_wait_for_clients_that_do_not_read(autojump_clock, server):
    server.pieces = [b"x" * LARGE]
    streams = [await server.connect(), await server.connect()]
    for stream in streams:
        assert await ask(stream, get(b"/metrics"))
    await trio.sleep(1)  # until nothing more can be sent
    cancelled_at = trio.current_time()
    server.scope.cancel()
    await server.ended.wait()
    assert trio.current_time() - cancelled_at < 1
    for stream in streams:
        assert await received_bytes(stream) < LARGE


async def test_a_broken_connection_is_no_failure(autojump_clock, server, capsys):
    server.pieces = [b"x" * LARGE]
    stream = await server.connect()
    await ask(stream, get(b"/metrics"))
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
    await stream.aclose()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert (await ask(await server.connect(), get(b"/")))[0] == 200
    assert "failed" not in capsys.readouterr().out


async def received_bytes(stream):
    total = 0
    while chunk := await receive(stream, 1 << 20):
        total += len(chunk)
    return total
