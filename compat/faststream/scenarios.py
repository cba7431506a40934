"""FastStream: a service that subscribes, publishes what it makes of it, and loses nothing; over both of its clients."""

import asyncio
import time
from types import ModuleType

import faststream.confluent as over_confluent
import faststream.kafka as over_aiokafka
from telling import ask, same, scenario

RECORDS = 100
PATIENCE_S = 30.0


async def serve(module: ModuleType, bootstrap: str, stamp: int) -> list[int]:
    """Squares come out of one subscriber into the next; what that one has seen."""
    broker = module.KafkaBroker(bootstrap)
    seen: list[int] = []
    over = asyncio.Event()
    settings = {"group_id": f"service-{stamp}", "auto_offset_reset": "earliest", "session_timeout_ms": 6_000}

    @broker.subscriber(f"numbers-{stamp}", **settings)
    @broker.publisher(f"squares-{stamp}")
    async def square(number: int) -> int:
        return number * number

    @broker.subscriber(f"squares-{stamp}", **settings)
    async def collect(number: int) -> None:
        seen.append(number)
        if len(seen) >= RECORDS:
            over.set()

    async with broker:
        await broker.start()
        for number in range(RECORDS):
            await broker.publish(number, f"numbers-{stamp}", key=b"k%d" % (number % 7))
        await asyncio.wait_for(over.wait(), PATIENCE_S)
    return seen


def squares(module: ModuleType, bootstrap: str) -> None:
    stamp = time.time_ns()
    for topic in (f"numbers-{stamp}", f"squares-{stamp}"):
        ask("create", topic=topic, partitions=3)
    seen = asyncio.run(serve(module, bootstrap, stamp))
    same(sorted(seen), [number * number for number in range(RECORDS)], "squares")


@scenario("over-confluent-kafka")
def confluent(bootstrap: str) -> None:
    squares(over_confluent, bootstrap)


@scenario("over-aiokafka")
def aiokafka(bootstrap: str) -> None:
    squares(over_aiokafka, bootstrap)
