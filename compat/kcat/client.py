"""The adapter to kcat: a process for each producer's stream of lines, each reader and each member."""

import json
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from port import Acks, Headers, Record, Start

CALL_S = 60.0
END_OF_RECORD = "\n"
END_OF_KEY = "\t"


class KcatProducer:
    """Lines go to a kcat for each (topic, partition, headers), which says by its exit code what became of them."""

    def __init__(self, base: Sequence[str], settings: Sequence[str]) -> None:
        self._base = base
        self._settings = settings
        self._running: dict[tuple[str, int, Headers], subprocess.Popen[bytes]] = {}

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
        assert timestamp_ms is None, "kcat cannot set a timestamp"
        process = self._process(topic, partition, headers)
        assert process.stdin is not None
        process.stdin.write((b"" if key is None else key + END_OF_KEY.encode()) + value + END_OF_RECORD.encode())

    def flush(self) -> None:
        running, self._running = self._running, {}
        for process in running.values():
            assert process.stdin is not None and process.stderr is not None
            process.stdin.close()
            code = process.wait(CALL_S)
            said = process.stderr.read().decode()
            process.stderr.close()
            assert code == 0, f"kcat ended with {code}: {said}"

    def close(self) -> None:
        self.flush()

    def _process(self, topic: str, partition: int, headers: Headers) -> "subprocess.Popen[bytes]":
        found = self._running.get((topic, partition, headers))
        if found is None:
            given = [part for name, value in headers for part in ("-H", f"{name}={value.decode()}")]
            command = [*self._base, "-P", "-t", topic, "-p", str(partition), *given, *self._settings]
            command += ["-D", END_OF_RECORD, "-K", END_OF_KEY]
            found = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            self._running[topic, partition, headers] = found
        return found


class KcatReader:
    """Records as kcat writes them: a line of JSON each."""

    def __init__(self, command: Sequence[str]) -> None:
        self._came: queue.Queue[Record] = queue.Queue()
        folder = tempfile.mkdtemp()
        self._errors = Path(folder, "errors")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def poll(self, timeout_s: float) -> list[Record]:
        found: list[Record] = []
        deadline = time.monotonic() + timeout_s
        while not found and time.monotonic() < deadline:
            try:
                found.append(self._came.get(timeout=0.02))
            except queue.Empty:
                if self._process.poll():
                    raise RuntimeError(f"kcat ended with {self._process.returncode}: {self.said()}") from None
        while not self._came.empty():
            found.append(self._came.get())
        return found

    def said(self) -> str:
        return self._errors.read_text()

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(CALL_S)
        shutil.rmtree(self._errors.parent)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._came.put(_record(json.loads(line)))


class KcatMember(KcatReader):
    """Commits by itself: what it has written out, every now and then and when it ends."""

    def assigned(self) -> set[int]:
        changes = re.findall(r"(assigned|revoked): *(.*)", self.said())
        if not changes or changes[-1][0] == "revoked":
            return set()
        return {int(one) for one in re.findall(r"\[(\d+)\]", changes[-1][1])}

    def commit(self) -> None:
        pass


class Kcat:
    missing: Mapping[str, str] = {
        "create": "kcat has no admin commands",
        "timestamps": "kcat cannot set a record's timestamp",
        "patience": "kcat ends when its only broker goes away",
    }

    def __init__(self, bootstrap: str) -> None:
        self._base = ["kcat", "-b", bootstrap, "-q"]

    def topics(self) -> set[str]:
        listed = subprocess.run(
            [*self._base, "-L", "-J"], capture_output=True, text=True, timeout=CALL_S, check=True
        ).stdout
        return {topic["topic"] for topic in json.loads(listed)["topics"]}

    def create_topic(self, name: str, partitions: int) -> None:
        raise AssertionError(self.missing["create"])

    def producer(self, *, acks: Acks = "all", codec: str = "none", idempotent: bool = False) -> KcatProducer:
        settings = ["-X", f"acks={acks}", "-X", "message.max.bytes=2000000", "-z", codec]
        settings += ["-X", "enable.idempotence=true"] if idempotent else ["-X", "max.in.flight=1"]
        return KcatProducer(self._base, settings)

    def reader(self, topic: str, partitions: Sequence[int], start: Start) -> KcatReader:
        place = {"begin": "beginning", "end": "end", "time": f"s@{start.value}"}.get(start.at, str(start.value))
        # Without -p kcat reads every partition there is.
        which = ["-p", str(partitions[0])] if len(partitions) == 1 else []
        return KcatReader([*self._base, "-C", "-t", topic, *which, "-o", place, "-J", "-u"])

    def member(self, group: str, topic: str) -> KcatMember:
        command = [part for part in self._base if part != "-q"]
        settings = ["auto.offset.reset=earliest", "session.timeout.ms=6000", "heartbeat.interval.ms=500"]
        given = [part for setting in settings for part in ("-X", setting)]
        return KcatMember([*command, "-J", "-u", *given, "-G", group, topic])


def _record(line: dict[str, Any]) -> Record:
    def encoded(text: str | None) -> bytes | None:
        return None if text is None else text.encode()

    flat = line.get("headers", [])
    headers = tuple((name, value.encode()) for name, value in zip(flat[::2], flat[1::2], strict=True))
    key, value = encoded(line["key"]), encoded(line["payload"])
    return Record(line["partition"], line["offset"], line["ts"], key, value, headers)


def open_client(bootstrap: str) -> Kcat:
    return Kcat(bootstrap)
