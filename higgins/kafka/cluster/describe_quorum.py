"""DescribeQuorum: v0-2.

Behaviour: the ledger, in the form in which Kafka's tools show the metadata of a cluster. Commit numbers are the
offsets, every live node is a voter, since each may commit, and the node that is named as the controller is the leader.
No node lags, since the ledger is in the store and is not copied. A request for anything but partition 0 of the metadata
topic alone is answered with UNKNOWN_TOPIC_OR_PARTITION for all of it, as in Kafka.
Version notes: v1 times (KIP-836), the same for all; v2 messages and the addresses of the nodes (KIP-853).
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
        # A retriable code: tools try again instead of showing an outdated state.
        message = "The store does not respond; try again."
        return DescribeQuorumResponse(error_code=ErrorCode.NOT_LEADER_OR_FOLLOWER, error_message=message)
    nodes = [_node(session) for session in call.admin.cluster.nodes] if call.version >= NODES_SINCE else []
    return DescribeQuorumResponse(error_message=None, topics=[TopicState(METADATA_TOPIC, [_ledger(call)])], nodes=nodes)


def _asks_for_metadata(topics: Sequence[TopicRequest]) -> bool:
    requested = [(topic.topic_name, partition.partition_index) for topic in topics for partition in topic.partitions]
    return requested == [(METADATA_TOPIC, 0)]


def _unknown(topic: TopicRequest) -> TopicState:
    message = f"Only partition 0 of '{METADATA_TOPIC}' exists; request it alone."
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    rows = [PartitionState(one.partition_index, code, message) for one in topic.partitions]
    return TopicState(topic.topic_name, rows)


def _ledger(call: Call) -> PartitionState:
    cluster = call.admin.cluster
    leader = cluster.controller
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
            for one in cluster.nodes
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
