"""A topic whose oldest records are deleted all the while, by whom writes it, and read whole through any node."""

import random

import trio

from higgins.client import Admin, Producer, ProducerSettings, Stored, open_cluster, open_producer
from higgins.client.errors import ClientError
from tests.simulation.chronicle import decode_value, encode_value
from tests.simulation.line import NodeLine
from tests.simulation.workloads.stage import TRIMMED, Stage

PAUSE_S = 0.6


async def trim(stage: Stage, role: str) -> None:
    """Write a little, delete up to somewhere, look at what is left; each step after the last, so that it must show."""
    chance = stage.chance(role)
    settings = ProducerSettings(idempotent=True, acks=-1, request_timeout_ms=3_000)
    async with (
        trio.open_nursery() as nursery,
        open_cluster(stage.connect, stage.runtime(role), stage.addresses, stage.client_settings) as cluster,
        open_producer(cluster, settings) as producer,
    ):
        lines = [NodeLine(nursery, stage.connect, address) for address in stage.addresses]
        written = 0
        while stage.writing:
            written = max(written, await _write(stage, role, producer, chance))
            if chance.random() < 0.6:
                await _delete(stage, Admin(cluster), chance.randint(0, written))
            await _look(stage, role, chance.choice(lines))
            await trio.sleep(chance.expovariate(1 / PAUSE_S))
        nursery.cancel_scope.cancel()


async def _write(stage: Stage, role: str, producer: Producer, chance: random.Random) -> int:
    """Where the last record that was acknowledged ends."""
    end = 0
    for _ in range(chance.randrange(1, 4)):
        value = f"{role}/{stage.chronicle.new_id()}"
        stage.chronicle.add("trim-send", v=value)
        try:
            result = await producer.produce(TRIMMED, encode_value(value), partition=0)
        except ClientError:
            continue
        if isinstance(result, Stored) and result.offset >= 0:
            stage.chronicle.add("trim-sent", v=value, o=result.offset)
            end = result.offset + 1
    return end


async def _delete(stage: Stage, admin: Admin, before: int) -> None:
    stage.chronicle.add("trim", before=before)
    try:
        starts = await admin.delete_records({(TRIMMED, 0): before})
    except ClientError:
        return  # Perhaps it was done, perhaps it still will be.
    stage.chronicle.add("trimmed", before=before, start=starts[TRIMMED, 0])


async def _look(stage: Stage, role: str, line: NodeLine) -> None:
    try:
        low, high = await line.bounds(TRIMMED, 0)
        found = await line.read_all(TRIMMED, 0, low, high)
    except ClientError:
        return
    rows = [[offset, decode_value(value)] for offset, value in found]
    stage.chronicle.add("trim-look", lo=low, hi=high, r=rows)
    stage.chronicle.succeeded(role)
