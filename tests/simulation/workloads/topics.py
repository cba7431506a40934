"""Topics that come and go under one name, and the topography: applied, and changed while records flow."""

import random
from functools import partial

import trio

from higgins.client import Admin, NotStored, ProducerSettings, Stored, open_cluster, open_producer
from higgins.client.cluster import Cluster
from higgins.client.errors import BrokerRefused, ClientError
from higgins_protocol.errors import ErrorCode
from tests.simulation.chronicle import decode_value, encode_value
from tests.simulation.line import NodeLine, insistently
from tests.simulation.workloads.stage import (
    GROWN,
    GROWN_LARGE,
    LARGE,
    ORDERS,
    PARTITIONS,
    PLAIN,
    TRIMMED,
    Stage,
)

TOPOGRAPHY = """
[streams.{orders}]
format = "json"

[streams.{large}]
base = "{orders}"
type = "filter"
where = "qty > {least}"
"""
GROWING = """
[streams.{grown}]
format = "json"

[streams.{large}]
base = "{grown}"
type = "filter"
where = "qty > {least}"
"""
LEAST_FIRST = 4
SET_UP_UNTIL_S = 10.0


def topography(least: int) -> str:
    """The file that keeps orders of more than so many."""
    return TOPOGRAPHY.format(orders=ORDERS, large=LARGE, least=least)


async def set_up(stage: Stage) -> None:
    """Topics and operator, before anything goes wrong."""
    async with open_cluster(stage.connect, stage.runtime("setup"), stage.addresses, stage.client_settings) as cluster:
        admin = Admin(cluster)
        for topic, partitions in ((ORDERS, PARTITIONS), (PLAIN, PARTITIONS), (TRIMMED, 1), (GROWN, 1)):
            await insistently(partial(admin.create_topic, topic, partitions=partitions), SET_UP_UNTIL_S)
        growing = GROWING.format(grown=GROWN, large=GROWN_LARGE, least=LEAST_FIRST)
        for document in (topography(LEAST_FIRST), growing):
            await insistently(partial(admin.private, "apply", {"document": document}), SET_UP_UNTIL_S)


async def steer(stage: Stage, role: str) -> None:
    """Change what the operator keeps, now and then; an application without an answer is made again."""
    chance = stage.chance(role)
    async with open_cluster(stage.connect, stage.runtime(role), stage.addresses, stage.client_settings) as cluster:
        while stage.writing:
            await trio.sleep(chance.expovariate(1 / 4))
            least = chance.randrange(2, 7)
            stage.chronicle.add("admin", what=f"apply {least}")
            try:
                document = {"document": topography(least)}
                await insistently(partial(Admin(cluster).private, "apply", document), trio.current_time() + 15)
                stage.chronicle.succeeded(role)
            except ClientError as error:
                stage.chronicle.add("nemesis", c=role, error=str(error))


async def churn(stage: Stage, role: str) -> None:
    """Make a topic, write to it, read it whole, delete it, and make it again under the same name."""
    chance = stage.chance(role)
    async with (
        trio.open_nursery() as nursery,
        open_cluster(stage.connect, stage.runtime(role), stage.addresses, stage.client_settings) as cluster,
    ):
        incarnation, name = 0, f"{role}-0"
        lines = [NodeLine(nursery, stage.connect, address) for address in stage.addresses]
        while stage.writing:
            incarnation += 1
            clean = await _one_incarnation(stage, cluster, lines, name, f"{name}#{incarnation}", chance)
            if clean:
                stage.chronicle.succeeded(role)
            else:
                # What had no answer may still arrive, and would rightly find the namesake: go elsewhere.
                name = f"{role}-{incarnation}"
            await trio.sleep(chance.expovariate(1 / 0.5))
        nursery.cancel_scope.cancel()


async def _one_incarnation(
    stage: Stage, cluster: Cluster, lines: list[NodeLine], name: str, label: str, chance: random.Random
) -> bool:
    """True when every step had an answer."""
    admin, chronicle, key = Admin(cluster), stage.chronicle, f"{label}:0"
    chronicle.add("admin", what=f"create {label}")
    try:
        await admin.create_topic(name, partitions=1)
    except ClientError:
        return False
    chronicle.add("producer", p=label, kind="plain", inorder=False, retries=0)
    settings = ProducerSettings(idempotent=False, acks=-1, request_timeout_ms=3_000)
    async with open_producer(cluster, settings) as producer:
        for i in range(chance.randrange(1, 6)):
            number = chronicle.new_id()
            chronicle.add("send", id=number, p=label, k=key, v=f"{label}/{i}", tx=None)
            try:
                result = await producer.produce(name, encode_value(f"{label}/{i}"), partition=0)
            except ClientError:
                chronicle.add("sent", id=number, ok=0, o=None)
                return False
            match result:
                case Stored(offset=offset):
                    chronicle.add("sent", id=number, ok=1, o=offset)
                case NotStored():
                    chronicle.add("sent", id=number, ok=0, o=None)
                case _:
                    chronicle.add("sent", id=number, ok=-1, o=None)
                    return False
    try:
        line = chance.choice(lines)
        low, high = await line.bounds(name, 0)
        rows = [[offset, decode_value(value)] for offset, value in await line.read_all(name, 0, low, high)]
    except ClientError as error:
        chronicle.add("nemesis", c=label, error=str(error))
        return False
    for iso in ("ru", "rc"):
        chronicle.add("final", k=key, iso=iso, lo=low, hi=high, complete=True, r=rows)
    return await _delete(stage, admin, name, label)


async def _delete(stage: Stage, admin: Admin, name: str, label: str) -> bool:
    stage.chronicle.add("admin", what=f"delete {label}")
    try:
        await admin.delete_topic(name)
    except BrokerRefused as refusal:
        return refusal.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    except ClientError:
        return False
    return True
