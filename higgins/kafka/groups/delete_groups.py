"""DeleteGroups: v0-2.

Behaviour: each group by itself, one result for each name: a group without members is forgotten together with all it
committed, in one commit that the answer follows. NON_EMPTY_GROUP while somebody is in it, GROUP_ID_NOT_FOUND for one
nobody knows, NOT_COORDINATOR from other nodes. An operator's group refuses with POLICY_VIOLATION.
Version notes: v2 flexible.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins_protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse


@in_task
async def handle(call: Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    groups = call.node.groups
    results = []
    for group_id in dict.fromkeys(request.groups_names):
        results.append(DeletableGroupResult(group_id, await groups.delete(group_id)))
    return DeleteGroupsResponse(results=results)


API = ApiRow(
    DeleteGroupsRequest,
    handle,
    reads=State.GROUPS | State.OFFSETS,
    writes=State.GROUPS | State.OFFSETS,
    requires=Permission(AclOperation.DELETE, AclResourceType.GROUP),
)
