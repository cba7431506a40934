"""Topics that are created and deleted under one name, and a topography that is changed while records flow."""

import random
from functools import partial

import trio

from higgins.client import Admin, ProducerSettings, open_producer
from higgins.client.cluster import Cluster
from higgins.client.errors import BrokerRefused, ClientError
from higgins_protocol.errors import ErrorCode
from tests.simulation.event_log import decode_value, encode_value
from tests.simulation.node_client import NodeClient, retry_until
from tests.simulation.workloads.context import (
    GROWN,
    GROWN_LARGE,
    LARGE,
    ORDERS,
    PARTITIONS,
    PLAIN,
    TRIMMED,
    WorkloadContext,
)

TOPOGRAPHY = """
[streams.{base}]
format = "json"

[streams.{derived}]
base = "{base}"
type = "filter"
where = "qty > {least}"
"""
LEAST_FIRST = 4
SET_UP_UNTIL_S = 10.0


def topography(base: str, derived: str, least: int) -> str:
    """A topography with one operator, which keeps the records with `qty` greater than `least`."""
    return TOPOGRAPHY.format(base=base, derived=derived, least=least)


async def set_up(context: WorkloadContext) -> None:
    """Create the topics and operators, before the first fault."""
    async with context.open_cluster("setup") as cluster:
        admin = Admin(cluster)
        for topic, partitions in ((ORDERS, PARTITIONS), (PLAIN, PARTITIONS), (TRIMMED, 1), (GROWN, 1)):
            await retry_until(partial(admin.create_topic, topic, partitions=partitions), SET_UP_UNTIL_S)
        for base, derived in ((ORDERS, LARGE), (GROWN, GROWN_LARGE)):
            document = topography(base, derived, LEAST_FIRST)
            await retry_until(partial(admin.private, "apply", {"document": document}), SET_UP_UNTIL_S)


async def steer(context: WorkloadContext, role: str) -> None:
    """Change the operator's filter now and then. Applying is idempotent, so it is retried without a response."""
    rng = context.rng(role)
    async with context.open_cluster(role) as cluster:
        while context.writing:
            await trio.sleep(rng.expovariate(1 / 4))
            least = rng.randrange(2, 7)
            context.event_log.add("admin", what=f"apply {least}")
            try:
                document = {"document": topography(ORDERS, LARGE, least)}
                await retry_until(partial(Admin(cluster).private, "apply", document), trio.current_time() + 15)
                context.event_log.succeeded(role)
            except ClientError as error:
                context.event_log.add("nemesis", c=role, error=str(error))


async def churn(context: WorkloadContext, role: str) -> None:
    """Create a topic, write to it, read it completely, delete it, and create it again under the same name."""
    rng = context.rng(role)
    async with (
        trio.open_nursery() as nursery,
        context.open_cluster(role) as cluster,
    ):
        incarnation, name = 0, f"{role}-0"
        clients = [NodeClient(nursery, context.connect, address) for address in context.addresses]
        while context.writing:
            incarnation += 1
            all_answered = await _one_incarnation(context, cluster, clients, name, f"{name}#{incarnation}", rng)
            if all_answered:
                context.event_log.succeeded(role)
            else:
                # A request without a response may still arrive, and would affect the next topic of this name.
                name = f"{role}-{incarnation}"
            await trio.sleep(rng.expovariate(1 / 0.5))
        nursery.cancel_scope.cancel()


async def _one_incarnation(
    context: WorkloadContext, cluster: Cluster, clients: list[NodeClient], name: str, label: str, rng: random.Random
) -> bool:
    """Whether every request was answered."""
    admin, event_log, key = Admin(cluster), context.event_log, f"{label}:0"
    event_log.add("admin", what=f"create {label}")
    try:
        await admin.create_topic(name, partitions=1)
    except ClientError:
        return False
    event_log.add("producer", p=label, kind="plain", inorder=False, retries=0)
    settings = ProducerSettings(idempotent=False, acks=-1, request_timeout_ms=3_000)
    async with open_producer(cluster, settings) as producer:
        for i in range(rng.randrange(1, 6)):
            number = event_log.new_id()
            event_log.add("send", id=number, p=label, k=key, v=f"{label}/{i}", tx=None)
            try:
                result = await producer.produce(name, encode_value(f"{label}/{i}"), partition=0)
            except ClientError:
                event_log.add("sent", id=number, ok=0, o=None)
                return False
            if not context.log_result(number, result):
                return False
    try:
        client = rng.choice(clients)
        low, high = await client.bounds(name, 0)
        rows = [[offset, decode_value(value)] for offset, value in await client.read_all(name, 0, low, high)]
    except ClientError as error:
        event_log.add("nemesis", c=label, error=str(error))
        return False
    for iso in ("ru", "rc"):
        event_log.add("final", k=key, iso=iso, lo=low, hi=high, complete=True, r=rows)
    return await _delete(context, admin, name, label)


async def _delete(context: WorkloadContext, admin: Admin, name: str, label: str) -> bool:
    context.event_log.add("admin", what=f"delete {label}")
    try:
        await admin.delete_topic(name)
    except BrokerRefused as refusal:
        return refusal.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    except ClientError:
        return False
    return True
