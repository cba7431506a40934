"""ElectLeaders: v0-2.

Behaviour: any node serves any partition, so every partition has the leader it prefers: ELECTION_NOT_NEEDED for each one
asked for; where all were meant, every topic without partitions, as Kafka leaves out what needs no election.
Version notes: v0 preferred leaders only; v1 unclean ones too (KIP-460), an unknown kind is INVALID_REQUEST.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

PREFERRED, UNCLEAN = 0, 1
ERROR_SINCE = 1


@in_task
async def handle(call: Call, request: ElectLeadersRequest) -> ElectLeadersResponse:
    if request.election_type not in {PREFERRED, UNCLEAN}:
        message = f"There is no election type {request.election_type}; 0 is preferred, 1 unclean."
        return _failed(call, request, Refused(ErrorCode.INVALID_REQUEST, message))
    if not await reach_tip(call):
        return _failed(call, request, Refused(ErrorCode.NOT_CONTROLLER, "The store does not answer; ask again."))
    if request.topic_partitions is None:
        rows = [ReplicaElectionResult(name) for name in call.node.state.topics.by_name]
    else:
        rows = [
            ReplicaElectionResult(asked.topic, [_result(call, asked.topic, index) for index in asked.partitions])
            for asked in request.topic_partitions
        ]
    return ElectLeadersResponse(replica_election_results=rows)


def _failed(call: Call, request: ElectLeadersRequest, refusal: Refused) -> ElectLeadersResponse:
    """The same for each partition, and for the whole answer where the version has that."""
    return ElectLeadersResponse(
        error_code=refusal.code if call.version >= ERROR_SINCE else ErrorCode.NONE,
        replica_election_results=[
            ReplicaElectionResult(
                asked.topic, [PartitionResult(index, refusal.code, refusal.message) for index in asked.partitions]
            )
            for asked in request.topic_partitions or ()
        ],
    )


def _result(call: Call, name: str, index: int) -> PartitionResult:
    topic = call.node.state.topics.by_name.get(name)
    if topic is None or not 0 <= index < topic.partitions:
        code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {index} of a topic '{name}'."
        return PartitionResult(index, code, message)
    message = "The partition has the leader it prefers: any node serves any partition."
    return PartitionResult(index, ErrorCode.ELECTION_NOT_NEEDED, message)


API = ApiRow(
    ElectLeadersRequest,
    handle,
    reads=State.TOPICS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
)
