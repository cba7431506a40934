"""Producers: plain ones, and idempotent ones with several batches under way; each life of one is a session."""

import random

import trio

from higgins.client import NotStored, ProducerSettings, Stored, open_cluster, open_producer
from higgins.client.errors import ClientError
from higgins.client.producer import Producer
from higgins.client.results import SendResult
from higgins.model.future import Future
from tests.simulation.chronicle import encode_value, key_of
from tests.simulation.workloads.stage import ORDERS, PARTITIONS, PLAIN, Stage


async def write(stage: Stage, role: str, *, idempotent: bool) -> None:
    """Write to both topics until writers are to stop; crash and begin anew every now and then."""
    chance = stage.chance(role)
    life = 0
    while stage.writing:
        life += 1
        name = f"{role}.{life}"
        stage.chronicle.add(
            "producer", p=name, kind="idempotent" if idempotent else "plain", inorder=idempotent, retries=0
        )
        with stage.life(chance, 15):
            await _one_life(stage, role, name, chance, idempotent)


async def _one_life(stage: Stage, role: str, name: str, chance: random.Random, idempotent: bool) -> None:
    settings = ProducerSettings(
        idempotent=idempotent,
        acks=-1 if idempotent else chance.choice((-1, 1)),
        linger_ms=chance.choice((0, 0, 20)),
        request_timeout_ms=3_000,
        delivery_timeout_ms=120_000,
        batch_records_max=chance.choice((1, 3, 100)),
    )
    sequence = 0
    async with (
        open_cluster(stage.connect, stage.runtime(name), stage.addresses, stage.client_settings) as cluster,
        open_producer(cluster, settings) as producer,
        trio.open_nursery() as nursery,
    ):
        while stage.writing:
            topic, partition = chance.choice((ORDERS, PLAIN)), chance.randrange(PARTITIONS)
            for _ in range(chance.choice((1, 2, 3, 6))):
                await _send(stage, role, producer, nursery, topic, partition, f"{name}/{sequence}", name)
                sequence += 1
            await trio.sleep(chance.expovariate(1 / stage.write_interval_s))


async def _send(
    stage: Stage,
    role: str,
    producer: Producer,
    nursery: trio.Nursery,
    topic: str,
    partition: int,
    value: str,
    name: str,
) -> None:
    number = stage.chronicle.new_id()
    stage.chronicle.add("send", id=number, p=name, k=key_of(topic, partition), v=value, tx=None)
    try:
        result = await producer.send(topic, encode_value(value), partition=partition)
    except ClientError:
        stage.chronicle.add("sent", id=number, ok=0, o=None)
        return
    nursery.start_soon(_await_result, stage, role, number, result)


async def _await_result(stage: Stage, role: str, number: int, result: Future[SendResult]) -> None:
    match await result.wait():
        case Stored(offset=offset):
            stage.chronicle.add("sent", id=number, ok=1, o=offset)
            stage.chronicle.succeeded(role)
        case NotStored():
            stage.chronicle.add("sent", id=number, ok=0, o=None)
        case _:
            stage.chronicle.add("sent", id=number, ok=-1, o=None)
