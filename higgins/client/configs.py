"""Config entries of topics: what stands and where it comes from, and changes of single entries."""

from collections.abc import Mapping, Sequence

import msgspec

from higgins.client.cluster import Cluster
from higgins.client.errors import check
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

TOPIC = 2
SET, DELETE = 0, 1
SOURCES: Mapping[int, str] = {
    1: "topic",
    2: "broker, changed since its start",
    3: "all brokers, changed since their start",
    4: "broker",
    5: "default",
}
"""Kafka's codes in words."""


class ConfigEntry(msgspec.Struct, frozen=True):
    """One entry as a broker describes it."""

    name: str
    value: str | None
    source: str
    documentation: str | None


async def topic_configs(cluster: Cluster, topic: str, keys: Sequence[str] | None = None) -> list[ConfigEntry]:
    """A topic's entries by name, all or those asked for; names that the broker does not know are left out.

    Raises: BrokerRefused and other ClientErrors.
    """

    async def attempt() -> list[ConfigEntry]:
        connection = await cluster.any_connection("admin")
        resource = DescribeConfigsResource(TOPIC, topic, None if keys is None else list(keys))
        request = DescribeConfigsRequest([resource], include_documentation=True)
        answer = await connection.call(request, DescribeConfigsResponse, at_least=3)
        (found,) = answer.results
        check(found.error_code, found.error_message or f"Topic '{topic}' does not exist, or cannot be described.")
        return [
            ConfigEntry(one.name, one.value, SOURCES.get(one.config_source, "elsewhere"), one.documentation)
            for one in sorted(found.configs, key=lambda one: one.name)
        ]

    return await cluster.retrying(attempt, retry_missing=False)


async def change_topic_configs(
    cluster: Cluster, topic: str, *, values: Mapping[str, str], deleted: Sequence[str] = ()
) -> None:
    """Set entries of a topic and delete others, all of it or nothing. Doing it twice does no harm.

    Raises: BrokerRefused and other ClientErrors.
    """

    async def attempt() -> None:
        connection = await cluster.any_connection("admin")
        changes = [IncrementalConfig(name, SET, value) for name, value in values.items()]
        changes += [IncrementalConfig(name, DELETE, None) for name in deleted]
        request = IncrementalAlterConfigsRequest([IncrementalResource(TOPIC, topic, changes)])
        answer = await connection.call(request, IncrementalAlterConfigsResponse)
        for one in answer.responses:
            check(one.error_code, one.error_message or f"The configs of topic '{topic}' cannot be changed.")

    await cluster.retrying(attempt, retry_missing=False)
