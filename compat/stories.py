"""The stories every client is put through, and the process that tells one: `stories.py FOLDER STORY BOOTSTRAP`.

Standard library only; `stories.py --list` names them. Runs in the environment of the client in FOLDER, whose
`client.py` has `open_client(bootstrap)`.
What only the harness can do (restart the broker, apply a topography) is asked of it: a line of JSON on standard output,
answered by a line on standard input. Exit code 0 is a pass, 77 a skip with its reason on standard error.
"""

import importlib.util
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from port import BEGIN, END, Acks, Client, Producer, Reader, Record, Skip, Start

EXIT_SKIPPED = 77
PATIENCE_S = 30.0
POLL_S = 0.25
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LARGE_BYTES = 900 * 1024
PARTITIONS_DEFAULT = 4
"""What the broker under trial is told to make a topic with that nobody has created."""

Story: TypeAlias = Callable[[Client], None]
STORIES: dict[str, Story] = {}
NEEDS: dict[str, tuple[str, ...]] = {}


def story(name: str, *needs: str) -> Callable[[Story], Story]:
    """Register a story; it is skipped for a client that lacks one of the capabilities it needs."""

    def register(function: Story) -> Story:
        STORIES[name], NEEDS[name] = function, needs
        return function

    return register


def ask(what: str, **details: object) -> None:
    """Have the harness do something. Raises: Skip, where it may not; RuntimeError, where it failed."""
    print(json.dumps({"ask": what, **details}), flush=True)
    answer = json.loads(sys.stdin.readline())
    if answer["outcome"] == "skip":
        raise Skip(answer["why"])
    if answer["outcome"] != "done":
        raise RuntimeError(f"the harness could not {what}: {answer['why']}")


def new_topic(partitions: int = 1) -> str:
    """A topic of its own for each story, made by the harness so that a client's admin calls are tried only once."""
    name = f"story-{time.time_ns()}"
    ask("create", topic=name, partitions=partitions)
    return name


def write(client: Client, topic: str, values: Iterable[str], *, acks: Acks = "all", codec: str = "none") -> None:
    """Write values to partition 0 and wait for their delivery."""
    producer = client.producer(acks=acks, codec=codec)
    for value in values:
        producer.send(topic, value.encode())
    producer.flush()
    producer.close()


def read(reader: Reader, count: int, patience_s: float = PATIENCE_S) -> list[Record]:
    """The next `count` records, or as many as came in time; closes the reader."""
    found: list[Record] = []
    deadline = time.monotonic() + patience_s
    while len(found) < count and time.monotonic() < deadline:
        found += reader.poll(POLL_S)
    reader.close()
    return found


def read_from(client: Client, topic: str, count: int, start: Start = BEGIN, partitions: int = 1) -> list[Record]:
    return read(client.reader(topic, range(partitions), start), count)


