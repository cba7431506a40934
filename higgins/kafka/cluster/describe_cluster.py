"""DescribeCluster: v0-2.

Behaviour: the live nodes, with the addresses of the listener that was asked, the cluster's id, and the node that plays
the controller. What the caller may do is told only if asked for. No node is ever listed as fenced: one that was fenced
is gone.
Version notes: v1 endpoint type: brokers are described, controllers are refused, as on a broker's listener (KIP-919);
v2 fenced brokers (KIP-1073).
Not done: racks; throttling.
"""

from higgins.kafka.acl import CLUSTER_OPERATIONS, NOT_REQUESTED, AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS, CONTROLLERS = 1, 2


def handle(call: Call, request: DescribeClusterRequest) -> Future[DescribeClusterResponse]:
    if request.endpoint_type == CONTROLLERS:
        response = DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message="This endpoint is one of brokers; ask for endpoint type 1, not for controllers.",
        )
        return completed(response)
    if request.endpoint_type != BROKERS:
        response = DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"There is no endpoint type {request.endpoint_type}; 1 is brokers.",
        )
        return completed(response)
    node = call.node
    brokers = []
    for session in node.state.sessions.live.values():
        host, port = node.endpoint(session, call.listener)
        brokers.append(DescribeClusterBroker(session.node_id, host, port))
    controller = node.state.sessions.controller()
    wants_operations = request.include_cluster_authorized_operations
    response = DescribeClusterResponse(
        cluster_id=node.state.cluster_id,
        controller_id=-1 if controller is None else controller.node_id,
        brokers=brokers,
        cluster_authorized_operations=CLUSTER_OPERATIONS if wants_operations else NOT_REQUESTED,
    )
    return completed(response)


API = ApiRow(
    DescribeClusterRequest,
    handle,
    reads=State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
