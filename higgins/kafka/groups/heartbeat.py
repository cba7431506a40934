"""Heartbeat: v0-4.

Behaviour: extends the member's session; REBALANCE_IN_PROGRESS while the group prepares its next generation.
Answered at once on the node that runs the group.
Version notes: v3 group.instance.id.
Not done: throttling.
"""


from higgins.groups.classic.requests import Heartbeat
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.groups.members import then
from higgins.model.future import Future
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


def handle(call: Call, request: HeartbeatRequest) -> Future[HeartbeatResponse]:
    heartbeat = Heartbeat(
        call.node.groups.new_token(), request.member_id, request.generation_id, request.group_instance_id
    )
    return then(call, call.node.groups.request(request.group_id, heartbeat), _response)


def _response(error: ErrorCode) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=error)


API = ApiRow(
    HeartbeatRequest,
    handle,
    reads=State.GROUPS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.READ, AclResourceType.GROUP),
)
