"""LeaveGroup: v0-5.

Behaviour: members leave and the others rebalance; each leaving member has its own error.
Version notes: v0-2 one member, whose error is that of the response; v3 many, by member id, or by group.instance.id
alone as an administrator does (KIP-345); v5 a reason, which is not kept.
Not done: throttling.
"""

from functools import partial

from higgins.groups.classic.requests import Leave, LeaveResult, LeavingMember
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.groups.members import then
from higgins.model.future import Future
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse


def handle(call: Call, request: LeaveGroupRequest) -> Future[LeaveGroupResponse]:
    leaving = tuple(LeavingMember(each.member_id, each.group_instance_id) for each in request.members)
    if call.version < 3:
        leaving = (LeavingMember(request.member_id),)
    leave = Leave(call.node.groups.new_token(), leaving)
    return then(call, call.node.groups.request(request.group_id, leave), partial(_response, call.version, leaving))


def _response(version: int, leaving: tuple[LeavingMember, ...], result: LeaveResult) -> LeaveGroupResponse:
    if version < 3:
        single = result.members[0] if result.members else ErrorCode.NONE
        return LeaveGroupResponse(error_code=result.error or single)
    return LeaveGroupResponse(
        error_code=result.error,
        members=[
            MemberResponse(member_id=each.member_id, group_instance_id=each.instance_id, error_code=error)
            for each, error in zip(leaving, result.members, strict=False)
        ],
    )


API = ApiRow(
    LeaveGroupRequest,
    handle,
    reads=State.GROUPS,
    writes=State.GROUPS,
    requires=Permission(AclOperation.READ, AclResourceType.GROUP),
)
