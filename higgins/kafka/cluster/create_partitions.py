"""CreatePartitions: v0-3.

Behaviour: each topic by itself, one row for each name; the response follows the commit. A name that occurs twice is
refused, in one row, with INVALID_REQUEST; a number that is not greater is INVALID_PARTITIONS. Operators that read the
topic get tasks for the new partitions, and the topics they write grow with it, all in one commit; an operator that
keeps state by key refuses with POLICY_VIOLATION, since its keys would move; so does a topic that an operator writes.
Assignments say how many partitions are new and name live nodes; they have no other effect.
Version notes: v2 flexible; `validate_only` in all.
Not done: throttling.
"""

from higgins.admin.topics import PartitionIncrease
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused, StorageUnavailable
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


@in_task
async def handle(call: Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    refusals: list[Refused | None]
    try:
        refusals = await call.admin.topics.add_partitions(
            [_increase(topic) for topic in request.topics], validate_only=request.validate_only
        )
    except StorageUnavailable:
        refusal = Refused(ErrorCode.NOT_CONTROLLER, "The store does not respond, so nothing was changed; try again.")
        refusals = [refusal] * len(request.topics)
    # A repeated name is refused each time that it occurs, and has one row.
    by_name = {topic.name: refusal for topic, refusal in zip(request.topics, refusals, strict=True)}
    return CreatePartitionsResponse(results=[_row(name, refusal) for name, refusal in by_name.items()])


def _increase(topic: CreatePartitionsTopic) -> PartitionIncrease:
    assignments = None
    if topic.assignments is not None:
        assignments = tuple(tuple(each.broker_ids) for each in topic.assignments)
    return PartitionIncrease(topic.name, topic.count, assignments)


def _row(name: str, refusal: Refused | None) -> CreatePartitionsTopicResult:
    if refusal is not None:
        return CreatePartitionsTopicResult(name, refusal.code, refusal.message)
    return CreatePartitionsTopicResult(name)


API = ApiRow(
    CreatePartitionsRequest,
    handle,
    reads=State.TOPICS | State.OPERATORS | State.NODES,
    writes=State.TOPICS | State.OPERATORS,
    requires=Permission(AclOperation.ALTER, AclResourceType.TOPIC),
)
