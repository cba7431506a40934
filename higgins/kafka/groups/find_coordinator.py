"""FindCoordinator: v0-4.

Behaviour: the live node to which rendezvous hashing assigns the group, with its address for the listener of the
request. All nodes that have folded the same commits name the same node. For a transactional id it is this node: every
node can serve it. Without a live node, COORDINATOR_NOT_AVAILABLE. As in Kafka, the first request for a group's
coordinator creates the offsets topic, which clients then find in the list of topics; here it stays empty.
Version notes: v0-3 one key, with its result at the top level; v4 many keys, each with its own error (KIP-699). With an
error the node is -1, the host empty, the port -1. Without one the message is NONE up to v3, and empty from v4 on.
Not done: share groups (key type 2, v6), which are answered with INVALID_REQUEST.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

GROUP, TRANSACTION = 0, 1
NO_ERROR_UNBATCHED = "NONE"


def handle(call: Call, request: FindCoordinatorRequest) -> Future[FindCoordinatorResponse]:
    if call.version >= 4:
        rows = [_find(call, key, request.key_type) for key in request.coordinator_keys]
        return completed(FindCoordinatorResponse(coordinators=rows))
    found = _find(call, request.key, request.key_type)
    response = FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=found.error_message if found.error_code else NO_ERROR_UNBATCHED,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )
    return completed(response)


def _find(call: Call, key: str, key_type: int) -> Coordinator:
    if key_type not in {GROUP, TRANSACTION}:
        message = f"Key type {key_type} is not supported; pass 0 (group) or 1 (transaction)."
        return _not_found(key, ErrorCode.INVALID_REQUEST, message)
    session = call.admin.groups.coordinator(key) if key_type == GROUP else call.admin.cluster.any_node
    if session is None:
        return _not_found(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, "No node is alive; try again.")
    if key_type == GROUP:
        call.admin.topics.create_offsets_topic()
    host, port = call.admin.cluster.address(session, call.listener)
    return Coordinator(
        key=key, node_id=session.node_id, host=host, port=port, error_code=ErrorCode.NONE, error_message=""
    )


def _not_found(key: str, error: ErrorCode, message: str) -> Coordinator:
    return Coordinator(key=key, node_id=-1, host="", port=-1, error_code=error, error_message=message)


# The topic of offsets may be created.
API = ApiRow(
    FindCoordinatorRequest,
    handle,
    reads=State.TOPICS | State.NODES,
    writes=State.TOPICS,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.GROUP),
)
