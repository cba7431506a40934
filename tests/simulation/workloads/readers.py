"""Consumers that choose their partitions themselves, and probes that ask any node for watermarks and commits."""

import random

import trio

from higgins.client import Consumer, ConsumerSettings, open_cluster
from higgins.client.errors import ClientError
from higgins.client.offsets import EARLIEST
from tests.simulation.chronicle import decode_value, key_of
from tests.simulation.line import NodeLine
from tests.simulation.workloads.stage import GROUP, LARGE, ORDERS, PARTITIONS, PLAIN, Stage

PROBE_INTERVAL_S = 0.15


async def read(stage: Stage, role: str, topics: tuple[str, ...]) -> None:
    """Read some partitions of the topics from the beginning, for as long as a life lasts, and again."""
    chance = stage.chance(role)
    life = 0
    while stage.reading:
        life += 1
        with stage.life(chance, 15):
            await _one_life(stage, role, f"{role}.{life}", topics, chance)


async def _one_life(stage: Stage, role: str, name: str, topics: tuple[str, ...], chance: random.Random) -> None:
    settings = ConsumerSettings(
        max_wait_ms=chance.choice((100, 500)), fetch_bytes_max=chance.choice((4_000, 1 << 20)), reset="error"
    )
    chosen = [(topic, one) for topic in topics for one in range(PARTITIONS) if chance.random() < 0.8]
    chosen = chosen or [(topics[0], 0)]
    starts = {key_of(*one): 0 for one in chosen}
    stage.chronicle.add("assign", c=name, s=1, g=None, k=starts)
    async with open_cluster(stage.connect, stage.runtime(name), stage.addresses, stage.client_settings) as cluster:
        consumer = Consumer(cluster, settings)
        consumer.assign(dict.fromkeys(chosen, EARLIEST))
        while stage.reading:
            begun = stage.chronicle.now()
            try:
                records = await consumer.poll(0.5)
            except ClientError as error:
                stage.chronicle.add("nemesis", c=name, error=str(error))
                await trio.sleep(0.5)
                continue
            if records:
                rows = [[key_of(one.topic, one.partition), one.offset, decode_value(one.value)] for one in records]
                kind = "derived-poll" if LARGE in topics else "poll"
                stage.chronicle.add(kind, c=name, s=1, iso="ru", t0=begun, r=rows)
                stage.chronicle.succeeded(role)


async def probe(stage: Stage, role: str) -> None:
    """Ask one node after another where partitions end and where the group stands."""
    chance = stage.chance(role)
    async with trio.open_nursery() as nursery:
        lines = [NodeLine(nursery, stage.connect, address) for address in stage.addresses]
        while stage.reading:
            await trio.sleep(chance.expovariate(1 / PROBE_INTERVAL_S))
            line = chance.choice(lines)
            begun = stage.chronicle.now()
            try:
                if chance.random() < 0.6:
                    topic, partition = chance.choice((ORDERS, PLAIN)), chance.randrange(PARTITIONS)
                    low, high = await line.bounds(topic, partition)
                    stage.chronicle.add("wm", k=key_of(topic, partition), lo=low, hi=high, t0=begun)
                else:
                    found = await line.committed(GROUP)
                    keys = [key_of(topic, one) for topic in (ORDERS, PLAIN) for one in range(PARTITIONS)]
                    stage.chronicle.add("ofetch", g=GROUP, t0=begun, k={key: found.get(key, -1) for key in keys})
                stage.chronicle.succeeded(role)
            except ClientError:
                continue
        nursery.cancel_scope.cancel()
