"""DescribeQuorum: v0-2.

Behaviour: the ledger, as Kafka's tools look at the metadata of a cluster: its commits are the offsets, every live node
is a voter, as each of them may commit, and the one that plays the controller leads. Nobody lags, since there is one
ledger, in the store, and nothing is copied. Whoever asks for anything but partition 0 of the metadata alone gets
UNKNOWN_TOPIC_OR_PARTITION for all of it, as in Kafka.
Version notes: v1 times (KIP-836), the same for all; v2 sentences and where the nodes are (KIP-853).
Not done: observers, as there are none; throttling.
"""

from collections.abc import Sequence

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import EVERYTHING, ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.sessions import Session
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    PartitionState,
    QuorumNode,
    ReplicaState,
    TopicRequest,
    TopicState,
)

METADATA_TOPIC = "__cluster_metadata"
NODES_SINCE = 2


@in_task
async def handle(call: Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse:
    if not _asks_for_metadata(request.topics):
        return DescribeQuorumResponse(topics=[_unknown(topic) for topic in request.topics])
    if not await reach_tip(call):
        # Retriable, so that tools ask again instead of showing an old state as the present one.
        message = "The store does not answer; ask again."
        return DescribeQuorumResponse(error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER, error_message=message)
    live = call.node.state.sessions.live.values()
    nodes = [_node(session) for session in live] if call.version >= NODES_SINCE else []
    return DescribeQuorumResponse(error_message=None, topics=[TopicState(METADATA_TOPIC, [_ledger(call)])], nodes=nodes)


def _asks_for_metadata(topics: Sequence[TopicRequest]) -> bool:
    asked = [(topic.topic_name, partition.partition_index) for topic in topics for partition in topic.partitions]
    return asked == [(METADATA_TOPIC, 0)]


def _unknown(topic: TopicRequest) -> TopicState:
    message = f"Partition 0 of '{METADATA_TOPIC}' is described, alone; there is no other."
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    rows = [PartitionState(one.partition_index, code, message) for one in topic.partitions]
    return TopicState(topic.topic_name, rows)


def _ledger(call: Call) -> PartitionState:
    sessions = call.node.state.sessions
    leader = sessions.controller()
    next_number = call.node.state.number + 1
    now_ms = call.node.runtime.now_ms()
    return PartitionState(
        error_message=None,
        leader_id=-1 if leader is None else leader.node_id,
        leader_epoch=0 if leader is None else leader.epoch,
        high_watermark=next_number,
        current_voters=[
            ReplicaState(
                one.node_id, log_end_offset=next_number, last_fetch_timestamp=now_ms, last_caught_up_timestamp=now_ms
            )
            for one in sessions.live.values()
        ],
    )


def _node(session: Session) -> QuorumNode:
    return QuorumNode(
        session.node_id, [Listener(endpoint.listener, endpoint.host, endpoint.port) for endpoint in session.endpoints]
    )


# The high watermark of the metadata is the number of the newest commit, which every write moves.
API = ApiRow(
    DescribeQuorumRequest,
    handle,
    reads=EVERYTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
