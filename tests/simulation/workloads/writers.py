"""Producers: without idempotence, and idempotent ones with several batches in flight."""

import random

import trio

from higgins.client import ProducerSettings, Stored, open_producer
from higgins.client.errors import ClientError
from higgins.client.producer import Producer
from higgins.client.results import SendResult
from higgins.model.future import Future
from tests.simulation.event_log import encode_value, key_of
from tests.simulation.workloads.context import ORDERS, PARTITIONS, PLAIN, WorkloadContext


async def write(context: WorkloadContext, role: str, *, idempotent: bool) -> None:
    """Write to both topics; crash and start again with a new producer id now and then."""
    rng = context.rng(role)
    life = 0
    while context.writing:
        life += 1
        name = f"{role}.{life}"
        context.event_log.add(
            "producer", p=name, kind="idempotent" if idempotent else "plain", inorder=idempotent, retries=0
        )
        with context.life(rng, 15):
            await _one_life(context, role, name, rng, idempotent)


async def _one_life(context: WorkloadContext, role: str, name: str, rng: random.Random, idempotent: bool) -> None:
    settings = ProducerSettings(
        idempotent=idempotent,
        acks=-1 if idempotent else rng.choice((-1, 1)),
        linger_ms=rng.choice((0, 0, 20)),
        request_timeout_ms=3_000,
        delivery_timeout_ms=120_000,
        batch_records_max=rng.choice((1, 3, 100)),
    )
    sequence = 0
    async with (
        context.open_cluster(name) as cluster,
        open_producer(cluster, settings) as producer,
        trio.open_nursery() as nursery,
    ):
        while context.writing:
            topic, partition = rng.choice((ORDERS, PLAIN)), rng.randrange(PARTITIONS)
            for _ in range(rng.choice((1, 2, 3, 6))):
                await _send(context, role, producer, nursery, topic, partition, f"{name}/{sequence}", name)
                sequence += 1
            await trio.sleep(rng.expovariate(1 / context.write_interval_s))


async def _send(
    context: WorkloadContext,
    role: str,
    producer: Producer,
    nursery: trio.Nursery,
    topic: str,
    partition: int,
    value: str,
    name: str,
) -> None:
    number = context.event_log.new_id()
    context.event_log.add("send", id=number, p=name, k=key_of(topic, partition), v=value, tx=None)
    try:
        result = await producer.send(topic, encode_value(value), partition=partition)
    except ClientError:
        context.event_log.add("sent", id=number, ok=0, o=None)
        return
    nursery.start_soon(_await_result, context, role, number, result)


async def _await_result(context: WorkloadContext, role: str, number: int, result: Future[SendResult]) -> None:
    outcome = await result.wait()
    context.log_result(number, outcome)
    if isinstance(outcome, Stored):
        context.event_log.succeeded(role)
