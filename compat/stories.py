"""The stories: what a client does with a broker, and what is true afterwards. Groups and admin have their own files."""

import json
import threading
import time
from functools import partial

from port import BEGIN, END, Acks, Client, Producer, Reader, Record, Skip, Start
from telling import (
    PATIENCE_S,
    POLL_S,
    ask,
    by_partition,
    new_topic,
    numbers,
    read,
    read_from,
    same,
    story,
    values,
    write,
)

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LARGE_BYTES = 900 * 1024
PARTITIONS_DEFAULT = 4
"""What the broker under trial is told to make a topic with that nobody has created."""


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
