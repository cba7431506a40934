"""Config entries that are changed through one node and read through another. Each role has its own entry."""

import trio

from higgins.client.errors import ClientError
from higgins_protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    IncrementalConfig,
    IncrementalResource,
)
from tests.simulation.node_client import NodeClient
from tests.simulation.workloads.context import PLAIN, WorkloadContext

TOPIC, SET = 2, 0
ENTRIES = ("retention.ms", "segment.ms")
"""All of one topic, so that the changes of the roles conflict."""
PAUSE_S = 1.0


async def configure(context: WorkloadContext, role: str, entry: str) -> None:
    """Set the entry to 1, 2, 3, ... and read it after each. Nothing is retried."""
    rng = context.rng(role)
    async with trio.open_nursery() as nursery:
        clients = [NodeClient(nursery, context.connect, address) for address in context.addresses]
        number = 0
        while context.writing:
            number += 1
            await _set(context, rng.choice(clients), entry, number)
            await _read(context, role, rng.choice(clients), entry)
            await trio.sleep(rng.expovariate(1 / PAUSE_S))
        nursery.cancel_scope.cancel()


async def _set(context: WorkloadContext, client: NodeClient, entry: str, number: int) -> None:
    context.event_log.add("config", k=entry, n=number)
    resource = IncrementalResource(TOPIC, PLAIN, [IncrementalConfig(entry, SET, str(number))])
    try:
        response = await client.call(IncrementalAlterConfigsRequest([resource]), IncrementalAlterConfigsResponse)
    except ClientError:
        return
    if not response.responses[0].error_code:
        context.event_log.add("configured", k=entry, n=number)


async def _read(context: WorkloadContext, role: str, client: NodeClient, entry: str) -> None:
    try:
        response = await client.call(
            DescribeConfigsRequest([DescribeConfigsResource(TOPIC, PLAIN, [entry])]), DescribeConfigsResponse
        )
    except ClientError:
        return
    (result,) = response.results
    if not result.error_code:
        context.event_log.add("config-look", k=entry, v=result.configs[0].value)
        context.event_log.succeeded(role)
