"""OffsetDelete: v0.

Behaviour: deletes committed offsets of a group, partition by partition; the response follows the commit. While members
of the consumer protocol are in the group, topics that they subscribe to are GROUP_SUBSCRIBED_TO_TOPIC; with members of
any other protocol the whole request is NON_EMPTY_GROUP. Partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION;
one without a committed offset is no error. GROUP_ID_NOT_FOUND for an unknown group.
Version notes: v0 only; never flexible.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused, StorageUnavailable
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


@in_task
async def handle(call: Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    partitions = [(topic.name, each.partition_index) for topic in request.topics for each in topic.partitions]
    try:
        refusals = await call.admin.groups.delete_offsets(request.group_id, partitions)
    except StorageUnavailable:
        return OffsetDeleteResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    except Refused as refusal:
        return OffsetDeleteResponse(error_code=refusal.code)
    remaining = iter(refusals)
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                topic.name, [_row(each.partition_index, next(remaining)) for each in topic.partitions]
            )
            for topic in request.topics
            if topic.partitions
        ]
    )


def _row(partition: int, refusal: Refused | None) -> OffsetDeleteResponsePartition:
    return OffsetDeleteResponsePartition(partition, ErrorCode.NONE if refusal is None else refusal.code)


API = ApiRow(
    OffsetDeleteRequest,
    handle,
    reads=State.TOPICS | State.GROUPS | State.OFFSETS,
    writes=State.OFFSETS,
    requires=Permission(AclOperation.DELETE, AclResourceType.GROUP),
)
