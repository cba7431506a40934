"""Config entries of topics: describe them with their sources, and change single ones."""

from collections.abc import Mapping, Sequence

import msgspec

from higgins.client.cluster import Cluster
from higgins.client.errors import raise_for_error
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

TOPIC_RESOURCE = 2
SET, DELETE = 0, 1
"""Operations of IncrementalAlterConfigs."""
SOURCES: Mapping[int, str] = {
    1: "topic",
    2: "broker, changed since its start",
    3: "all brokers, changed since their start",
    4: "broker",
    5: "default",
}
"""Kafka's `config_source` codes, as they are shown to a user."""


class ConfigEntry(msgspec.Struct, frozen=True):
    """One config entry with its effective value and where that comes from."""

    name: str
    value: str | None
    source: str
    documentation: str | None


async def topic_configs(cluster: Cluster, topic: str, keys: Sequence[str] | None = None) -> list[ConfigEntry]:
    """A topic's config entries sorted by name, all or only these; names that the broker does not know are left out.

    Raises: ClientError.
    """

    async def attempt() -> list[ConfigEntry]:
        connection = await cluster.any_connection("admin")
        resource = DescribeConfigsResource(TOPIC_RESOURCE, topic, None if keys is None else list(keys))
        request = DescribeConfigsRequest([resource], include_documentation=True)
        response = await connection.call(request, DescribeConfigsResponse, at_least=3)
        (result,) = response.results
        raise_for_error(
            result.error_code, result.error_message or f"Topic '{topic}' does not exist, or cannot be described."
        )
        return [
            ConfigEntry(entry.name, entry.value, SOURCES.get(entry.config_source, "unknown"), entry.documentation)
            for entry in sorted(result.configs, key=lambda entry: entry.name)
        ]

    return await cluster.retry(attempt, retry_missing=False)


async def change_topic_configs(
    cluster: Cluster, topic: str, *, values: Mapping[str, str], deleted: Sequence[str] = ()
) -> None:
    """Set some config entries of a topic and reset others to their defaults: all of them, or none on an error.

    Raises: ClientError.
    """

    async def attempt() -> None:
        # Setting and deleting by name gives the same result when repeated, so a retry is safe.
        connection = await cluster.any_connection("admin")
        changes = [IncrementalConfig(name, SET, value) for name, value in values.items()]
        changes += [IncrementalConfig(name, DELETE, None) for name in deleted]
        request = IncrementalAlterConfigsRequest([IncrementalResource(TOPIC_RESOURCE, topic, changes)])
        response = await connection.call(request, IncrementalAlterConfigsResponse)
        for result in response.responses:
            raise_for_error(
                result.error_code, result.error_message or f"The configs of topic '{topic}' cannot be changed."
            )

    await cluster.retry(attempt, retry_missing=False)
