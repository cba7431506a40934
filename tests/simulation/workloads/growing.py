"""A topic that is given more partitions while it is written, under an operator that has to grow with it."""

import random

import trio

from higgins.client import Admin, Producer, ProducerSettings, Stored, open_cluster, open_producer
from higgins.client.errors import BrokerRefused, ClientError
from higgins_protocol.errors import ErrorCode
from tests.simulation.chronicle import encode_value, key_of
from tests.simulation.workloads.stage import GROWN, Stage

PARTITIONS_MAX = 8
GROWTH_INTERVAL_S = 3.0
PAUSE_S = 0.5


async def grow(stage: Stage, role: str) -> None:
    """Write to any of the partitions that are known to be there, and add one now and then."""
    chance = stage.chance(role)
    settings = ProducerSettings(idempotent=True, acks=-1, request_timeout_ms=3_000)
    async with (
        open_cluster(stage.connect, stage.runtime(role), stage.addresses, stage.client_settings) as cluster,
        open_producer(cluster, settings) as producer,
    ):
        partitions = 1
        grows_at = trio.current_time() + chance.expovariate(1 / GROWTH_INTERVAL_S)
        while stage.writing:
            if partitions < PARTITIONS_MAX and trio.current_time() >= grows_at:
                partitions += await _add_one(stage, Admin(cluster), partitions)
                grows_at = trio.current_time() + chance.expovariate(1 / GROWTH_INTERVAL_S)
            await _write(stage, role, producer, partitions, chance)
            await trio.sleep(chance.expovariate(1 / PAUSE_S))


async def _add_one(stage: Stage, admin: Admin, partitions: int) -> bool:
    """Whether it is there now; without an answer it is asked for again."""
    stage.chronicle.add("grow", n=partitions + 1)
    try:
        await admin.add_partitions(GROWN, partitions + 1)
    except BrokerRefused as refusal:
        if refusal.code is not ErrorCode.INVALID_PARTITIONS:
            return False
    except ClientError:
        return False
    stage.chronicle.add("grown", n=partitions + 1)
    return True


async def _write(stage: Stage, role: str, producer: Producer, partitions: int, chance: random.Random) -> None:
    partition, value = chance.randrange(partitions), f"{role}/{stage.chronicle.new_id()}"
    stage.chronicle.add("grow-send", k=key_of(GROWN, partition), v=value)
    try:
        result = await producer.produce(GROWN, encode_value(value), partition=partition)
    except ClientError:
        return
    if isinstance(result, Stored) and result.offset >= 0:
        stage.chronicle.add("grow-sent", k=key_of(GROWN, partition), v=value, o=result.offset)
        stage.chronicle.succeeded(role)
