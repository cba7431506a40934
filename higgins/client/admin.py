"""Administration: topics, groups, and Higgins' private API.

Requests that are safe to repeat are retried. CreateTopics, DeleteTopics and CreatePartitions are not: a retry after a
lost response would fail with TOPIC_ALREADY_EXISTS or the like, though the first attempt succeeded.
"""

from collections.abc import Mapping, Sequence

import msgspec

from higgins.client.cluster import Cluster, TopicMetadata, TopicPartition
from higgins.client.connection import Connection
from higgins.client.errors import BrokerRefused, ClientError, raise_for_error
from higgins.client.group import fetch_committed, offset_commit_topics
from higgins.client.offsets import by_leader, by_topic
from higgins.model.words import counted
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from higgins_protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from higgins_protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from higgins_protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from higgins_protocol.messages.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from higgins_protocol.messages.describe_groups import (
    DescribedGroup,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from higgins_protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from higgins_protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from higgins_protocol.messages.private import PrivateRequest, PrivateResponse

DELETE_TOPICS_VERSION_MIN = 6
"""The first version with `topics`, the only form that is sent here."""
OPERATION_TIMEOUT_MS = 30_000

_GROUP_HAS_MEMBERS = frozenset(
    {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.REBALANCE_IN_PROGRESS}
)
"""How a coordinator refuses a commit without a member id while the group has members."""
_DELETE_GROUP_ERRORS: Mapping[int, str] = {
    ErrorCode.NON_EMPTY_GROUP: "Group '{}' has members; stop them first.",
    ErrorCode.GROUP_ID_NOT_FOUND: "Group '{}' does not exist.",
    ErrorCode.POLICY_VIOLATION: "Group '{}' holds the offsets of an operator; it is deleted with the operator.",
}


class ListedGroup(msgspec.Struct, frozen=True):
    """A group as its coordinator lists it."""

    group_id: str
    protocol_type: str
    state: str


class Admin:
    """Administrative operations. Every method raises ClientError when the operation fails."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def create_topic(
        self,
        name: str,
        *,
        partitions: int = -1,
        replication_factor: int = -1,
        configs: Mapping[str, str] | None = None,
    ) -> None:
        """Create a topic; -1 means the broker's default."""
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=replication_factor,
            configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
        )
        connection = await self._cluster.any_connection("admin")
        request = CreateTopicsRequest(topics=[topic], timeout_ms=OPERATION_TIMEOUT_MS)
        response = await connection.call(request, CreateTopicsResponse, at_least=4)
        for result in response.topics:
            raise_for_error(result.error_code, result.error_message)
        self._cluster.invalidate([name])

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and its records."""
        connection = await self._cluster.any_connection("admin")
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name)], timeout_ms=OPERATION_TIMEOUT_MS)
        response = await connection.call(request, DeleteTopicsResponse, at_least=DELETE_TOPICS_VERSION_MIN)
        for result in response.responses:
            raise_for_error(result.error_code, result.error_message or f"Topic '{name}' cannot be deleted.")
        self._cluster.invalidate([name])

    async def add_partitions(self, name: str, partitions: int) -> None:
        """Increase a topic's number of partitions to `partitions`."""
        connection = await self._cluster.any_connection("admin")
        topic = CreatePartitionsTopic(name=name, count=partitions, assignments=None)
        request = CreatePartitionsRequest(topics=[topic], timeout_ms=OPERATION_TIMEOUT_MS)
        response = await connection.call(request, CreatePartitionsResponse)
        for result in response.results:
            fallback = f"Topic '{name}' cannot be given {counted(partitions, 'partition')}."
            raise_for_error(result.error_code, result.error_message or fallback)
        self._cluster.invalidate([name])

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Delete the records below an offset (-1: all) and return the new log start offset of each partition.

        A retry asks only the partitions without a response so far.
        """
        log_starts: dict[TopicPartition, int] = {}

        async def attempt() -> None:
            missing = [key for key in before if key not in log_starts]
            await self._cluster.refresh({topic for topic, _ in missing})
            for node_id, keys in by_leader(self._cluster, missing).items():
                await self._delete_records(node_id, {key: before[key] for key in keys}, log_starts)

        await self._cluster.retry(attempt, retry_missing=False)
        return log_starts

    async def _delete_records(
        self, node_id: int, before: Mapping[TopicPartition, int], log_starts: dict[TopicPartition, int]
    ) -> None:
        topics = [
            DeleteRecordsTopic(topic, [DeleteRecordsPartition(number, before[topic, number]) for number in numbers])
            for topic, numbers in by_topic(before).items()
        ]
        connection = await self._cluster.connection(node_id, "admin")
        response = await connection.call(DeleteRecordsRequest(topics, OPERATION_TIMEOUT_MS), DeleteRecordsResponse)
        for topic in response.topics:
            for partition in topic.partitions:
                raise_for_error(
                    partition.error_code,
                    f"The records of {topic.name} [{partition.partition_index}] cannot be deleted up to this offset.",
                )
                log_starts[topic.name, partition.partition_index] = partition.low_watermark

    async def topics(self) -> list[TopicMetadata]:
        """All topics, sorted by name."""

        async def attempt() -> list[TopicMetadata]:
            metadata = await self._cluster.refresh(None)
            return [metadata.topics[name] for name in sorted(metadata.topics)]

        return await self._cluster.retry(attempt)

    async def groups(self) -> list[ListedGroup]:
        """All groups of all nodes, sorted by id."""

        async def attempt() -> list[ListedGroup]:
            metadata = await self._cluster.refresh(())
            # Each node lists only the groups that it coordinates.
            groups: dict[str, ListedGroup] = {}
            for node_id in metadata.nodes:
                connection = await self._cluster.connection(node_id, "admin")
                response = await connection.call(ListGroupsRequest(), ListGroupsResponse)
                raise_for_error(response.error_code, "The groups cannot be listed.")
                for group in response.groups:
                    groups[group.group_id] = ListedGroup(group.group_id, group.protocol_type, group.group_state)
            return [groups[group_id] for group_id in sorted(groups)]

        return await self._cluster.retry(attempt)

    async def describe_group(self, group_id: str) -> DescribedGroup:
        """A group's state and members. Raises: BrokerRefused GROUP_ID_NOT_FOUND when it does not exist."""

        async def attempt() -> DescribedGroup:
            connection = await self._coordinator_connection(group_id)
            response = await connection.call(DescribeGroupsRequest(groups=[group_id]), DescribeGroupsResponse)
            group = response.groups[0]
            raise_for_error(group.error_code, group.error_message or f"Group '{group_id}' cannot be described.")
            if group.group_state == "Dead":
                # Kafka describes a group that does not exist as Dead, without an error code.
                raise BrokerRefused(ErrorCode.GROUP_ID_NOT_FOUND, f"Group '{group_id}' does not exist.")
            return group

        return await self._cluster.retry(attempt)

    async def committed(
        self, group_id: str, partitions: Sequence[TopicPartition] | None = None
    ) -> dict[TopicPartition, int]:
        """A group's committed offsets for these partitions, or for all that have one."""
        return await fetch_committed(self._cluster, group_id, partitions)

    async def reset_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for a group that has no members. Raises: BrokerRefused NON_EMPTY_GROUP when it has some."""
        request = OffsetCommitRequest(group_id=group_id, topics=offset_commit_topics(offsets))

        async def attempt() -> None:
            connection = await self._coordinator_connection(group_id)
            response = await connection.call(request, OffsetCommitResponse)
            for topic in response.topics:
                for partition in topic.partitions:
                    if partition.error_code in _GROUP_HAS_MEMBERS:
                        raise BrokerRefused(
                            ErrorCode.NON_EMPTY_GROUP, f"Group '{group_id}' has members; stop them first."
                        )
                    raise_for_error(
                        partition.error_code,
                        f"The offset of group '{group_id}' in {topic.name} [{partition.partition_index}] "
                        "cannot be set.",
                    )

        await self._cluster.retry(attempt, retry_missing=False)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group that has no members, with its committed offsets."""

        async def attempt() -> None:
            connection = await self._coordinator_connection(group_id)
            response = await connection.call(DeleteGroupsRequest([group_id]), DeleteGroupsResponse)
            for result in response.results:
                message = _DELETE_GROUP_ERRORS.get(result.error_code, "Group '{}' cannot be deleted.")
                raise_for_error(result.error_code, message.format(group_id))

        await self._cluster.retry(attempt)

    async def private(self, verb: str, document: object, *, node_id: int | None = None) -> object:
        """Call Higgins' private API, on any node or on this one. Both documents are JSON values.

        Other Kafka brokers do not know its API key; they close the connection, which raises OutcomeUnknown here.

        Raises: BrokerRefused with the broker's message, and other ClientErrors.
        """
        if node_id is None:
            connection = await self._cluster.any_connection("admin")
        else:
            connection = await self._cluster.connection(node_id, "admin")
        request = PrivateRequest(verb=verb, document=msgspec.json.encode(document))
        response = await connection.call(request, PrivateResponse)
        raise_for_error(response.error_code, response.error_message)
        try:
            return msgspec.json.decode(response.document) if response.document else {}
        except msgspec.DecodeError as error:
            raise ClientError(f"The broker's response to '{verb}' is not valid JSON: {error}") from error

    async def _coordinator_connection(self, group_id: str) -> Connection:
        return await self._cluster.connection(await self._cluster.find_coordinator(group_id), "admin")
