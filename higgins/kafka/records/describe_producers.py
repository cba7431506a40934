"""DescribeProducers: v0.

Behaviour: the idempotent producers of each partition, with the last sequence number that each has written and the time
of that commit, as of now. A producer that was silent for a day is forgotten.
Version notes: v0 only.
Not done: open transactions, as there are none (start offset and coordinator epoch are -1); throttling.
"""

from collections.abc import Sequence

from higgins.admin.records import ProducerState
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.answer_room import TOO_LONG, AnswerRoom
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.model.names import error_in_topic_name
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages import describe_producers as wire
from higgins_protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    TopicResponse,
)

PRODUCER_BYTES = 40
MESSAGES = {
    ErrorCode.NOT_LEADER_OR_FOLLOWER: "The store does not respond; try again.",
    ErrorCode.INVALID_TOPIC_EXCEPTION: "A topic cannot have this name.",
}


@in_task
async def handle(call: Call, request: DescribeProducersRequest) -> DescribeProducersResponse:
    failure = ErrorCode.NONE if await reach_tip(call) else ErrorCode.NOT_LEADER_OR_FOLLOWER
    by_name = call.node.state.topics.by_name
    producers = call.admin.records.producers(
        [
            (by_name[topic.name].id, partition)
            for topic in request.topics
            if topic.name in by_name
            for partition in topic.partition_indexes
            if 0 <= partition < by_name[topic.name].partitions
        ]
    )
    pace, room = call.pace(), AnswerRoom()
    rows = []
    for topic in request.topics:
        known = by_name.get(topic.name)
        invalid = ErrorCode.INVALID_TOPIC_EXCEPTION if error_in_topic_name(topic.name) else ErrorCode.NONE
        partitions = [
            _row(
                partition, invalid or failure, producers.get((known.id, partition)) if known is not None else None, room
            )
            for partition in dict.fromkeys(topic.partition_indexes)
        ]
        rows.append(TopicResponse(topic.name, partitions))
        await pace.rest()
    return DescribeProducersResponse(topics=rows)


def _row(
    partition: int, failure: ErrorCode, producers: Sequence[ProducerState] | None, room: AnswerRoom
) -> PartitionResponse:
    if failure:
        return PartitionResponse(partition, failure, MESSAGES[failure])
    if producers is None:
        return PartitionResponse(partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This partition does not exist.")
    if not room.take(PRODUCER_BYTES * len(producers)):
        return PartitionResponse(partition, ErrorCode.INVALID_REQUEST, TOO_LONG)
    return PartitionResponse(partition, active_producers=[_producer(producer) for producer in producers])


def _producer(producer: ProducerState) -> wire.ProducerState:
    return wire.ProducerState(
        producer.producer_id, producer.epoch, producer.last_sequence, producer.updated_ms, coordinator_epoch=-1
    )


API = ApiRow(
    DescribeProducersRequest,
    handle,
    reads=State.TOPICS | State.PRODUCERS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.READ, AclResourceType.TOPIC),
)
