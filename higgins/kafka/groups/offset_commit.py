"""OffsetCommit: v2-9.

Behaviour: a member of the current generation commits, or anybody (generation -1) while the group is empty. Offsets
come back as they were given, with metadata (null as "") and leader epoch. Each partition has its own error: one that
does not exist, metadata too long. An operator's group refuses with POLICY_VIOLATION. What one connection commits
without waiting for answers is committed in that order, so that the last one stands.
Version notes: v2-4 carry a retention time, which is not kept; v6 leader epoch; v7 group.instance.id; a generation of a
group nobody knows is ILLEGAL_GENERATION up to v8, GROUP_ID_NOT_FOUND from v9.
Not done: topic ids (v10); throttling.
"""

from higgins.groups.machine import AuthoriseCommit
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.offsets import OffsetToCommit
from higgins.model.future import Future
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

GROUP_UNKNOWN_SINCE = 9


def handle(call: Call, request: OffsetCommitRequest) -> Future[OffsetCommitResponse]:
    handed_over: Future[None] = Future()
    call.hold_next(handed_over)
    return call.spawn(_commit, call, request, handed_over)


async def _commit(call: Call, request: OffsetCommitRequest, handed_over: Future[None]) -> OffsetCommitResponse:
    """Commit, and mark `handed_over` done once nothing that is committed later can overtake these offsets."""
    known = call.node.state.topics.by_name
    # A topic this node has not heard of may exist by now.
    if any(topic.name not in known for topic in request.topics) and not await reach_tip(call):
        handed_over.set_result(None)
        return _response(request, [ErrorCode.COORDINATOR_NOT_AVAILABLE] * _partitions(request))
    judged = [_judge(call, topic.name, each) for topic in request.topics for each in topic.partitions]
    entries = tuple(each for each in judged if isinstance(each, OffsetToCommit))
    authorise = AuthoriseCommit(
        call.node.groups.new_token(),
        request.member_id,
        request.generation_id_or_member_epoch,
        request.group_instance_id,
    )
    pending = await call.node.groups.commit(request.group_id, authorise, entries)
    handed_over.set_result(None)
    codes = pending if isinstance(pending, tuple) else await pending
    if call.version < GROUP_UNKNOWN_SINCE:
        codes = tuple(ErrorCode.ILLEGAL_GENERATION if each is ErrorCode.GROUP_ID_NOT_FOUND else each for each in codes)
    remaining = iter(codes)
    return _response(request, [next(remaining) if isinstance(each, OffsetToCommit) else each for each in judged])


def _judge(call: Call, name: str, partition: OffsetCommitRequestPartition) -> OffsetToCommit | ErrorCode:
    topic = call.node.state.topics.by_name.get(name)
    metadata = partition.committed_metadata or ""
    if topic is None or not 0 <= partition.partition_index < topic.partitions:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if len(metadata) > call.node.groups.settings.offset_metadata_characters_max:
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    return OffsetToCommit(
        topic.id,
        partition.partition_index,
        partition.committed_offset,
        partition.committed_leader_epoch,
        metadata,
    )


def _partitions(request: OffsetCommitRequest) -> int:
    return sum(len(topic.partitions) for topic in request.topics)


def _response(request: OffsetCommitRequest, codes: list[ErrorCode]) -> OffsetCommitResponse:
    """One code for each partition, in the order of the request."""
    remaining = iter(codes)
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=each.partition_index, error_code=next(remaining))
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
            if topic.partitions
        ]
    )


API = ApiRow(
    OffsetCommitRequest,
    handle,
    reads=State.TOPICS | State.GROUPS,
    writes=State.OFFSETS,
    requires=Permission(AclOperation.READ, AclResourceType.GROUP),
    # Commits reach the ledger in the order in which they were handed over, and `handle` holds the next request until
    # then, so pipelined commits need not wait for each other.
    overtaken_by=(OffsetCommitRequest,),
)
