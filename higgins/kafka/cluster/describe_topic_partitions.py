"""DescribeTopicPartitions: v0.

Behaviour: topics in the order of their names, and their partitions, at most as many as requested and never more than
two thousand; a cursor says where the next page starts. No topics in the request means all. Lists are empty, never null:
Java's admin client cannot read a null.
Version notes: v0 only. The request has no field for authorized operations; they are always in the response, as in
Kafka.
Not done: throttling.
"""

from higgins.kafka.acl import NOT_REQUESTED, TOPIC_OPERATIONS, AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic
from higgins.model.future import Future, completed
from higgins.model.names import INTERNAL_TOPICS, LEADER_EPOCH, error_in_topic_name
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

PARTITIONS_MAX = 2_000
"""In one response."""

Response = DescribeTopicPartitionsResponse
Request = DescribeTopicPartitionsRequest


def handle(call: Call, request: Request) -> Future[Response]:
    names = _names(call, request)
    if names is None:
        return completed(Response(topics=[_failed(topic.name, ErrorCode.INVALID_REQUEST) for topic in request.topics]))
    if all(name in call.node.state.topics.by_name for name in names):
        return completed(_page(call, request, names))
    return call.spawn(_at_tip, call, request, names)


async def _at_tip(call: Call, request: Request, names: list[str]) -> Response:
    if not await reach_tip(call):
        return Response(topics=[_failed(name, ErrorCode.LEADER_NOT_AVAILABLE) for name in names])
    return _page(call, request, names)


def _names(call: Call, request: Request) -> list[str] | None:
    """The names to describe, from the cursor on; None when the cursor is not valid."""
    names = [topic.name for topic in request.topics] or list(call.node.state.topics.by_name)
    cursor = request.cursor
    if cursor is None:
        return sorted(set(names))
    is_outside = bool(request.topics) and cursor.topic_name not in names
    if is_outside or cursor.partition_index < 0:
        return None
    return sorted({name for name in names if name >= cursor.topic_name})


def _page(call: Call, request: Request, names: list[str]) -> Response:
    remaining = min(max(request.response_partition_limit, 1), PARTITIONS_MAX)
    cursor = request.cursor
    rows: list[DescribeTopicPartitionsResponseTopic] = []
    for name in names:
        first = cursor.partition_index if cursor is not None and cursor.topic_name == name else 0
        if not remaining:
            return Response(topics=rows, next_cursor=Cursor(name, first))
        topic = call.node.state.topics.by_name.get(name)
        if topic is None:
            invalid = error_in_topic_name(name) is not None
            code = ErrorCode.INVALID_TOPIC_EXCEPTION if invalid else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            rows.append(_failed(name, code, TOPIC_OPERATIONS))
            continue
        stop = min(first + remaining, topic.partitions)
        rows.append(_described(call, topic, range(first, stop)))
        remaining -= max(stop - first, 0)
        if stop < topic.partitions:
            return Response(topics=rows, next_cursor=Cursor(name, stop))
    return Response(topics=rows)


def _described(call: Call, topic: Topic, partitions: range) -> DescribeTopicPartitionsResponseTopic:
    leaders = call.admin.cluster.placement.leaders(topic)
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[_partition(topic, index, leaders[index]) for index in partitions],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _partition(topic: Topic, index: int, leader: Session | None) -> DescribeTopicPartitionsResponsePartition:
    if leader is None:
        return DescribeTopicPartitionsResponsePartition(
            ErrorCode.LEADER_NOT_AVAILABLE, index, -1, eligible_leader_replicas=[], last_known_elr=[]
        )
    replicas = [leader.node_id] * topic.replication
    return DescribeTopicPartitionsResponsePartition(
        partition_index=index,
        leader_id=leader.node_id,
        leader_epoch=LEADER_EPOCH,
        replica_nodes=replicas,
        isr_nodes=replicas,
        eligible_leader_replicas=[],
        last_known_elr=[],
    )


def _failed(name: str, code: ErrorCode, operations: int = NOT_REQUESTED) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(error_code=code, name=name, topic_authorized_operations=operations)


API = ApiRow(
    DescribeTopicPartitionsRequest,
    handle,
    reads=State.TOPICS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.TOPIC),
)
