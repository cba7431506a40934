"""OffsetForLeaderEpoch: v2-4.

Behaviour: there is one leader epoch, 0, since a record that was acknowledged is never truncated. It ends at the high
watermark as of now. For an epoch that never existed, epoch and offset are -1, without an error.
Version notes: v3 the replica that asks (without effect, since there are no replicas); v4 flexible.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.model.names import LEADER_EPOCH
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)

UNDEFINED = -1


@in_task
async def handle(call: Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse:
    failure = ErrorCode.NONE if await reach_tip(call) else ErrorCode.NOT_LEADER_OR_FOLLOWER
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic.topic, [_end(call, topic.topic, partition, failure) for partition in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _end(call: Call, name: str, partition: OffsetForLeaderPartition, failure: ErrorCode) -> EpochEndOffset:
    index = partition.partition
    topic = call.node.state.topics.by_name.get(name)
    if failure:
        return EpochEndOffset(failure, index)
    if topic is None or not 0 <= index < topic.partitions:
        return EpochEndOffset(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, index)
    if partition.current_leader_epoch > LEADER_EPOCH:
        return EpochEndOffset(ErrorCode.UNKNOWN_LEADER_EPOCH, index)
    if partition.current_leader_epoch < UNDEFINED:
        return EpochEndOffset(ErrorCode.FENCED_LEADER_EPOCH, index)
    runs = call.node.state.runs
    if partition.leader_epoch < UNDEFINED:
        # Older than every epoch: as in Kafka it ended where the log starts.
        return EpochEndOffset(ErrorCode.NONE, index, partition.leader_epoch, runs.log_start(topic.id, index))
    if partition.leader_epoch != LEADER_EPOCH:
        return EpochEndOffset(ErrorCode.NONE, index)
    return EpochEndOffset(ErrorCode.NONE, index, LEADER_EPOCH, runs.high_watermark(topic.id, index))


API = ApiRow(
    OffsetForLeaderEpochRequest,
    handle,
    reads=State.TOPICS | State.RECORDS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.TOPIC),
)
