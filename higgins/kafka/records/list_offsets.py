"""ListOffsets: v1-7.

Behaviour: every answer is given at the tip. -1 the high watermark (which is the last stable offset too), -2 the log
start, -3 the record with the greatest timestamp, and by time the first record (not batch) that is not older; offset and
timestamp -1 without an error where there is none. A partition asked for twice in one request is INVALID_REQUEST, once.
Version notes: v2 isolation level; v4 leader epochs; v6 flexible; v7 -3 (KIP-734).
Not done: -4 and below belong to v8 and later.
"""

from collections import Counter

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.ledger.state.topics import Topic
from higgins.log.reader import TimedRecord
from higgins.model.errors import Corrupt, ObjectMissing, StorageUnavailable
from higgins.model.names import LEADER_EPOCH
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
MAX_TIMESTAMP_SINCE = 7
NO_EPOCH = -1
"""Of who does not know; what is below comes before every leader there was."""
LEADER_EPOCH_SINCE = 4


@in_task
async def handle(call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse:
    try:
        await call.node.ledger.barrier()
        failure = ErrorCode.NONE
    except StorageUnavailable:
        failure = ErrorCode.NOT_LEADER_OR_FOLLOWER
    topics = []
    for topic in request.topics:
        found = call.node.state.topics.by_name.get(topic.name)
        times = Counter(asked.partition_index for asked in topic.partitions)
        rows = [
            await _answer(call, found, asked, failure)
            if times[asked.partition_index] == 1
            else ListOffsetsPartitionResponse(asked.partition_index, ErrorCode.INVALID_REQUEST)
            for asked in {asked.partition_index: asked for asked in topic.partitions}.values()
        ]
        topics.append(ListOffsetsTopicResponse(topic.name, rows))
    return ListOffsetsResponse(topics=topics)


async def _answer(
    call: Call, topic: Topic | None, asked: ListOffsetsPartition, failure: ErrorCode
) -> ListOffsetsPartitionResponse:
    index = asked.partition_index
    if failure:
        return ListOffsetsPartitionResponse(index, failure)
    if topic is None or not 0 <= index < topic.partitions:
        return ListOffsetsPartitionResponse(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if asked.current_leader_epoch > LEADER_EPOCH:
        return ListOffsetsPartitionResponse(index, ErrorCode.UNKNOWN_LEADER_EPOCH)
    if asked.current_leader_epoch < NO_EPOCH:
        return ListOffsetsPartitionResponse(index, ErrorCode.FENCED_LEADER_EPOCH)
    runs = call.node.state.runs
    if asked.timestamp == LATEST:
        return _found(call, index, TimedRecord(runs.high_watermark(topic.id, index), -1))
    if asked.timestamp == EARLIEST:
        return _found(call, index, TimedRecord(runs.log_start(topic.id, index), -1))
    try:
        if asked.timestamp >= 0:
            return _found(call, index, await call.node.reader.find_by_time(topic.id, index, asked.timestamp))
        if asked.timestamp == MAX_TIMESTAMP and call.version >= MAX_TIMESTAMP_SINCE:
            return _found(call, index, await call.node.reader.find_newest(topic.id, index))
    except (StorageUnavailable, ObjectMissing):
        return ListOffsetsPartitionResponse(index, ErrorCode.KAFKA_STORAGE_ERROR)
    except Corrupt:
        return ListOffsetsPartitionResponse(index, ErrorCode.CORRUPT_MESSAGE)
    return ListOffsetsPartitionResponse(index, ErrorCode.UNSUPPORTED_VERSION)


def _found(call: Call, index: int, record: TimedRecord | None) -> ListOffsetsPartitionResponse:
    if record is None:
        return ListOffsetsPartitionResponse(index)
    leader_epoch = LEADER_EPOCH if call.version >= LEADER_EPOCH_SINCE else -1
    return ListOffsetsPartitionResponse(index, 0, record.timestamp, record.offset, leader_epoch)


API = ApiRow(
    ListOffsetsRequest,
    handle,
    reads=State.TOPICS | State.RECORDS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.TOPIC),
)
