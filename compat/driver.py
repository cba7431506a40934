"""The adapter to clients in other languages: a driver program, written with the client, speaks lines of JSON.

Standard library only. `COMMAND… BOOTSTRAP` is started anew for each producer, reader, member and admin, so a driver
does one thing at a time. It reads a request a line from standard input and writes its answer, a line, to standard
output; what it says on standard error is shown when it fails. Bytes are base64, or null. The first request says what
the driver is:

    {"do": "producer", "acks": "all", "codec": "none", "idempotent": false}
    {"do": "reader", "topic": "t", "partitions": [0], "at": "begin" | "end" | "offset" | "time", "value": 0}
    {"do": "member", "group": "g", "topic": "t"}
    {"do": "admin"}

Every request is answered with `{"error": "why"}` or with the fields below, but `send` is not answered at all: what
became of it is told by the next `flush`.

    producer  send {topic, partition, value, key, headers: [[name, bytes]…], timestamp_ms: number | null}
              flush → {}
    reader    poll {timeout_ms} → {records: [{partition, offset, timestamp_ms, key, value, headers}…]}
    member    poll, as a reader; assigned → {partitions: […]}; commit → {}
    admin     topics → {topics: […]}; create_topic {name, partitions}; and those calls of `port.Admin` that it has,
              with the names of their arguments and the result as {result: …}
    all       close → {}, upon which the driver ends
"""

import base64
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from port import Acks, Headers, Record, Start

ANSWER_S = 75.0
END_S = 15.0


class Driver:
    """One running driver; used by one thread at a time."""

    def __init__(self, command: Sequence[str], **opening: object) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # it lives as long as the driver
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self.ask(**opening)

    def tell(self, **request: object) -> None:
        """Write a request that is not answered."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"the driver has ended: {self._said()}") from None

    def ask(self, **request: object) -> dict[str, Any]:
        """Write a request and wait for its answer. Raises: RuntimeError, with what the driver says."""
        assert self._process.stdout is not None
        # A driver that does not answer in time is killed, which ends the reading.
        watch = threading.Timer(ANSWER_S, self._process.kill)
        watch.start()
        try:
            self.tell(**request)
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise RuntimeError(f"no answer to {request['do']} within {ANSWER_S:.0f} s: {self._said()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{request['do']}: {answer['error']}\n{self._said()}")
        return answer

    def close(self) -> None:
        self.ask(do="close")
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"a driver closed, but did not end within {END_S:.0f} s: {self._said()}") from None
        finally:
            self._process.stdin.close()
            self._process.stdout.close()
            self._errors.close()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-4_000:].strip()


class DrivenProducer:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> None:
        named = [[name, encoded(content)] for name, content in headers]
        record = {"key": encoded(key), "value": encoded(value), "headers": named, "timestamp_ms": timestamp_ms}
        self._driver.tell(do="send", topic=topic, partition=partition, **record)

    def flush(self) -> None:
        self._driver.ask(do="flush")

    def close(self) -> None:
        self._driver.close()


class DrivenMember:
    """A reader, too: a driver that is none is never asked about its assignment."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def poll(self, timeout_s: float) -> list[Record]:
        return [_record(one) for one in self._driver.ask(do="poll", timeout_ms=int(timeout_s * 1000))["records"]]

    def assigned(self) -> set[int]:
        return set(self._driver.ask(do="assigned")["partitions"])

    def commit(self) -> None:
        self._driver.ask(do="commit")

    def close(self) -> None:
        self._driver.close()


class DrivenClient:
    """A client whose driver is started by `command`; `missing` says what the client lacks, and why."""

    def __init__(self, command: Sequence[str], bootstrap: str, missing: Mapping[str, str]) -> None:
        self._command = [*command, bootstrap]
        self.missing = missing

    def topics(self) -> set[str]:
        return set(self._admin(do="topics")["topics"])

    def create_topic(self, name: str, partitions: int) -> None:
        self._admin(do="create_topic", name=name, partitions=partitions)

    def producer(self, *, acks: Acks = "all", codec: str = "none", idempotent: bool = False) -> DrivenProducer:
        return DrivenProducer(Driver(self._command, do="producer", acks=acks, codec=codec, idempotent=idempotent))

    def reader(self, topic: str, partitions: Sequence[int], start: Start) -> DrivenMember:
        which = {"topic": topic, "partitions": list(partitions)}
        return DrivenMember(Driver(self._command, do="reader", **which, at=start.at, value=start.value))

    def member(self, group: str, topic: str) -> DrivenMember:
        return DrivenMember(Driver(self._command, do="member", group=group, topic=topic))

    def __getattr__(self, call: str) -> Callable[..., Any]:
        """A call of `port.Admin`, handed to the driver as it is."""
        if call.startswith("_"):
            raise AttributeError(call)
        return lambda **arguments: self._admin(do=call, **arguments)["result"]

    def _admin(self, **request: object) -> dict[str, Any]:
        driver = Driver(self._command, do="admin")
        answer = driver.ask(**request)
        driver.close()
        return answer


def encoded(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _record(line: Mapping[str, Any]) -> Record:
    headers = tuple((name, _decoded(content) or b"") for name, content in line["headers"])
    place = line["partition"], line["offset"], line["timestamp_ms"]
    return Record(*place, _decoded(line["key"]), _decoded(line["value"]), headers)
