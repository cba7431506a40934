"""FindCoordinator: v0-4.

Behaviour: names the live node that rendezvous hashing gives a group, at its address for the listener asked through.
Any node answers alike once it has seen the same commits. Transactional ids are named this node: every node can serve
them. With no live node, COORDINATOR_NOT_AVAILABLE. As in Kafka, the first who looks for a group's coordinator makes the
topic of offsets, which clients find in the list of all topics; here it stays empty.
Version notes: v0-3 one key, answered at the top level; v4 many keys, each with its own error (KIP-699). On error the
node is -1, the host empty, the port -1. Where nothing is wrong the message is NONE up to v3 and empty from v4 on.
Not done: share groups (key type 2, v6), which answer INVALID_REQUEST.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.ledger.committer import Outcome
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import CreateTopic
from higgins.model.future import Future, completed
from higgins.model.names import INTERNAL_PARTITIONS, OFFSETS_TOPIC, TopicId
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


def _have_offsets_topic(call: Call) -> None:
    """Nobody waits for it: groups do without, and it is there for whoever lists topics a little later."""
    if OFFSETS_TOPIC in call.node.state.topics.by_name:
        return
    topic_id = TopicId(call.node.runtime.token(16))
    replication = call.node.config.replication_factor_default
    proposal = CreateTopic(OFFSETS_TOPIC, topic_id, INTERNAL_PARTITIONS, replication=replication)
    call.node.ledger.submit(proposal, _made_or_not)


def _made_or_not(outcome: Outcome) -> None:
    """Refused where somebody else was quicker; whoever looks for a coordinator next tries again where it failed."""


def _find(call: Call, key: str, key_type: int) -> Coordinator:
    if key_type not in {GROUP, TRANSACTION}:
        return _nobody(key, ErrorCode.INVALID_REQUEST, f"Key type {key_type} has no coordinator here.")
    session = call.node.groups.find(key) if key_type == GROUP else _anyone(call)
    if session is None:
        return _nobody(key, ErrorCode.COORDINATOR_NOT_AVAILABLE, "No node lives at this moment; try again.")
    if key_type == GROUP:
        _have_offsets_topic(call)
    host, port = call.node.endpoint(session, call.listener)
    return Coordinator(
        key=key, node_id=session.node_id, host=host, port=port, error_code=ErrorCode.NONE, error_message=""
    )


def _anyone(call: Call) -> Session | None:
    return call.node.ledger.session or next(iter(call.node.state.sessions.live.values()), None)


def _nobody(key: str, error: ErrorCode, message: str) -> Coordinator:
    return Coordinator(key=key, node_id=-1, host="", port=-1, error_code=error, error_message=message)


# The topic of offsets may be created.
API = ApiRow(
    FindCoordinatorRequest,
    handle,
    reads=State.TOPICS | State.NODES,
    writes=State.TOPICS,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.GROUP),
)
