"""DescribeGroups: v0-6.

Behaviour: state, members and assignments of the groups that this node coordinates, NOT_COORDINATOR for others. An
operator's group (`higgins.op.NAME`) shows the nodes that run its tasks.
Version notes: v3 authorized operations on request: all that a group has, as there is no authorizer; v4 static members;
an unknown group is "Dead" without an error up to v5, GROUP_ID_NOT_FOUND from v6.
Not done: throttling.
"""

from higgins.groups.views import GroupView, MemberView
from higgins.kafka.acl import GROUP_OPERATIONS, NOT_REQUESTED, AclOperation, AclResourceType, Permission
from higgins.kafka.answer_room import TOO_LONG, AnswerRoom
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)

MEMBER_BYTES = 32
"""Of a member, beside its names and bytes."""


@in_task
async def handle(call: Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    # A row for each name: Kafka repeats the row where a name is repeated, and no client needs it twice.
    group_ids = list(dict.fromkeys(request.groups))
    pace, room = call.pace(), AnswerRoom()
    views = await call.admin.groups.describe(group_ids, pace.rest)
    operations = GROUP_OPERATIONS if request.include_authorized_operations else NOT_REQUESTED
    rows = []
    for group_id, view in zip(group_ids, views, strict=True):
        if isinstance(view, GroupView) and not room.take(_size(view)):
            rows.append(DescribedGroup(ErrorCode.INVALID_REQUEST, TOO_LONG if call.version >= 6 else None, group_id))
        else:
            rows.append(_described(call.version, group_id, view, operations))
        await pace.rest()
    return DescribeGroupsResponse(groups=rows)


def _size(view: GroupView) -> int:
    """About how long the row of a group is."""
    return sum(
        len(member.metadata)
        + len(member.assignment)
        + len(member.member_id)
        + len(member.client_id)
        + len(member.client_host)
        + MEMBER_BYTES
        for member in view.members
    )


def _described(version: int, group_id: str, view: GroupView | Refused, operations: int) -> DescribedGroup:
    if isinstance(view, Refused):
        if view.code is not ErrorCode.GROUP_ID_NOT_FOUND:
            return DescribedGroup(error_code=view.code, group_id=group_id)
        return _unknown(version, group_id, view, operations)
    return DescribedGroup(
        group_id=group_id,
        group_state=view.state,
        protocol_type=view.protocol_type,
        protocol_data=view.protocol,
        members=[_member(member) for member in view.members],
        authorized_operations=operations,
    )


def _unknown(version: int, group_id: str, refusal: Refused, operations: int) -> DescribedGroup:
    if version < 6:
        return DescribedGroup(group_id=group_id, group_state="Dead", authorized_operations=operations)
    return DescribedGroup(
        error_code=refusal.code,
        error_message=refusal.message,
        group_id=group_id,
        group_state="Dead",
    )


def _member(member: MemberView) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=member.metadata,
        member_assignment=member.assignment,
    )


API = ApiRow(
    DescribeGroupsRequest,
    handle,
    reads=State.GROUPS | State.OFFSETS | State.OPERATORS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.GROUP),
)
