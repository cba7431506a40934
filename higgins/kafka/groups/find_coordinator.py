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
from higgins.kafka.context import Call, Deadline
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

GROUP, TRANSACTION = 0, 1
BATCHED_SINCE = 4
NO_ERROR_UNBATCHED = "NONE"
CREATION_WAIT_S = 1.0
"""The longest that later requests of the connection wait for the offsets topic."""


def handle(call: Call, request: FindCoordinatorRequest) -> Future[FindCoordinatorResponse]:
    is_batched = call.version >= BATCHED_SINCE
    keys = request.coordinator_keys if is_batched else [request.key]
    rows = [_find(call, key, request.key_type) for key in keys]
    if request.key_type == GROUP and any(not row.error_code for row in rows):
        _create_offsets_topic(call)
    if is_batched:
        return completed(FindCoordinatorResponse(coordinators=rows))
    (row,) = rows
    response = FindCoordinatorResponse(
        error_code=row.error_code,
        error_message=row.error_message if row.error_code else NO_ERROR_UNBATCHED,
        node_id=row.node_id,
        host=row.host,
        port=row.port,
    )
    return completed(response)


def _create_offsets_topic(call: Call) -> None:
    """Create the offsets topic; the response does not wait for it, since groups do not need it.

    A later request of the connection that reads topics does wait, but not for long: a store that does not respond must
    not keep a client from its metadata.
    """
    created = call.admin.topics.create_offsets_topic()
    if created.is_done:
        return
    visible: Future[None] = Future()
    deadline = Deadline(call.node.runtime.monotonic() + CREATION_WAIT_S, lambda: visible.set_result(None))
    call.node.deadlines[deadline] = None
    call.hold_order(visible)

    def end_wait(_: Future[None]) -> None:
        call.node.deadlines.pop(deadline, None)
        if not visible.is_done:
            visible.set_result(None)

    created.add_done_callback(end_wait)


def _find(call: Call, key: str, key_type: int) -> Coordinator:
    if key_type not in {GROUP, TRANSACTION}:
        message = f"Key type {key_type} is not supported; pass 0 (group) or 1 (transaction)."
        return _not_found(key, ErrorCode.INVALID_REQUEST, message)
    session = call.admin.groups.coordinator(key) if key_type == GROUP else call.admin.cluster.any_node
    if session is None:
        return _not_found(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, "No node is alive; try again.")
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
    reads=State.NODES,
    writes=State.TOPICS,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.GROUP),
)
