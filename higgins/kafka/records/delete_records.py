"""DeleteRecords: v0-2.

Behaviour: the log start offset of each partition moves up to the requested offset, or to the high watermark for -1. The
response has the new log start offset and follows the commit; Fetch and ListOffsets respect it from then on. An offset
below the log start offset changes nothing; one above the high watermark is OFFSET_OUT_OF_RANGE. A topic that is only
compacted is refused with POLICY_VIOLATION, as in Kafka. The bytes stay in the store until they can be swept.
Version notes: v2 flexible.
Not done: throttling.
"""

from higgins.admin.records import Deletion
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused, StorageUnavailable
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

NO_WATERMARK = -1


@in_task
async def handle(call: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    deletions = [
        Deletion(topic.name, partition.partition_index, partition.offset)
        for topic in request.topics
        for partition in topic.partitions
    ]
    results: list[int | Refused]
    try:
        results = await call.admin.records.delete(deletions)
    except StorageUnavailable as error:
        results = [Refused(ErrorCode.NOT_LEADER_OR_FOLLOWER, str(error))] * len(deletions)
    remaining = iter(results)
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                topic.name, [_row(partition.partition_index, next(remaining)) for partition in topic.partitions]
            )
            for topic in request.topics
            if topic.partitions
        ]
    )


def _row(partition: int, result: int | Refused) -> DeleteRecordsPartitionResult:
    if isinstance(result, Refused):
        return DeleteRecordsPartitionResult(partition, NO_WATERMARK, result.code)
    return DeleteRecordsPartitionResult(partition, result)


API = ApiRow(
    DeleteRecordsRequest,
    handle,
    reads=State.TOPICS | State.RECORDS | State.CONFIGS,
    writes=State.RECORDS,
    requires=Permission(AclOperation.DELETE, AclResourceType.TOPIC),
)
