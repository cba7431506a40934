"""DescribeCluster: v0-2.

Behaviour: the live nodes with their addresses for the listener of the request, the cluster's id, and the node that is
named as the controller. Authorized operations only on request. No node is listed as fenced: a fenced node is not part
of the cluster.
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
            error_message="This listener has broker endpoints, and controllers have none; pass endpoint type 1.",
        )
        return completed(response)
    if request.endpoint_type != BROKERS:
        response = DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"Endpoint type {request.endpoint_type} is unknown; pass 1, brokers.",
        )
        return completed(response)
    cluster = call.admin.cluster
    controller = cluster.controller
    wants_operations = request.include_cluster_authorized_operations
    response = DescribeClusterResponse(
        cluster_id=cluster.cluster_id,
        controller_id=-1 if controller is None else controller.node_id,
        brokers=[
            DescribeClusterBroker(session.node_id, *cluster.address(session, call.listener))
            for session in cluster.nodes
        ],
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
