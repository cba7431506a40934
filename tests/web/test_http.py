"""The metrics door: what it answers, what it refuses, and that nobody can hold it."""

import pytest
import trio
import trio.testing

from higgins.web.http import Refusal, parse_head
from higgins.web.server import MetricsServer
from higgins.web.settings import WebSettings

SETTINGS = WebSettings(connections_max=2, head_bytes_max=1_000)


class Door:
    """A server of a page of two pieces, and its clients."""

    def __init__(self, nursery, settings=SETTINGS):
        self.built = self.building = self.most_at_once = 0
        self.server = MetricsServer(self._page, settings)
        self._nursery = nursery

    async def _page(self):
        self.built += 1
        self.building += 1
        self.most_at_once = max(self.most_at_once, self.building)
        await trio.sleep(1)
        self.building -= 1
        return [b"a 1\n", b"b 2\n"]

    def connect(self):
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.server.serve, theirs)
        return ours


async def ask(stream, text):
    await stream.send_all(text)
    return await answer(stream)


async def answer(stream):
    """Status line, headers and body of one answer; nothing where the connection was closed."""
    came = b""
    while b"\r\n\r\n" not in came:
        more = await stream.receive_some(1)
        if not more:
            return None
        came += more
    lines = came.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return lines[0], headers, b""


async def body(stream, headers):
    came = b""
    while len(came) < int(headers["content-length"]):
        came += await stream.receive_some(100)
    return came


@pytest.fixture
def door(nursery):
    return Door(nursery)


async def test_metrics_are_told_again_and_again_on_one_connection(autojump_clock, door):
    stream = door.connect()
    for path in (b"/metrics", b"/metrics?name=x"):
        status, headers, _ = await ask(stream, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status == "HTTP/1.1 200 OK"
        assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await body(stream, headers) == b"a 1\nb 2\n"
    assert door.built == 2


async def test_head_has_the_length_and_no_body(autojump_clock, door):
    stream = door.connect()
    _, headers, _ = await ask(stream, b"HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert headers["content-length"] == "8" and headers["connection"] == "close"
    assert await stream.receive_some() == b""


async def test_other_paths_are_told_where_metrics_are(autojump_clock, door):
    stream = door.connect()
    for path, expected in ((b"/", "200 OK"), (b"/etc/passwd", "404 Not Found")):
        status, headers, _ = await ask(stream, b"GET " + path + b" HTTP/1.1\r\n\r\n")
        assert status == f"HTTP/1.1 {expected}"
        assert await body(stream, headers) == b"Metrics are at /metrics.\n"
    assert not door.built


@pytest.mark.parametrize("version, stays", [("1.0", False), ("1.1", True)])
async def test_an_old_client_is_answered_and_let_go(autojump_clock, door, version, stays):
    stream = door.connect()
    _, headers, _ = await ask(stream, f"GET / HTTP/{version}\r\n\r\n".encode())
    await body(stream, headers)
    if stays:
        assert await ask(stream, b"GET / HTTP/1.1\r\n\r\n")
    else:
        assert await stream.receive_some() == b""


@pytest.mark.parametrize(
    "head, status",
    [
        (b"hello", 400),
        (b"GET /metrics", 400),
        (b"GET http://elsewhere/ HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\nHost : x", 400),
        (b"GET / HTTP/1.1\r\nX: y\r\n folded", 400),
        (b"GET /\xff HTTP/1.1", 400),
        (b"POST /metrics HTTP/1.1", 405),
        (b"GET / HTTP/1.1\r\nContent-Length: 5", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked", 413),
        (b"GET / HTTP/2.0", 505),
    ],
)
async def test_what_is_not_a_request_is_refused_and_the_connection_closed(autojump_clock, door, head, status):
    with pytest.raises(Refusal) as refused:
        parse_head(head)
    assert refused.value.status == status
    stream = door.connect()
    told, headers, _ = await ask(stream, head + b"\r\n\r\n")
    assert told.startswith(f"HTTP/1.1 {status} ")
    assert (await body(stream, headers)).endswith(b".\n")
    assert await stream.receive_some() == b""


async def test_a_head_without_end_is_refused(autojump_clock, door):
    stream = door.connect()
    status, _, _ = await ask(stream, b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000)
    assert status.startswith("HTTP/1.1 431 ")


async def test_who_does_not_finish_or_does_not_ask_is_let_go(autojump_clock, door):
    begun = trio.current_time()
    idle, slow = door.connect(), door.connect()
    await slow.send_all(b"GET")
    assert await slow.receive_some() == b""
    assert trio.current_time() - begun == pytest.approx(10, abs=1)
    assert await idle.receive_some() == b""
    assert trio.current_time() - begun == pytest.approx(120, abs=1)


async def test_past_the_limit_connections_are_closed_at_once_and_places_come_free(autojump_clock, door):
    first, second = door.connect(), door.connect()
    await trio.testing.wait_all_tasks_blocked()
    assert await door.connect().receive_some() == b""
    assert await ask(first, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    await trio.testing.wait_all_tasks_blocked()
    assert await ask(door.connect(), b"GET / HTTP/1.1\r\n\r\n")
    assert await ask(second, b"GET / HTTP/1.1\r\n\r\n")


async def test_pages_are_built_one_after_the_other(autojump_clock, door):
    streams = [door.connect(), door.connect()]
    for stream in streams:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\n\r\n")
    for stream in streams:
        assert (await answer(stream))[0].endswith("OK")
    assert (door.built, door.most_at_once) == (2, 1)


async def test_a_fault_while_building_costs_the_connection_alone(autojump_clock, nursery):
    door = Door(nursery)
    door.server = MetricsServer(None, SETTINGS)
    assert await ask(door.connect(), b"GET /metrics HTTP/1.1\r\n\r\n") is None
    assert await ask(door.connect(), b"GET / HTTP/1.1\r\n\r\n")
