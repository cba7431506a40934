"""How long each API's largest requests hold the event loop of a broker.

    python -m tests.bench.loop [--only Metadata,ListOffsets] [--elements 60000] [--held-ms 5]

A broker in a thread of its own, on a store in memory. For each API and each array of its request, one request is sent
in which that array has as many elements as the decoder takes and every other array has one. Prints the processor time
of the longest step between two passes of the loop, the longest first. Steps of the client are in another thread and do
not count.
"""

import argparse
import gc
import socket
import sys
import threading
import time
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import trio

from higgins.broker import Broker
from higgins.kafka.apis import ROWS
from higgins.runtime import Runtime, tune_interpreter
from higgins.settings import Flags, load
from higgins_protocol.api import Api
from higgins_protocol.errors import EncodeError
from higgins_protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from higgins_protocol.registry import APIS, encode_request
from higgins_protocol.schema import Message

PORT = 29_480
TOPICS, PARTITIONS = 100, 1_000
CREATE_TOPICS = 19


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


def arrays(kind: type[Message]) -> Iterator[tuple[str, ...]]:
    """The path of every array in a message."""
    for name, hint in typing.get_type_hints(kind).items():
        element = _element(hint)
        if element is not None:
            yield (name,)
            if isinstance(element, type) and issubclass(element, Message):
                yield from ((name, *rest) for rest in arrays(element))


def largest(kind: type[Message], path: tuple[str, ...], elements: int, at: int = 0) -> Message:
    """A request with as many elements in the array at `path`, and one in every other."""
    fields: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind).items():
        element = _element(hint)
        if element is None:
            fields |= _plain(name, hint, at)
            continue
        on_path = bool(path) and path[0] == name
        count = elements if on_path and len(path) == 1 else 1
        inner = path[1:] if on_path else ()
        if isinstance(element, type) and issubclass(element, Message):
            fields[name] = [largest(element, inner, elements, i) for i in range(count)]
        else:
            fields[name] = [_value(element, i) for i in range(count)]
    return kind(**fields)


def _element(hint: Any) -> Any:
    """The type of the elements, if this is the type of an array."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        kinds = [each for each in typing.get_args(hint) if each is not type(None)]
        hint = kinds[0] if len(kinds) == 1 else None
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Sequence else None


def _plain(name: str, hint: Any, at: int) -> dict[str, Any]:
    if name in {"name", "topic", "topic_name", "resource_name"}:
        return {name: f"t{at}"}
    if name in {"partition_index", "partition"}:
        return {name: at}
    if name in {"group_id", "key", "member_id", "protocol_type", "protocol_name"}:
        return {name: f"g{at}"}
    if name == "resource_type":
        return {name: 2}
    if name in {"num_partitions", "replication_factor"}:
        return {name: 1}
    if name in {"session_timeout_ms", "rebalance_timeout_ms"}:
        return {name: 10_000}
    return {}


def _value(element: Any, at: int) -> Any:
    return {str: f"t{at}", bytes: b"x" * 16, int: at}.get(element, at)


class Client:
    def __init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)

    def ask(self, frame: bytes) -> int:
        """Send a frame; the length of the response, or -1 if the broker closes the connection or does not answer."""
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
    """(array, version, frame) of each of the largest requests of an API, in the newest version that has the array."""
    for path in arrays(api.request):
        for version in range(api.versions[1], api.versions[0] - 1, -1):
            try:
                request = largest(api.request, path, elements)
                yield ".".join(path), version, b"".join(encode_request(api.key, version, 1, "c", request))
                break
            except (EncodeError, TypeError, ValueError):
                continue


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
            line = f"{held:8.1f} ms  {api.name} v{version} {path}: {len(frame)} → {length} ({longest.task})"
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
    parser.add_argument("--elements", type=int, default=60_000)
    parser.add_argument("--held-ms", type=float, default=5.0)
    given = parser.parse_args()
    raise SystemExit(main(set(filter(None, given.only.split(","))), given.elements, given.held_ms))
