"""A topic whose writer also deletes its oldest records, and reads it completely through a random node."""

import random

import trio

from higgins.client import Admin, Producer, ProducerSettings, Stored, open_producer
from higgins.client.errors import ClientError
from tests.simulation.event_log import decode_value, encode_value
from tests.simulation.node_client import NodeClient
from tests.simulation.workloads.context import TRIMMED, WorkloadContext

PAUSE_S = 0.6


async def trim(context: WorkloadContext, role: str) -> None:
    """Write some records, delete up to a random offset, read the rest. Each step must see the effects of the last."""
    rng = context.rng(role)
    settings = ProducerSettings(idempotent=True, acks=-1, request_timeout_ms=3_000)
    async with (
        trio.open_nursery() as nursery,
        context.open_cluster(role) as cluster,
        open_producer(cluster, settings) as producer,
    ):
        clients = [NodeClient(nursery, context.connect, address) for address in context.addresses]
        written = 0
        while context.writing:
            written = max(written, await _write(context, role, producer, rng))
            if rng.random() < 0.6:
                await _delete(context, Admin(cluster), rng.randint(0, written))
            await _read_rest(context, role, rng.choice(clients))
            await trio.sleep(rng.expovariate(1 / PAUSE_S))
        nursery.cancel_scope.cancel()


async def _write(context: WorkloadContext, role: str, producer: Producer, rng: random.Random) -> int:
    """The offset after the last acknowledged record."""
    end = 0
    for _ in range(rng.randrange(1, 4)):
        value = f"{role}/{context.event_log.new_id()}"
        context.event_log.add("trim-send", v=value)
        try:
            result = await producer.produce(TRIMMED, encode_value(value), partition=0)
        except ClientError:
            continue
        if isinstance(result, Stored) and result.offset >= 0:
            context.event_log.add("trim-sent", v=value, o=result.offset)
            end = result.offset + 1
    return end


async def _delete(context: WorkloadContext, admin: Admin, before: int) -> None:
    context.event_log.add("trim", before=before)
    try:
        starts = await admin.delete_records({(TRIMMED, 0): before})
    except ClientError:
        return  # it may have been done, or may still be done
    context.event_log.add("trimmed", before=before, start=starts[TRIMMED, 0])


async def _read_rest(context: WorkloadContext, role: str, client: NodeClient) -> None:
    try:
        low, high = await client.bounds(TRIMMED, 0)
        records = await client.read_all(TRIMMED, 0, low, high)
    except ClientError:
        return
    rows = [[offset, decode_value(value)] for offset, value in records]
    context.event_log.add("trim-look", lo=low, hi=high, r=rows)
    context.event_log.succeeded(role)
