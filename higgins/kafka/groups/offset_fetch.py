"""OffsetFetch: v1-9.

Behaviour: the committed offsets of a group as of now, from any node; they include what this node was asked to commit
before. A partition without a committed offset, and an unknown partition or group, is -1 without an error. An operator's
group has the next input offset of each of its tasks.
Version notes: v1 has no top-level error, it stands on every partition; from v2 null topics mean all; v5 leader epoch;
v7 require_stable is always kept, as there are no transactions; v8 many groups, each with its own error (KIP-709);
v9 a member id and epoch, which mean nothing in classic groups.
Not done: topic ids (v10); throttling.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from higgins.groups.queries import CommittedOffsets
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.answer_room import AnswerRoom
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.ledger.state.offsets import OffsetEntry
from higgins.model.errors import Refused
from higgins.model.names import NO_TOPIC_ID
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

MANY_GROUPS_SINCE = 8
TOP_LEVEL_ERROR_SINCE = 2
PARTITION_BYTES = 20
"""Of a partition, beside its metadata."""
NO_OFFSET = OffsetEntry(-1, -1, "", 0)

RequestedTopics = Sequence[OffsetFetchRequestTopic] | Sequence[OffsetFetchRequestTopics] | None


class TopicOffsets(msgspec.Struct, frozen=True):
    """The offsets of one topic, whatever the version of the response."""

    name: str
    partitions: tuple[tuple[int, OffsetEntry], ...]


@in_task
async def handle(call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse:
    if call.version >= MANY_GROUPS_SINCE:
        return await _fetch_many(call, request)
    try:
        (offsets,) = await call.admin.groups.committed([request.group_id])
    except Refused as refusal:
        topics = _topics(call, {}, request.topics) if call.version < TOP_LEVEL_ERROR_SINCE else ()
        return OffsetFetchResponse(topics=[_topic(each, refusal.code) for each in topics], error_code=refusal.code)
    pace, room = call.pace(), AnswerRoom()
    rows = []
    for topic in _topics(call, offsets, request.topics):
        if not room.take(_size(topic)):
            topics = _topics(call, {}, request.topics) if call.version < TOP_LEVEL_ERROR_SINCE else ()
            code = ErrorCode.INVALID_REQUEST
            return OffsetFetchResponse(topics=[_topic(each, code) for each in topics], error_code=code)
        rows.append(_topic(topic, ErrorCode.NONE))
        await pace.rest()
    return OffsetFetchResponse(topics=rows)


async def _fetch_many(call: Call, request: OffsetFetchRequest) -> OffsetFetchResponse:
    group_ids = [group.group_id for group in request.groups]
    try:
        all_offsets = await call.admin.groups.committed(group_ids, call.pace().rest)
    except Refused as refusal:
        return OffsetFetchResponse(
            groups=[OffsetFetchResponseGroup(group_id=group_id, error_code=refusal.code) for group_id in group_ids]
        )
    pace, room = call.pace(), AnswerRoom()
    rows = []
    for group, offsets in zip(request.groups, all_offsets, strict=True):
        code = ErrorCode.NONE
        topics: list[OffsetFetchResponseTopics] = []
        for each in _topics(call, offsets, group.topics):
            if not room.take(_size(each)):
                code, topics = ErrorCode.INVALID_REQUEST, []
                break
            topics.append(_topic_of_group(each))
            await pace.rest()
        rows.append(OffsetFetchResponseGroup(group_id=group.group_id, topics=topics, error_code=code))
        await pace.rest()
    return OffsetFetchResponse(groups=rows)


def _size(topic: TopicOffsets) -> int:
    """About how long the row of a topic is."""
    return len(topic.name) + sum(PARTITION_BYTES + len(entry.metadata) for _, entry in topic.partitions)


def _topics(call: Call, offsets: CommittedOffsets, requested: RequestedTopics) -> Iterable[TopicOffsets]:
    if requested is None:
        return _all_topics(call, offsets)
    by_name = call.node.state.topics.by_name
    topics: list[TopicOffsets] = []
    for topic in requested:
        known = by_name.get(topic.name)
        topic_id = NO_TOPIC_ID if known is None else known.id
        partitions = ((index, offsets.get((topic_id, index), NO_OFFSET)) for index in topic.partition_indexes)
        topics.append(TopicOffsets(topic.name, tuple(partitions)))
    return topics


def _all_topics(call: Call, offsets: CommittedOffsets) -> Iterable[TopicOffsets]:
    by_id = call.node.state.topics.by_id
    for topic_id, keys in groupby(sorted(offsets), key=lambda key: key[0]):
        topic = by_id.get(topic_id)
        if topic is not None:
            yield TopicOffsets(topic.name, tuple((key[1], offsets[key]) for key in keys))


def _topic(topic: TopicOffsets, error: ErrorCode) -> OffsetFetchResponseTopic:
    return OffsetFetchResponseTopic(
        name=topic.name,
        partitions=[
            OffsetFetchResponsePartition(
                partition_index=index,
                committed_offset=entry.offset,
                committed_leader_epoch=entry.leader_epoch,
                metadata=entry.metadata,
                error_code=error,
            )
            for index, entry in topic.partitions
        ],
    )


def _topic_of_group(topic: TopicOffsets) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        name=topic.name,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=index,
                committed_offset=entry.offset,
                committed_leader_epoch=entry.leader_epoch,
                metadata=entry.metadata,
            )
            for index, entry in topic.partitions
        ],
    )


API = ApiRow(
    OffsetFetchRequest,
    handle,
    reads=State.TOPICS | State.OFFSETS | State.OPERATORS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.GROUP),
)