def values(records: Iterable[Record]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


def same(found: object, wanted: object, what: str) -> None:
    assert found == wanted, f"{what}: wanted {wanted!s:.400}, found {found!s:.400}"


def numbers(first: int, end: int) -> list[str]:
    return [f"v{n}" for n in range(first, end)]


# ---- one client ------------------------------------------------------------------------------------------------------


@story("connect")
def connect(client: Client) -> None:
    topic = new_topic()
    assert topic in client.topics(), "a topic that exists is not in the client's list"


@story("create", "create")
def create(client: Client) -> None:
    name = f"created-{time.time_ns()}"
    client.create_topic(name, 8)
    assert name in client.topics(), "a topic just created is not in the client's list"
    producer = client.producer()
    producer.send(name, b"last", partition=7)
    producer.flush()
    producer.close()
    same(values(read_from(client, name, 1, partitions=8)), ["last"], "the eighth partition")


@story("auto-create")
def auto_create(client: Client) -> None:
    name = f"auto-{time.time_ns()}"
    producer = client.producer()
    producer.send(name, b"hello", partition=PARTITIONS_DEFAULT - 1)
    producer.flush()
    producer.close()
    same(values(read_from(client, name, 1, partitions=PARTITIONS_DEFAULT)), ["hello"], "a topic nobody created")


def produce_acks(client: Client, *, acks: Acks) -> None:
    topic = new_topic()
    write(client, topic, numbers(0, 200), acks=acks)
    same(values(read_from(client, topic, 200)), numbers(0, 200), "what was written")


def produce_codec(client: Client, *, codec: str) -> None:
    if codec in client.missing:
        raise Skip(client.missing[codec])
    topic = new_topic()
    texts = [f"v{n} " + "abcdefgh" * 50 for n in range(500)]
    write(client, topic, texts, codec=codec)
    same(values(read_from(client, topic, 500)), texts, "what was written")


_ACKS: tuple[Acks, ...] = ("0", "1", "all")
for one in _ACKS:
    story(f"produce-acks-{one}")(partial(produce_acks, acks=one))
for name in CODECS:
    story(f"produce-{name}")(partial(produce_codec, codec=name))


@story("keys")
def keys(client: Client) -> None:
    topic = new_topic()
    producer = client.producer()
    for n in range(20):
        producer.send(topic, b"v%d" % n, key=b"k%d" % (n % 3))
    producer.flush()
    producer.close()
    found = read_from(client, topic, 20)
    same([one.key for one in found], [b"k%d" % (n % 3) for n in range(20)], "keys")
    same([one.offset for one in found], list(range(20)), "offsets")


@story("headers", "headers")
def headers(client: Client) -> None:
    topic = new_topic()
    given = (("trace", b"abc"), ("trace", b"def"), ("empty", b""))
    producer = client.producer()
    producer.send(topic, b"with", headers=given)
    producer.send(topic, b"without")
    producer.flush()
    producer.close()
    found = read_from(client, topic, 2)
    same({one.value: one.headers for one in found}, {b"with": given, b"without": ()}, "headers")


@story("timestamps", "timestamps")
def timestamps(client: Client) -> None:
    topic = new_topic()
    stamps = [1_700_000_000_000 + 7 * n for n in range(10)]
    producer = client.producer()
    for stamp in stamps:
        producer.send(topic, b"v", timestamp_ms=stamp)
    producer.flush()
    producer.close()
    same([one.timestamp_ms for one in read_from(client, topic, 10)], stamps, "timestamps")


@story("large")
def large(client: Client) -> None:
    topic = new_topic()
    texts = [chr(ord("a") + n) * LARGE_BYTES for n in range(5)]
    write(client, topic, texts)
    found = values(read_from(client, topic, 5))
    same([(text[:1], len(text)) for text in found], [(text[0], LARGE_BYTES) for text in texts], "900 KB records")


@story("partitions")
def partitions(client: Client) -> None:
    topic = new_topic(8)
    producer = client.producer()
    for n in range(400):
        producer.send(topic, b"v%d" % n, partition=n % 8)
    producer.flush()
    producer.close()
    found = by_partition(read_from(client, topic, 400, partitions=8))
    same(found, {p: [f"v{n}" for n in range(p, 400, 8)] for p in range(8)}, "eight partitions, each in order")


@story("consume-begin")
def consume_begin(client: Client) -> None:
    topic = new_topic()
    write(client, topic, numbers(0, 50))
    found = read_from(client, topic, 50)
    same([(one.offset, one.value) for one in found], [(n, b"v%d" % n) for n in range(50)], "from the beginning")


@story("consume-offset")
def consume_offset(client: Client) -> None:
    topic = new_topic()
    write(client, topic, numbers(0, 50))
    same(values(read_from(client, topic, 13, Start("offset", 37))), numbers(37, 50), "from inside a batch")


@story("consume-end")
def consume_end(client: Client) -> None:
    topic = new_topic()
    write(client, topic, numbers(0, 50))
    reader = client.reader(topic, [0], END)
    found: list[Record] = []
    written = 50
    deadline = time.monotonic() + PATIENCE_S
    # Nothing tells when a client has found the end, so records are written until it sees one.
    while not found and time.monotonic() < deadline:
        write(client, topic, numbers(written, written + 1))
        written += 1
        found += reader.poll(2 * POLL_S)
    assert found, "nothing was read at the end"
    write(client, topic, numbers(written, written + 10))
    first = found[0].offset
    found += read(reader, written + 10 - first - len(found))
    assert first >= 50, f"began at offset {first}, before the end"
    same(values(found), numbers(first, written + 10), "from the end on")


@story("consume-time")
def consume_time(client: Client) -> None:
    topic = new_topic()
    producer = client.producer()
    base_ms = int(time.time() * 1000) - 60_000
    for n in range(30):
        # Three records a batch, so that the record looked for lies inside one.
        stamp = None if "timestamps" in client.missing else base_ms + 10 * n
        producer.send(topic, b"v%d" % n, timestamp_ms=stamp)
        if n % 3 == 2:
            producer.flush()
    producer.close()
    stored = read_from(client, topic, 30)
    wanted = stored[16].timestamp_ms
    first = next(one.offset for one in stored if one.timestamp_ms >= wanted)
    found = read_from(client, topic, 30 - first, Start("time", wanted))
    same(values(found), numbers(first, 30), f"from the first record not before {wanted}")


# ---- groups ----------------------------------------------------------------------------------------------------------


class MemberThread:
    """A member of a group in a thread of its own: polls, notes what came, commits."""

    def __init__(self, client: Client, group: str, topic: str) -> None:
        self.assigned: set[int] = set()
        self.seen: list[str] = []
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(client, group, topic), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "a member does not end"

    def _run(self, client: Client, group: str, topic: str) -> None:
        try:
            member = client.member(group, topic)
            while not self._stop.is_set():
                came = member.poll(POLL_S)
                self.seen += values(came)
                self.assigned = member.assigned()
                if came:
                    member.commit()
            member.close()
        except BaseException as error:
            self.failure = error
            traceback.print_exc()


def wait_until(condition: Callable[[], bool], members: Sequence[MemberThread], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        state = [(sorted(one.assigned), len(one.seen)) for one in members]
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE_S:.0f} s: {state}"
        assert not any(one.failure for one in members), "a member failed"
        time.sleep(0.05)


def shares(members: Sequence[MemberThread], count: int) -> bool:
    """Whether every partition has one owner and every member has some."""
    held = Counter(p for one in members for p in one.assigned)
    return held == Counter(range(count)) and all(one.assigned for one in members)


@story("group")
def group(client: Client) -> None:
    topic = new_topic(6)
    name = f"group-{topic}"
    spread(client, topic, range(60))
    members = [MemberThread(client, name, topic) for _ in range(3)]
    wait_until(lambda: shares(members, 6), members, "three members sharing six partitions")
    wait_until(lambda: seen(members) >= set(numbers(0, 60)), members, "reading what was there before")
    members[0].leave()
    wait_until(lambda: shares(members[1:], 6), members[1:], "two members taking over from the third")
    spread(client, topic, range(60, 120))
    wait_until(lambda: seen(members) >= set(numbers(0, 120)), members, "reading on after the rebalance")
    for one in members[1:]:
        one.leave()
    spread(client, topic, range(120, 150))
    heir = MemberThread(client, name, topic)
    wait_until(lambda: seen([heir]) >= set(numbers(120, 150)), [heir], "going on from the commit")
    heir.leave()
    same(sorted(heir.seen), sorted(numbers(120, 150)), "what is read by who comes after the commit")


def spread(client: Client, topic: str, which: Iterable[int]) -> None:
    producer = client.producer()
    for n in which:
        producer.send(topic, b"v%d" % n, partition=n % 6)
    producer.flush()
    producer.close()


def seen(members: Sequence[MemberThread]) -> set[str]:
    return {value for one in members for value in one.seen}


# ---- the broker goes and comes ---------------------------------------------------------------------------------------


@story("restart")
def restart(client: Client) -> None:
    topic = new_topic()
    producer = client.producer()
    reader = client.reader(topic, [0], BEGIN)
    send_all(producer, topic, 0, 100)
    found = poll_until(reader, set(numbers(0, 100)))
    ask("restart")
    if "patience" in client.missing:
        producer, reader = client.producer(), client.reader(topic, [0], Start("offset", 100))
    send_all(producer, topic, 100, 200)
    producer.close()
    found += poll_until(reader, set(numbers(100, 200)))
    reader.close()
    same(values(found), numbers(0, 200), "what a reader sees across a restart")
    same(values(read_from(client, topic, 200)), numbers(0, 200), "what is stored across a restart")


def send_all(producer: Producer, topic: str, first: int, end: int) -> None:
    for value in numbers(first, end):
        producer.send(topic, value.encode())
    producer.flush()


def poll_until(reader: Reader, wanted: set[str]) -> list[Record]:
    found: list[Record] = []
    deadline = time.monotonic() + PATIENCE_S
    while not wanted <= set(values(found)) and time.monotonic() < deadline:
        found += reader.poll(POLL_S)
    return found


@story("idempotent-kill", "idempotence", "patience")
def idempotent_kill(client: Client) -> None:
    """The broker is killed three times while records are on their way; each is stored once, in its order."""
    topic = new_topic(2)
    producer = client.producer(idempotent=True)
    trouble: list[BaseException] = []
    over = threading.Event()

    def kill() -> None:
        try:
            for _ in range(3):
                time.sleep(0.4)
                ask("kill")
        except BaseException as error:
            trouble.append(error)
        over.set()

    threading.Thread(target=kill, daemon=True).start()
    sent = 0
    while not over.is_set() and sent < 200_000:
        producer.send(topic, b"v%d" % sent, partition=sent % 2)
        sent += 1
        time.sleep(0.0005)
    if trouble:
        raise trouble[0]
    producer.flush()
    producer.close()
    found = by_partition(read_from(client, topic, sent, partitions=2))
    for p in range(2):
        wanted = [f"v{n}" for n in range(p, sent, 2)]
        there = found.get(p, [])
        lost, doubled = set(wanted) - set(there), len(there) - len(set(there))
        assert there == wanted, f"partition {p} of {len(wanted)}: {len(lost)} lost, {doubled} twice, or out of order"


def by_partition(records: Iterable[Record]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for record in records:
        found.setdefault(record.partition, []).append((record.value or b"").decode())
    return found


# ---- derived streams -------------------------------------------------------------------------------------------------


@story("derived")
def derived(client: Client) -> None:
    stamp = time.time_ns()
    orders, large_ones = f"orders-{stamp}", f"large-{stamp}"
    ask("create", topic=orders, partitions=2)
    lines = [
        f'[streams."{orders}"]',
        'format = "json"',
        f'[streams."{large_ones}"]',
        f'base = "{orders}"',
        'type = "filter"',
        'where = "qty > 5"',
    ]
    ask("apply", document="\n".join(lines) + "\n")
    producer = client.producer()
    for n in range(100):
        producer.send(orders, json.dumps({"n": n, "qty": n % 10}).encode(), partition=n % 2)
    producer.send(orders, b"no JSON")
    producer.flush()
    producer.close()
    found = by_partition(read_from(client, large_ones, 40, partitions=2))
    wanted = {p: [n for n in range(p, 100, 2) if n % 10 > 5] for p in range(2)}
    same({p: [json.loads(text)["n"] for text in texts] for p, texts in found.items()}, wanted, "the derived stream")


# ---- telling one -----------------------------------------------------------------------------------------------------


def open_client(folder: Path, bootstrap: str) -> Client:
    spec = importlib.util.spec_from_file_location("client_under_trial", folder / "client.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    client: Client = module.open_client(bootstrap)
    return client


def missing(client: Client, needs: Sequence[str], why: Mapping[str, str]) -> None:
    for need in needs:
        if need in why:
            raise Skip(why[need])


def main(folder: str, name: str, bootstrap: str) -> int:
    skipped = ""
    try:
        client = open_client(Path(folder), bootstrap)
        missing(client, NEEDS[name], client.missing)
        STORIES[name](client)
    except Skip as skip:
        skipped = str(skip)
    except Exception:
        traceback.print_exc()
        return 1
    if skipped:
        # Last of all, behind whatever the client says when it is dropped.
        print(skipped, file=sys.stderr)
        return EXIT_SKIPPED
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(STORIES))
        sys.exit(0)
    code = main(*sys.argv[1:])
    sys.stderr.flush()
    # Clients leave threads behind that would keep the process; everything that matters has been said.
    os._exit(code)
