"""LeaveGroup: v0-5.

Behaviour: members leave and the others rebalance; each departure has its own answer.
Version notes: v0-2 one member, whose error is the response's; v3 many, by member id, or by group.instance.id alone
as an administrator does (KIP-345); v5 a reason, which is not kept.
Not done: throttling.
"""

from functools import partial

from higgins.groups.events import Departure, Leave, LeaveResult
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.groups.members import then
from higgins.model.future import Future
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse


def handle(call: Call, request: LeaveGroupRequest) -> Future[LeaveGroupResponse]:
    departures = tuple(Departure(each.member_id, each.group_instance_id) for each in request.members)
    if call.version < 3:
        departures = (Departure(request.member_id),)
    question = Leave(call.node.groups.new_token(), departures)
    return then(call, call.node.groups.leave(request.group_id, question), partial(_response, call.version, departures))


def _response(version: int, departures: tuple[Departure, ...], result: LeaveResult) -> LeaveGroupResponse:
    if version < 3:
        single = result.departures[0] if result.departures else ErrorCode.NONE
        return LeaveGroupResponse(error_code=result.error or single)
    return LeaveGroupResponse(
        error_code=result.error,
        members=[
            MemberResponse(member_id=departure.member_id, group_instance_id=departure.instance_id, error_code=error)
            for departure, error in zip(departures, result.departures, strict=False)
        ],
    )


API = ApiRow(
    LeaveGroupRequest,
    handle,
    reads=State.GROUPS,
    writes=State.GROUPS,
    requires=Permission(AclOperation.READ, AclResourceType.GROUP),
)
