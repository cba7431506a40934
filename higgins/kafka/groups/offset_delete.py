"""OffsetDelete: v0.

Behaviour: takes back what a group committed, partition by partition; the answer follows the commit. While members of
the consumer protocol are in the group, topics they subscribe to answer GROUP_SUBSCRIBED_TO_TOPIC; with members of any
other protocol the whole request is NON_EMPTY_GROUP. Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION; one
without a committed offset is no error. GROUP_ID_NOT_FOUND for a group nobody knows.
Version notes: v0 only; never flexible.
Not done: throttling.
"""

from collections.abc import Iterator

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.topics import Topic
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


@in_task
async def handle(call: Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    if not await reach_tip(call):
        return OffsetDeleteResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    asked = list(_asked(call, request))
    codes = await call.node.groups.delete_offsets(
        request.group_id, [(topic, index) for topic, index in asked if topic is not None]
    )
    if isinstance(codes, ErrorCode):
        return OffsetDeleteResponse(error_code=codes)
    found = iter(codes)
    verdicts = iter([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if topic is None else next(found) for topic, _ in asked])
    topics = []
    for topic in request.topics:
        rows = [OffsetDeleteResponsePartition(each.partition_index, next(verdicts)) for each in topic.partitions]
        if rows:
            topics.append(OffsetDeleteResponseTopic(topic.name, rows))
    return OffsetDeleteResponse(topics=topics)


def _asked(call: Call, request: OffsetDeleteRequest) -> Iterator[tuple[Topic | None, int]]:
    """Topic and partition of each one asked for; no topic where there is no such partition."""
    for asked in request.topics:
        topic = call.node.state.topics.by_name.get(asked.name)
        for partition in asked.partitions:
            index = partition.partition_index
            exists = topic is not None and 0 <= index < topic.partitions
            yield (topic if exists else None), index


API = ApiRow(
    OffsetDeleteRequest,
    handle,
    reads=State.TOPICS | State.GROUPS | State.OFFSETS,
    writes=State.OFFSETS,
    requires=Permission(AclOperation.DELETE, AclResourceType.GROUP),
)
