"""A topic that gets more partitions while it is written, and an operator whose output must get them too."""

import random

import trio

from higgins.client import Admin, Producer, ProducerSettings, Stored, open_producer
from higgins.client.errors import BrokerRefused, ClientError
from higgins_protocol.errors import ErrorCode
from tests.simulation.event_log import encode_value, key_of
from tests.simulation.workloads.context import GROWN, WorkloadContext

PARTITIONS_MAX = 8
GROWTH_INTERVAL_S = 3.0
PAUSE_S = 0.5


async def grow(context: WorkloadContext, role: str) -> None:
    """Write to the partitions that are known to exist, and add one now and then."""
    rng = context.rng(role)
    settings = ProducerSettings(idempotent=True, acks=-1, request_timeout_ms=3_000)
    async with (
        context.open_cluster(role) as cluster,
        open_producer(cluster, settings) as producer,
    ):
        partitions = 1
        grows_at = trio.current_time() + rng.expovariate(1 / GROWTH_INTERVAL_S)
        while context.writing:
            if partitions < PARTITIONS_MAX and trio.current_time() >= grows_at:
                partitions += await _add_one(context, Admin(cluster), partitions)
                grows_at = trio.current_time() + rng.expovariate(1 / GROWTH_INTERVAL_S)
            await _write(context, role, producer, partitions, rng)
            await trio.sleep(rng.expovariate(1 / PAUSE_S))


async def _add_one(context: WorkloadContext, admin: Admin, partitions: int) -> bool:
    """Whether the partition exists now. Without a response, the next call tries again."""
    context.event_log.add("grow", n=partitions + 1)
    try:
        await admin.add_partitions(GROWN, partitions + 1)
    except BrokerRefused as refusal:
        if refusal.code is not ErrorCode.INVALID_PARTITIONS:
            return False
    except ClientError:
        return False
    context.event_log.add("grown", n=partitions + 1)
    return True


async def _write(context: WorkloadContext, role: str, producer: Producer, partitions: int, rng: random.Random) -> None:
    partition, value = rng.randrange(partitions), f"{role}/{context.event_log.new_id()}"
    context.event_log.add("grow-send", k=key_of(GROWN, partition), v=value)
    try:
        result = await producer.produce(GROWN, encode_value(value), partition=partition)
    except ClientError:
        return
    if isinstance(result, Stored) and result.offset >= 0:
        context.event_log.add("grow-sent", k=key_of(GROWN, partition), v=value, o=result.offset)
        context.event_log.succeeded(role)
