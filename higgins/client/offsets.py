"""ListOffsets: the first and last offsets of partitions, and offsets by timestamp, from each partition's leader."""

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


class OffsetAndTimestamp(msgspec.Struct, frozen=True):
    """The first record at or after a requested timestamp; offset -1 when there is none."""

    offset: int
    timestamp_ms: int


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """Partitions grouped by topic, as requests list them."""
    grouped: dict[str, list[int]] = {}
    for topic, partition in partitions:
        grouped.setdefault(topic, []).append(partition)
    return grouped


def by_leader(cluster: Cluster, partitions: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
    """Partitions grouped by their leader's node id. Raises: BrokerRefused when a leader is not known."""
    grouped: dict[int, list[TopicPartition]] = {}
    for topic, partition in partitions:
        leader = cluster.metadata.leader(topic, partition)
        if leader is None:
            raise BrokerRefused(
                ErrorCode.LEADER_NOT_AVAILABLE, f"The leader of {topic} [{partition}] is not known."
            )
        grouped.setdefault(leader, []).append((topic, partition))
    return grouped


async def list_offsets(
    cluster: Cluster, timestamps: Mapping[TopicPartition, int]
) -> dict[TopicPartition, OffsetAndTimestamp]:
    """The offset of each partition at a timestamp, or at EARLIEST or LATEST. Retries while leaders move.

    A retry asks only for the partitions without a response so far.

    Raises: the last ClientError.
    """
    offsets: dict[TopicPartition, OffsetAndTimestamp] = {}

    async def attempt() -> None:
        missing = [partition for partition in timestamps if partition not in offsets]
        await cluster.refresh({topic for topic, _ in missing if cluster.metadata.topics.get(topic) is None})
        try:
            for node_id, partitions in by_leader(cluster, missing).items():
                offsets.update(await _list_offsets(cluster, node_id, {key: timestamps[key] for key in partitions}))
        except (BrokerRefused, Unreachable):
            await cluster.refresh({topic for topic, _ in missing})
            raise

    if timestamps:
        await cluster.retry(attempt)
    return offsets


async def _list_offsets(
    cluster: Cluster, node_id: int, timestamps: Mapping[TopicPartition, int]
) -> dict[TopicPartition, OffsetAndTimestamp]:
    connection = await cluster.connection(node_id, "admin")
    request = ListOffsetsRequest(
        replica_id=-1,
        topics=[
            ListOffsetsTopic(
                name=topic,
                partitions=[
                    ListOffsetsPartition(partition_index=partition, timestamp=timestamps[topic, partition])
                    for partition in partitions
                ],
            )
            for topic, partitions in by_topic(timestamps).items()
        ],
    )
    response = await connection.call(request, ListOffsetsResponse)
    offsets: dict[TopicPartition, OffsetAndTimestamp] = {}
    for topic in response.topics:
        for partition in topic.partitions:
            if partition.error_code:
                raise BrokerRefused(
                    error_code(partition.error_code),
                    f"The broker did not return the offset of {topic.name} [{partition.partition_index}].",
                )
            offsets[topic.name, partition.partition_index] = OffsetAndTimestamp(
                partition.offset, partition.timestamp
            )
    return offsets
