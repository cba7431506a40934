"""Config entries that are changed on one node and looked at on another. Each role has an entry of its own."""

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
from tests.simulation.line import NodeLine
from tests.simulation.workloads.stage import PLAIN, Stage

TOPIC, SET = 2, 0
ENTRIES = ("retention.ms", "segment.ms")
"""Of one and the same topic, so that those who change them get in each other's way."""
PAUSE_S = 1.0


async def configure(stage: Stage, role: str, entry: str) -> None:
    """Set the entry to one number after the other, and look what it is; nothing is asked twice."""
    chance = stage.chance(role)
    async with trio.open_nursery() as nursery:
        lines = [NodeLine(nursery, stage.connect, address) for address in stage.addresses]
        number = 0
        while stage.writing:
            number += 1
            await _set(stage, chance.choice(lines), entry, number)
            await _look(stage, role, chance.choice(lines), entry)
            await trio.sleep(chance.expovariate(1 / PAUSE_S))
        nursery.cancel_scope.cancel()


async def _set(stage: Stage, line: NodeLine, entry: str, number: int) -> None:
    stage.chronicle.add("config", k=entry, n=number)
    resource = IncrementalResource(TOPIC, PLAIN, [IncrementalConfig(entry, SET, str(number))])
    try:
        answer = await line.ask(IncrementalAlterConfigsRequest([resource]), IncrementalAlterConfigsResponse)
    except ClientError:
        return
    if not answer.responses[0].error_code:
        stage.chronicle.add("configured", k=entry, n=number)


async def _look(stage: Stage, role: str, line: NodeLine, entry: str) -> None:
    try:
        answer = await line.ask(
            DescribeConfigsRequest([DescribeConfigsResource(TOPIC, PLAIN, [entry])]), DescribeConfigsResponse
        )
    except ClientError:
        return
    (found,) = answer.results
    if not found.error_code:
        stage.chronicle.add("config-look", k=entry, v=found.configs[0].value)
        stage.chronicle.succeeded(role)
