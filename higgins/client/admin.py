"""Administration: topics, groups, and our private request. Nothing is asked twice unless asking twice is harmless."""

from collections.abc import Mapping, Sequence

import msgspec

from higgins.client.cluster import Cluster, TopicPartition, TopicView
from higgins.client.errors import BrokerRefused, ClientError, check
from higgins.client.group import fetch_committed
from higgins.client.offsets import by_leader, by_topic
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
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from higgins_protocol.messages.private import PrivateRequest, PrivateResponse

DELETE_VERSION_MIN = 6
OPERATION_TIMEOUT_MS = 30_000


# What a commit from outside is told while a group has members.
_OCCUPIED = frozenset(
    {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.REBALANCE_IN_PROGRESS}
)
_WHY_NOT: Mapping[int, str] = {
    ErrorCode.NON_EMPTY_GROUP: "Group '{}' has members; stop them first.",
    ErrorCode.GROUP_ID_NOT_FOUND: "Group '{}' does not exist.",
    ErrorCode.POLICY_VIOLATION: "Group '{}' is the progress of an operator, and goes with it.",
}


class ListedGroup(msgspec.Struct, frozen=True):
    """A group as its coordinator lists it."""

    group_id: str
    protocol_type: str
    state: str


class Admin:
    """What an operator of a cluster asks it. Every method raises ClientError when it could not be done."""

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
        """Make a topic; -1 leaves a number to the broker."""
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=replication_factor,
            configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
        )
        connection = await self._cluster.any_connection("admin")
        request = CreateTopicsRequest(topics=[topic], timeout_ms=OPERATION_TIMEOUT_MS)
        answer = await connection.call(request, CreateTopicsResponse, at_least=4)
        for one in answer.topics:
            check(one.error_code, one.error_message)
        self._cluster.forget([name])

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and its records."""
        connection = await self._cluster.any_connection("admin")
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name)], timeout_ms=OPERATION_TIMEOUT_MS)
        answer = await connection.call(request, DeleteTopicsResponse, at_least=DELETE_VERSION_MIN)
        for one in answer.responses:
            check(one.error_code, one.error_message or f"Topic '{name}' cannot be deleted.")
        self._cluster.forget([name])

    async def add_partitions(self, name: str, partitions: int) -> None:
        """Give a topic this many partitions in all."""
        connection = await self._cluster.any_connection("admin")
        asked = CreatePartitionsTopic(name=name, count=partitions, assignments=None)
        request = CreatePartitionsRequest(topics=[asked], timeout_ms=OPERATION_TIMEOUT_MS)
        answer = await connection.call(request, CreatePartitionsResponse)
        for one in answer.results:
            check(one.error_code, one.error_message or f"Topic '{name}' cannot be given {partitions} partitions.")
        self._cluster.forget([name])

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Delete what lies below an offset (-1: all there is); where each partition begins then.

        A partition that answers is not asked again, however often others must be.
        """
        started: dict[TopicPartition, int] = {}

        async def attempt() -> None:
            missing = [key for key in before if key not in started]
            await self._cluster.refresh({topic for topic, _ in missing})
            for node_id, keys in by_leader(self._cluster, missing).items():
                await self._delete_records(node_id, {key: before[key] for key in keys}, started)

        await self._cluster.retrying(attempt, retry_missing=False)
        return started

    async def _delete_records(
        self, node_id: int, before: Mapping[TopicPartition, int], started: dict[TopicPartition, int]
    ) -> None:
        topics = [
            DeleteRecordsTopic(topic, [DeleteRecordsPartition(one, before[topic, one]) for one in partitions])
            for topic, partitions in by_topic(before).items()
        ]
        connection = await self._cluster.connection(node_id, "admin")
        answer = await connection.call(DeleteRecordsRequest(topics, OPERATION_TIMEOUT_MS), DeleteRecordsResponse)
        for topic in answer.topics:
            for one in topic.partitions:
                where = f"{topic.name} [{one.partition_index}]"
                check(one.error_code, f"Records of {where} cannot be deleted up to there.")
                started[topic.name, one.partition_index] = one.low_watermark

    async def topics(self) -> list[TopicView]:
        """Every topic, by name."""

        async def attempt() -> list[TopicView]:
            view = await self._cluster.refresh(None)
            return [view.topics[name] for name in sorted(view.topics)]

        return await self._cluster.retrying(attempt)

    async def groups(self) -> list[ListedGroup]:
        """Every group that some node coordinates, by id."""

        async def attempt() -> list[ListedGroup]:
            view = await self._cluster.refresh(())
            found: dict[str, ListedGroup] = {}
            for node_id in view.nodes:
                connection = await self._cluster.connection(node_id, "admin")
                answer = await connection.call(ListGroupsRequest(), ListGroupsResponse)
                check(answer.error_code, "The groups cannot be listed.")
                for one in answer.groups:
                    found[one.group_id] = ListedGroup(one.group_id, one.protocol_type, one.group_state)
            return [found[group_id] for group_id in sorted(found)]

        return await self._cluster.retrying(attempt)

    async def describe_group(self, group_id: str) -> DescribedGroup:
        """A group's state and members. Raises BrokerRefused GROUP_ID_NOT_FOUND when there is none."""

        async def attempt() -> DescribedGroup:
            connection = await self._cluster.connection(await self._cluster.coordinator(group_id), "admin")
            answer = await connection.call(DescribeGroupsRequest(groups=[group_id]), DescribeGroupsResponse)
            group = answer.groups[0]
            check(group.error_code, group.error_message or f"Group '{group_id}' cannot be described.")
            if group.group_state == "Dead":
                raise BrokerRefused(ErrorCode.GROUP_ID_NOT_FOUND, f"Group '{group_id}' does not exist.")
            return group

        return await self._cluster.retrying(attempt)

    async def committed(
        self, group_id: str, partitions: Sequence[TopicPartition] | None = None
    ) -> dict[TopicPartition, int]:
        """A group's committed offsets, of these partitions or of all that have one."""
        return await fetch_committed(self._cluster, group_id, partitions)

    async def reset_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for a group from outside; only while nobody is in it."""
        topics = [
            OffsetCommitRequestTopic(
                name=topic,
                partitions=[
                    OffsetCommitRequestPartition(partition_index=one, committed_offset=offsets[topic, one])
                    for one in partitions
                ],
            )
            for topic, partitions in by_topic(offsets).items()
        ]
        request = OffsetCommitRequest(group_id=group_id, topics=topics)

        async def attempt() -> None:
            connection = await self._cluster.connection(await self._cluster.coordinator(group_id), "admin")
            answer = await connection.call(request, OffsetCommitResponse)
            for topic in answer.topics:
                for one in topic.partitions:
                    if one.error_code in _OCCUPIED:
                        raise BrokerRefused(
                            ErrorCode.NON_EMPTY_GROUP, f"Group '{group_id}' has members; stop them first."
                        )
                    check(one.error_code, f"Group '{group_id}' cannot be set in {topic.name} [{one.partition_index}].")

        await self._cluster.retrying(attempt, retry_missing=False)

    async def delete_group(self, group_id: str) -> None:
        """Forget a group that nobody is in, with all it has committed."""

        async def attempt() -> None:
            connection = await self._cluster.connection(await self._cluster.coordinator(group_id), "admin")
            answer = await connection.call(DeleteGroupsRequest([group_id]), DeleteGroupsResponse)
            for one in answer.results:
                message = _WHY_NOT.get(one.error_code, "Group '{}' cannot be deleted.")
                check(one.error_code, message.format(group_id))

        await self._cluster.retrying(attempt)

    async def private(self, verb: str, document: object, *, node_id: int | None = None) -> object:
        """Ask what Kafka's protocol has no word for, of any node or of one; JSON both ways. Only Higgins answers.

        Raises: BrokerRefused with the broker's sentence.
        """
        if node_id is None:
            connection = await self._cluster.any_connection("admin")
        else:
            connection = await self._cluster.connection(node_id, "admin")
        request = PrivateRequest(verb=verb, document=msgspec.json.encode(document))
        answer = await connection.call(request, PrivateResponse)
        check(answer.error_code, answer.error_message)
        try:
            return msgspec.json.decode(answer.document) if answer.document else {}
        except msgspec.DecodeError as error:
            raise ClientError(f"The broker's answer to '{verb}' is not JSON: {error}") from error
