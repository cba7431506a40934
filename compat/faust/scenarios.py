"""Faust: a worker joins with an assignor of its own, counts in a table, and keeps a changelog of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from telling import ask, same, scenario

CUSTOMERS = ("ann", "bob", "cy")
ORDERS = 60
PATIENCE_S = 45.0


async def write(bootstrap: str, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for n in range(ORDERS):
        customer = CUSTOMERS[n % 3]
        order = json.dumps({"customer": customer, "n": n}).encode()
        # Faust wants a record's partition and its table's to be one; any will do that is the same for a customer.
        await producer.send_and_wait(topic, order, key=customer.encode(), partition=n % 3 % 2)
    await producer.stop()


async def read(bootstrap: str, topic: str, wanted: int) -> list[tuple[str, int, int]]:
    """Customer, n and count of each record of a topic, as many as wanted."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[tuple[str, int, int]] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < wanted and time.monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            values = [json.loads(one.value) for one in records]
            found += [(value["customer"], value["n"], value["count"]) for value in values]
    await consumer.stop()
    return found


def work_until(bootstrap: str, stamp: int, wanted: int) -> list[tuple[str, int, int]]:
    """Run a worker until so many counts have come out, and end it as an operator would; all that has come out."""
    environment = {**os.environ, "BOOTSTRAP": bootstrap, "STAMP": str(stamp)}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", "faust", "--datadir", folder, "-A", "counting", "worker", "-l", "warn"]
        worker = subprocess.Popen(
            command, cwd=Path(__file__).parent, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL
        )
        found = asyncio.run(read(bootstrap, f"counted-{stamp}", wanted))
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if len(found) < wanted:
            said.seek(0)
            print(said.read()[-6_000:], file=sys.stderr)
    return found


@scenario("counts-in-a-table")
def counts_in_a_table(bootstrap: str) -> None:
    stamp = time.time_ns()
    for topic in (f"orders-{stamp}", f"counted-{stamp}"):
        ask("create", topic=topic, partitions=2)
    asyncio.run(write(bootstrap, f"orders-{stamp}"))
    found = work_until(bootstrap, stamp, ORDERS)
    wanted = [(CUSTOMERS[n % 3], n, n // 3 + 1) for n in range(ORDERS)]
    same(sorted(found), sorted(wanted), "counts by customer")
