"""Consumers with assigned partitions, and probes that ask random nodes for watermarks and committed offsets."""

import random

import trio

from higgins.client import Consumer, ConsumerSettings
from higgins.client.errors import ClientError
from higgins.client.offsets import EARLIEST
from tests.simulation.event_log import decode_value, key_of
from tests.simulation.node_client import NodeClient
from tests.simulation.workloads.context import GROUP, LARGE, ORDERS, PARTITIONS, PLAIN, WorkloadContext

PROBE_INTERVAL_S = 0.15


async def read(context: WorkloadContext, role: str, topics: tuple[str, ...]) -> None:
    """Read some partitions of the topics from the beginning until the client crashes, and start again."""
    rng = context.rng(role)
    life = 0
    while context.reading:
        life += 1
        with context.life(rng, 15):
            await _one_life(context, role, f"{role}.{life}", topics, rng)


async def _one_life(
    context: WorkloadContext, role: str, name: str, topics: tuple[str, ...], rng: random.Random
) -> None:
    settings = ConsumerSettings(
        max_wait_ms=rng.choice((100, 500)), fetch_bytes_max=rng.choice((4_000, 1 << 20)), reset="error"
    )
    partitions = [(topic, index) for topic in topics for index in range(PARTITIONS) if rng.random() < 0.8]
    partitions = partitions or [(topics[0], 0)]
    starts = {key_of(*partition): 0 for partition in partitions}
    context.event_log.add("assign", c=name, s=1, g=None, k=starts)
    async with context.open_cluster(name) as cluster:
        consumer = Consumer(cluster, settings)
        consumer.assign(dict.fromkeys(partitions, EARLIEST))
        while context.reading:
            started_at = context.event_log.now()
            try:
                records = await consumer.poll(0.5)
            except ClientError as error:
                context.event_log.add("nemesis", c=name, error=str(error))
                await trio.sleep(0.5)
                continue
            if records:
                rows = [[key_of(row.topic, row.partition), row.offset, decode_value(row.value)] for row in records]
                kind = "derived-poll" if LARGE in topics else "poll"
                context.event_log.add(kind, c=name, s=1, iso="ru", t0=started_at, r=rows)
                context.event_log.succeeded(role)


async def probe(context: WorkloadContext, role: str) -> None:
    """Ask random nodes for the watermarks of partitions and the group's committed offsets."""
    rng = context.rng(role)
    async with trio.open_nursery() as nursery:
        clients = [NodeClient(nursery, context.connect, address) for address in context.addresses]
        while context.reading:
            await trio.sleep(rng.expovariate(1 / PROBE_INTERVAL_S))
            client = rng.choice(clients)
            started_at = context.event_log.now()
            try:
                if rng.random() < 0.6:
                    topic, partition = rng.choice((ORDERS, PLAIN)), rng.randrange(PARTITIONS)
                    low, high = await client.bounds(topic, partition)
                    context.event_log.add("wm", k=key_of(topic, partition), lo=low, hi=high, t0=started_at)
                else:
                    committed = await client.committed(GROUP)
                    keys = [key_of(topic, index) for topic in (ORDERS, PLAIN) for index in range(PARTITIONS)]
                    offsets = {key: committed.get(key, -1) for key in keys}
                    context.event_log.add("ofetch", g=GROUP, t0=started_at, k=offsets)
                context.event_log.succeeded(role)
            except ClientError:
                continue
        nursery.cancel_scope.cancel()
