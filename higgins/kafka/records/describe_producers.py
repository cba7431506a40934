"""DescribeProducers: v0.

Behaviour: the idempotent producers that a partition remembers, with the last sequence each has written and when that
was committed; told at the tip. A producer silent for a day is forgotten.
Version notes: v0 only.
Not done: open transactions, as there are none (start offset and coordinator epoch are -1); throttling.
"""

from collections.abc import Sequence

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.runs import TopicPartition
from higgins.model.names import fault_in_topic_name
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)

SENTENCES = {
    ErrorCode.NOT_LEADER_OR_FOLLOWER: "The store does not answer; ask again.",
    ErrorCode.INVALID_TOPIC_EXCEPTION: "A topic cannot have this name.",
}


@in_task
async def handle(call: Call, request: DescribeProducersRequest) -> DescribeProducersResponse:
    failure = ErrorCode.NONE if await reach_tip(call) else ErrorCode.NOT_LEADER_OR_FOLLOWER
    by_name = call.node.state.topics.by_name
    wanted: dict[TopicPartition, list[ProducerState]] = {
        (by_name[topic.name].id, index): []
        for topic in request.topics
        if topic.name in by_name
        for index in topic.partition_indexes
        if 0 <= index < by_name[topic.name].partitions
    }
    _gather(call, wanted)
    rows = []
    for topic in request.topics:
        found = by_name.get(topic.name)
        invalid = ErrorCode.INVALID_TOPIC_EXCEPTION if fault_in_topic_name(topic.name) else ErrorCode.NONE
        parts = [
            _row(index, invalid or failure, wanted.get((found.id, index)) if found is not None else None)
            for index in topic.partition_indexes
        ]
        rows.append(TopicResponse(topic.name, parts))
    return DescribeProducersResponse(topics=rows)


def _gather(call: Call, wanted: dict[TopicPartition, list[ProducerState]]) -> None:
    """One walk over all producers, however many partitions are asked for."""
    if not wanted:
        return
    for (topic_id, index, producer_id), record in call.node.state.producers.records.items():
        found = wanted.get((topic_id, index))
        if found is not None:
            last = record.batches[-1].last_sequence
            found.append(ProducerState(producer_id, record.epoch, last, record.updated_ms, coordinator_epoch=-1))


def _row(index: int, failure: ErrorCode, producers: Sequence[ProducerState] | None) -> PartitionResponse:
    if failure:
        return PartitionResponse(index, failure, SENTENCES[failure])
    if producers is None:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return PartitionResponse(index, code, "There is no such partition.")
    return PartitionResponse(index, active_producers=producers)


API = ApiRow(
    DescribeProducersRequest,
    handle,
    reads=State.TOPICS | State.PRODUCERS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.READ, AclResourceType.TOPIC),
)
