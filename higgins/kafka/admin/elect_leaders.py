"""ElectLeaders: v0-2.

Behaviour: any node serves any partition, so every partition has the leader it prefers: ELECTION_NOT_NEEDED for each one
asked for, and nothing at all where all were meant, as Kafka leaves out what needs no election.
Version notes: v0 preferred leaders only; v1 unclean ones too (KIP-460), an unknown kind is INVALID_REQUEST.
Not done: throttling.
"""

from higgins.kafka.context import Call, reach_tip
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

KEY = 43

PREFERRED, UNCLEAN = 0, 1
ERROR_SINCE = 1


async def handle(call: Call, request: ElectLeadersRequest) -> ElectLeadersResponse:
    if request.election_type not in {PREFERRED, UNCLEAN}:
        return ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST)
    is_known = await reach_tip(call)
    if not is_known and call.version >= ERROR_SINCE:
        return ElectLeadersResponse(error_code=ErrorCode.NOT_CONTROLLER)
    return ElectLeadersResponse(
        replica_election_results=[
            ReplicaElectionResult(
                topic=asked.topic,
                partition_result=[_result(call, asked.topic, index, is_known) for index in asked.partitions],
            )
            for asked in request.topic_partitions or ()
        ]
    )


def _result(call: Call, name: str, index: int, is_known: bool) -> PartitionResult:
    topic = call.node.state.topics.by_name.get(name)
    if not is_known:
        return PartitionResult(index, ErrorCode.NOT_CONTROLLER, "The store does not answer; ask again.")
    if topic is None or not 0 <= index < topic.partitions:
        code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {index} of a topic '{name}'."
        return PartitionResult(index, code, message)
    message = "The partition has the leader it prefers: any node serves any partition."
    return PartitionResult(index, ErrorCode.ELECTION_NOT_NEEDED, message)
