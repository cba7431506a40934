"""DeleteGroups: v0-2.

Behaviour: each group by itself, one row for each name: a group without members is deleted with all its committed
offsets, and the response follows the commit. NON_EMPTY_GROUP while it has members, GROUP_ID_NOT_FOUND for an unknown
group, NOT_COORDINATOR from other nodes. An operator's group is refused with POLICY_VIOLATION.
Version notes: v2 flexible.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse


@in_task
async def handle(call: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    group_ids = list(dict.fromkeys(request.groups_names))
    refusals = await call.admin.groups.delete(group_ids)
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id, ErrorCode.NONE if refusal is None else refusal.code)
            for group_id, refusal in zip(group_ids, refusals, strict=True)
        ]
    )


API = ApiRow(
    DeleteGroupsRequest,
    handle,
    reads=State.GROUPS | State.OFFSETS,
    writes=State.GROUPS | State.OFFSETS,
    requires=Permission(AclOperation.DELETE, AclResourceType.GROUP),
)
