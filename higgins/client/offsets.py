"""Where partitions begin, end, and stand at a time: ListOffsets, asked of each partition's leader."""

from collections.abc import Iterable, Mapping

import msgspec

from higgins.client.cluster import Cluster, TopicPartition
from higgins.client.errors import BrokerRefused, Unreachable, error_code
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3


class Located(msgspec.Struct, frozen=True):
    """The first record at or after the time asked for; offset -1 when there is none."""

    offset: int
    timestamp_ms: int


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """Partitions grouped as requests name them, each topic once."""
    grouped: dict[str, list[int]] = {}
    for topic, partition in partitions:
        grouped.setdefault(topic, []).append(partition)
    return grouped


async def list_offsets(
    cluster: Cluster, wanted: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Located]:
    """For each partition, what stands at a timestamp, or at EARLIEST or LATEST; asked again while leaders move.

    Raises: ClientError with the last failure.
    """
    found: dict[TopicPartition, Located] = {}

    async def attempt() -> None:
        missing = {key: at for key, at in wanted.items() if key not in found}
        await cluster.refresh({topic for topic, _ in missing if cluster.view.topics.get(topic) is None})
        try:
            for node_id, keys in by_leader(cluster, missing).items():
                found.update(await _ask(cluster, node_id, {key: wanted[key] for key in keys}))
        except (BrokerRefused, Unreachable):
            await cluster.refresh({topic for topic, _ in missing})
            raise

    if wanted:
        await cluster.retrying(attempt)
    return found


def by_leader(cluster: Cluster, keys: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
    """Partitions grouped by the node to ask about them. Raises: BrokerRefused while one is not known."""
    grouped: dict[int, list[TopicPartition]] = {}
    for topic, partition in keys:
        leader = cluster.view.leader(topic, partition)
        if leader is None:
            raise BrokerRefused(
                ErrorCode.LEADER_NOT_AVAILABLE, f"Nobody is known to lead {topic} [{partition}]."
            )
        grouped.setdefault(leader, []).append((topic, partition))
    return grouped


async def _ask(
    cluster: Cluster, node_id: int, wanted: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Located]:
    connection = await cluster.connection(node_id, "admin")
    request = ListOffsetsRequest(
        replica_id=-1,
        topics=[
            ListOffsetsTopic(
                name=topic,
                partitions=[
                    ListOffsetsPartition(partition_index=partition, timestamp=wanted[topic, partition])
                    for partition in partitions
                ],
            )
            for topic, partitions in by_topic(wanted).items()
        ],
    )
    answer = await connection.call(request, ListOffsetsResponse)
    found: dict[TopicPartition, Located] = {}
    for topic in answer.topics:
        for one in topic.partitions:
            if one.error_code:
                where = f"{topic.name} [{one.partition_index}]"
                raise BrokerRefused(
                    error_code(one.error_code), f"The broker does not say where {where} stands."
                )
            found[topic.name, one.partition_index] = Located(one.offset, one.timestamp)
    return found
