"""ListOffsets: v1-7.

Behaviour: offsets as of now. -1 is the high watermark (also the last stable offset), -2 the log start offset, -3 the
record with the greatest timestamp, and a time the first record (not batch) that is not older; offset and timestamp are
-1, without an error, where there is none. A partition that occurs twice in a request is INVALID_REQUEST, in one row.
Version notes: v2 isolation level; v4 leader epochs; v6 flexible; v7 -3 (KIP-734).
Not done: -4 and below belong to v8 and later.
"""

from collections import Counter

from higgins.admin.records import AtTime, Position
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

MAX_TIMESTAMP = -3
MAX_TIMESTAMP_SINCE = 7
LATEST = -1
READ_COMMITTED = 1
POSITIONS = {LATEST: Position.LATEST, -2: Position.EARLIEST, MAX_TIMESTAMP: Position.MAX_TIMESTAMP}
NO_EPOCH = -1
"""The client does not know the leader epoch; an epoch below this one is older than every leader."""
LEADER_EPOCH_SINCE = 4


@in_task
async def handle(call: Call, request: ListOffsetsRequest) -> ListOffsetsResponse:
    try:
        await call.node.ledger.barrier()
        failure = ErrorCode.NONE
    except StorageUnavailable:
        failure = ErrorCode.NOT_LEADER_OR_FOLLOWER
    committed_only = request.isolation_level == READ_COMMITTED
    topics = []
    for topic in request.topics:
        known = call.node.state.topics.by_name.get(topic.name)
        counts = Counter(partition.partition_index for partition in topic.partitions)
        rows = [
            await _row(call, known, partition, failure, committed_only=committed_only)
            if counts[partition.partition_index] == 1
            else ListOffsetsPartitionResponse(partition.partition_index, ErrorCode.INVALID_REQUEST)
            for partition in {partition.partition_index: partition for partition in topic.partitions}.values()
        ]
        topics.append(ListOffsetsTopicResponse(topic.name, rows))
    return ListOffsetsResponse(topics=topics)


async def _row(
    call: Call, topic: Topic | None, partition: ListOffsetsPartition, failure: ErrorCode, *, committed_only: bool
) -> ListOffsetsPartitionResponse:
    index = partition.partition_index
    if failure:
        return ListOffsetsPartitionResponse(index, failure)
    if topic is None or not 0 <= index < topic.partitions:
        return ListOffsetsPartitionResponse(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if partition.current_leader_epoch > LEADER_EPOCH:
        return ListOffsetsPartitionResponse(index, ErrorCode.UNKNOWN_LEADER_EPOCH)
    if partition.current_leader_epoch < NO_EPOCH:
        return ListOffsetsPartitionResponse(index, ErrorCode.FENCED_LEADER_EPOCH)
    target = _target(call, partition.timestamp, committed_only=committed_only)
    if target is None:
        return ListOffsetsPartitionResponse(index, ErrorCode.UNSUPPORTED_VERSION)
    try:
        return _record(call, index, await call.admin.records.offset_at(topic, index, target))
    except (StorageUnavailable, ObjectMissing):
        return ListOffsetsPartitionResponse(index, ErrorCode.KAFKA_STORAGE_ERROR)
    except Corrupt:
        return ListOffsetsPartitionResponse(index, ErrorCode.CORRUPT_MESSAGE)


def _target(call: Call, timestamp: int, *, committed_only: bool) -> Position | AtTime | None:
    """What a timestamp stands for; None where this version does not have it."""
    if timestamp == LATEST and committed_only:
        return Position.LAST_STABLE
    if timestamp >= 0:
        return AtTime(timestamp)
    if timestamp == MAX_TIMESTAMP and call.version < MAX_TIMESTAMP_SINCE:
        return None
    return POSITIONS.get(timestamp)


def _record(call: Call, index: int, record: TimedRecord | None) -> ListOffsetsPartitionResponse:
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
