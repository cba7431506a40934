"""Quix Streams: an application counts by key, loses its disk in the middle, and goes on from its changelog."""

import json
import tempfile
import time
from collections.abc import Mapping

from confluent_kafka import KafkaException, Producer
from port import Skip
from quixstreams import Application, State
from telling import ask, same, scenario

KEYS = ("a", "b", "c")
HALF = 30
PATIENCE_S = 30.0
ASK_S = 5.0


def application(bootstrap: str, group: str, folder: str, guarantee: str = "at-least-once") -> Application:
    return Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=folder,
        processing_guarantee=guarantee,
        commit_interval=0.5,
        loglevel="WARNING",
        consumer_extra_config={"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500},
    )


def count(value: Mapping[str, int], state: State) -> Mapping[str, int]:
    so_far = state.get("count", 0) + 1
    state.set("count", so_far)
    return {"n": value["n"], "count": so_far}


def run_counting(bootstrap: str, stamp: int, guarantee: str = "at-least-once") -> None:
    """Count HALF records and end; the state's folder is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        app = application(bootstrap, f"counting-{stamp}", folder, guarantee)
        frame = app.dataframe(app.topic(f"in-{stamp}", value_deserializer="json"))
        frame = frame.filter(lambda value: value["n"] >= 0).apply(count, stateful=True)
        frame.to_topic(app.topic(f"out-{stamp}", value_serializer="json"))
        app.run(count=HALF, timeout=PATIENCE_S)


def write(bootstrap: str, topic: str, first: int) -> None:
    with tempfile.TemporaryDirectory() as folder, application(bootstrap, "none", folder).get_producer() as producer:
        for n in range(first, first + HALF):
            producer.produce(topic, json.dumps({"n": n}), key=KEYS[n % 3])


def read(bootstrap: str, topic: str, wanted: int) -> list[tuple[str, int, int]]:
    """Key, n and count of each record of a topic, as many as wanted."""
    found: list[tuple[str, int, int]] = []
    deadline = time.monotonic() + PATIENCE_S
    with (
        tempfile.TemporaryDirectory() as folder,
        application(bootstrap, f"read-{topic}", folder).get_consumer() as consumer,
    ):
        consumer.subscribe([topic])
        while len(found) < wanted and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                value = json.loads(message.value())
                found.append((message.key().decode(), value["n"], value["count"]))
    return found


def counts_twice(bootstrap: str, guarantee: str) -> None:
    stamp = time.time_ns()
    for topic in (f"in-{stamp}", f"out-{stamp}"):
        ask("create", topic=topic, partitions=2)
    for first in (0, HALF):
        write(bootstrap, f"in-{stamp}", first)
        run_counting(bootstrap, stamp, guarantee)
    wanted = [(KEYS[n % 3], n, n // 3 + 1) for n in range(2 * HALF)]
    same(sorted(read(bootstrap, f"out-{stamp}", 2 * HALF)), sorted(wanted), "counts by key, across a lost disk")


@scenario("counts-by-key")
def counts_by_key(bootstrap: str) -> None:
    counts_twice(bootstrap, "at-least-once")


@scenario("exactly-once")
def exactly_once(bootstrap: str) -> None:
    try:
        Producer({"bootstrap.servers": bootstrap, "transactional.id": "any"}).init_transactions(ASK_S)
    except KafkaException as error:
        raise Skip(f"the broker refuses transactions: {error}") from None
    counts_twice(bootstrap, "exactly-once")
