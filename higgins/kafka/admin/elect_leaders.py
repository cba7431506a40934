"""ElectLeaders: v0-2.

Behaviour: any node serves any partition, so every partition has its preferred leader: ELECTION_NOT_NEEDED for each
partition of the request. For null topics, which means all, every topic without partitions: Kafka leaves out partitions
that need no election.
Version notes: v0 preferred leaders only; v1 unclean ones too (KIP-460), an unknown type is INVALID_REQUEST.
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
        message = f"Election type {request.election_type} is unknown; pass 0 (preferred) or 1 (unclean)."
        return _failed(call, request, Refused(ErrorCode.INVALID_REQUEST, message))
    if not await reach_tip(call):
        return _failed(call, request, Refused(ErrorCode.NOT_CONTROLLER, "The store does not respond; try again."))
    if request.topic_partitions is None:
        rows = [ReplicaElectionResult(name) for name in call.node.state.topics.by_name]
    else:
        rows = [
            ReplicaElectionResult(topic.topic, [_result(call, topic.topic, index) for index in topic.partitions])
            for topic in request.topic_partitions
        ]
    return ElectLeadersResponse(replica_election_results=rows)


def _failed(call: Call, request: ElectLeadersRequest, refusal: Refused) -> ElectLeadersResponse:
    """The refusal for each partition, and for the whole response where the version has that."""
    return ElectLeadersResponse(
        error_code=refusal.code if call.version >= ERROR_SINCE else ErrorCode.NONE,
        replica_election_results=[
            ReplicaElectionResult(
                topic.topic, [PartitionResult(index, refusal.code, refusal.message) for index in topic.partitions]
            )
            for topic in request.topic_partitions or ()
        ],
    )


def _result(call: Call, name: str, index: int) -> PartitionResult:
    topic = call.node.state.topics.by_name.get(name)
    if topic is None or not 0 <= index < topic.partitions:
        message = f"Topic '{name}' does not exist or has no partition {index}."
        return PartitionResult(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
    message = "The partition has its preferred leader: any node serves any partition."
    return PartitionResult(index, ErrorCode.ELECTION_NOT_NEEDED, message)


API = ApiRow(
    ElectLeadersRequest,
    handle,
    reads=State.TOPICS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
)
