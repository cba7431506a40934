"""AlterPartitionReassignments: v0-1.

Behaviour: there are no replicas to move, since the data is in the store. The replicas that Metadata shows are accepted,
because nothing has to change; any others are refused with INVALID_REPLICA_ASSIGNMENT; canceling a reassignment (null)
is NO_REASSIGNMENT_IN_PROGRESS.
Version notes: v1 whether the replication factor may change (KIP-860), which it cannot.
Not done: choosing the node that a partition prefers; throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


@in_task
async def handle(
    call: Call, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    if not await reach_tip(call):
        return AlterPartitionReassignmentsResponse(
            error_code=ErrorCode.NOT_CONTROLLER, error_message="The store does not respond; try again."
        )
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None if request.topics else "",
        responses=[
            ReassignableTopicResponse(
                topic.name, [_row(call, topic.name, partition) for partition in topic.partitions]
            )
            for topic in request.topics
        ],
    )


def _row(call: Call, name: str, partition: ReassignablePartition) -> ReassignablePartitionResponse:
    index = partition.partition_index
    topic = call.node.state.topics.by_name.get(name)
    if topic is None or not 0 <= index < topic.partitions:
        return _refused(
            index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist or has no partition {index}."
        )
    if partition.replicas is None:
        return _refused(index, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "The partition is not being reassigned.")
    leader = call.admin.cluster.placement.leader(topic, index)
    if leader is not None and list(partition.replicas) == [leader.node_id] * topic.replication:
        return ReassignablePartitionResponse(index, ErrorCode.NONE, None)
    return _refused(
        index,
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        "Partitions have no replicas that could be moved: the data is in the store, and any node serves any partition.",
    )


def _refused(index: int, code: ErrorCode, message: str) -> ReassignablePartitionResponse:
    return ReassignablePartitionResponse(index, code, message)


API = ApiRow(
    AlterPartitionReassignmentsRequest,
    handle,
    reads=State.TOPICS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
)
