"""How long each API's largest requests hold the event loop of a broker.

    python -m tests.bench.loop [--only Metadata,ListOffsets] [--elements 19000] [--held-ms 5]

A broker in a thread of its own, on a store in memory. For each API and each array of its request, one request is sent
in which that array has many elements and every other array has one. The decoder takes 20,000 partitions in a request,
and 60,000 elements of other arrays. Prints the processor time of the longest step of the loop for each request, the
longest first. The client runs in another thread, and its work does not count.
"""

import argparse
import gc
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import trio

from higgins.broker import Broker
from higgins.kafka.apis import ROWS
from higgins.runtime import Runtime, tune_interpreter
from higgins.settings import Flags, load
from higgins_protocol.api import Api
from higgins_protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from higgins_protocol.primitives import Kind
from higgins_protocol.registry import APIS, encode_request
from higgins_protocol.schema import ArrayOf, Message, fields_of

PORT = 29_480
TOPICS, PARTITIONS = 100, 1_000
CREATE_TOPICS = 19
PLAIN = {
    "resource_type": 2,
    "num_partitions": 1,
    "replication_factor": 1,
    "session_timeout_ms": 10_000,
    "rebalance_timeout_ms": 10_000,
    "acks": 1,
}


class Longest(trio.abc.Instrument):
    """The longest step of any task, in seconds of the thread's processor time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.task = ""
        self._since = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._since = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = time.thread_time() - self._since
        if took > self.seconds:
            self.seconds, self.task = took, task.name


def arrays(kind: type[Message], version: int) -> Iterator[tuple[str, ...]]:
    """The path of every array in a message of one version."""
    for field in fields_of(kind):
        if field.is_in(version) and isinstance(field.shape, ArrayOf):
            yield (field.name,)
            element = field.shape.element
            if isinstance(element, type) and issubclass(element, Message):
                yield from ((field.name, *rest) for rest in arrays(element, version))


def large(kind: type[Message], version: int, path: tuple[str, ...], elements: int, at: int = 0) -> Message:
    """A request with so many elements in the array at `path`, and one in every other. `at` is its own index."""
    values: dict[str, Any] = {}
    for field in fields_of(kind):
        if not field.is_in(version):
            continue
        if not isinstance(field.shape, ArrayOf):
            values |= _plain(field.name, at)
            continue
        is_on_path, element = path[:1] == (field.name,), field.shape.element
        count = elements if is_on_path and len(path) == 1 else 1
        inner = path[1:] if is_on_path else ()
        if isinstance(element, type) and issubclass(element, Message):
            values[field.name] = [large(element, version, inner, elements, i) for i in range(count)]
        else:
            values[field.name] = [_element(element, i) for i in range(count)]
    return kind(**values)


def _element(kind: object, at: int) -> object:
    if kind is Kind.STRING:
        return f"t{at}"
    return at % 100 if kind is Kind.INT8 else at


def _plain(name: str, at: int) -> dict[str, Any]:
    """A value for a field that is no array, where its default would be refused before the array is looked at."""
    if name in {"name", "topic", "topic_name", "resource_name"}:
        return {name: f"t{at}"}
    if name in {"partition_index", "partition"}:
        return {name: at}
    if name in {"group_id", "key", "member_id", "protocol_type", "protocol_name"}:
        return {name: f"g{at}"}
    return {name: PLAIN[name]} if name in PLAIN else {}


class Client:
    def __init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)

    def ask(self, frame: bytes) -> int:
        """Send a frame; the length of the response, or -1 where there is none within the time limit."""
        try:
            self._socket.sendall(frame)
            left = int.from_bytes(self._exactly(4), "big")
            length = left
            while left:
                received = len(self._socket.recv(min(left, 1 << 20)))
                if not received:
                    return -1
                left -= received
        except (OSError, EOFError):
            return -1
        return length

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


def serve(longest: Longest, started: threading.Event) -> None:
    async def main() -> None:
        broker = Broker(Runtime(), load(Flags(listen=(f"127.0.0.1:{PORT}",), store="memory://"), {}, None))
        async with trio.open_nursery() as nursery:
            await nursery.start(broker.run)
            started.set()

    trio.run(main, instruments=[longest])


def frames(api: Api, elements: int) -> Iterator[tuple[str, int, bytes]]:
    """(array, version, frame) of each of the large requests of an API, in the newest version that has the array."""
    oldest, newest = api.versions
    seen: set[tuple[str, ...]] = set()
    for version in range(newest, oldest - 1, -1):
        for path in arrays(api.request, version):
            if path not in seen:
                seen.add(path)
                request = large(api.request, version, path, elements)
                yield ".".join(path), version, b"".join(encode_request(api.key, version, 1, "c", request))


def main(only: set[str], elements: int, held_ms: float) -> int:
    tune_interpreter()
    longest, started = Longest(), threading.Event()
    threading.Thread(target=serve, args=(longest, started), daemon=True).start()
    started.wait()
    topics = [CreatableTopic(f"t{i}", PARTITIONS, 1) for i in range(TOPICS)]
    Client().ask(b"".join(encode_request(CREATE_TOPICS, 7, 1, "c", CreateTopicsRequest(topics))))
    found: list[tuple[float, str]] = []
    for key in sorted(ROWS):
        api = APIS[key]
        if only and api.name not in only:
            continue
        for path, version, frame in frames(api, elements):
            gc.collect()
            time.sleep(0.1)
            longest.seconds = 0.0
            length = Client().ask(frame)
            held = longest.seconds * 1000
            response = "no response" if length < 0 else f"response of {length} bytes"
            line = f"{held:8.1f} ms  {api.name} v{version} {path}: {len(frame)} bytes, {response} ({longest.task})"
            print(line, file=sys.stderr)
            found.append((held, line))
    found.sort(reverse=True)
    for _, line in found:
        print(line)
    over = sum(held > held_ms for held, _ in found)
    print(f"{len(found)} requests, {over} held the loop for more than {held_ms} ms")
    return over > 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="names of APIs, separated by commas")
    parser.add_argument("--elements", type=int, default=19_000)
    parser.add_argument("--held-ms", type=float, default=5.0)
    given = parser.parse_args()
    raise SystemExit(main(set(filter(None, given.only.split(","))), given.elements, given.held_ms))
