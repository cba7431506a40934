"""DeleteRecords: v0-2.

Behaviour: the log start of each partition moves up to the offset asked for, or to the high watermark for -1; the answer
names where the log starts then, follows the commit, and Fetch and ListOffsets agree with it from then on. An offset
below the log start changes nothing; one above the high watermark is OFFSET_OUT_OF_RANGE. A topic that is only
compacted refuses with POLICY_VIOLATION, as in Kafka. The bytes stay in the store until upkeep exists.
Version notes: v2 flexible.
Not done: throttling.
"""

from higgins.config.entries.entry import list_items
from higgins.config.entries.topics import CLEANUP_POLICY
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, code_of, reach_tip
from higgins.ledger.committer import Outcome
from higgins.ledger.state.runs import DeleteRecords
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

NO_WATERMARK = -1
DELETE = "delete"


@in_task
async def handle(call: Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    failure = ErrorCode.NONE if await reach_tip(call) else ErrorCode.NOT_LEADER_OR_FOLLOWER
    judged = [
        failure or _judge(call, topic.name, partition) for topic in request.topics for partition in topic.partitions
    ]
    proposals = [each for each in judged if isinstance(each, DeleteRecords)]
    outcomes = iter(await call.node.ledger.propose_all(proposals))
    codes = iter(judged)
    topics = []
    for topic in request.topics:
        rows = []
        for partition in topic.partitions:
            verdict = next(codes)
            outcome = next(outcomes) if isinstance(verdict, DeleteRecords) else verdict
            rows.append(_row(partition.partition_index, outcome))
        if rows:
            topics.append(DeleteRecordsTopicResult(topic.name, rows))
    return DeleteRecordsResponse(topics=topics)


def _judge(call: Call, name: str, asked: DeleteRecordsPartition) -> DeleteRecords | ErrorCode:
    topic = call.node.state.topics.by_name.get(name)
    if topic is None or not 0 <= asked.partition_index < topic.partitions:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    policies = list_items(call.node.configs.topic_value(CLEANUP_POLICY, topic.configs))
    if policies and DELETE not in policies:
        return ErrorCode.POLICY_VIOLATION
    return DeleteRecords(topic.id, asked.partition_index, asked.offset)


def _row(index: int, outcome: Outcome | ErrorCode) -> DeleteRecordsPartitionResult:
    if isinstance(outcome, ErrorCode):
        return DeleteRecordsPartitionResult(index, NO_WATERMARK, outcome)
    if outcome.error is not None:
        return DeleteRecordsPartitionResult(index, NO_WATERMARK, code_of(outcome.error))
    return DeleteRecordsPartitionResult(index, outcome.result)


API = ApiRow(
    DeleteRecordsRequest,
    handle,
    reads=State.TOPICS | State.RECORDS | State.CONFIGS,
    writes=State.RECORDS,
    requires=Permission(AclOperation.DELETE, AclResourceType.TOPIC),
)
