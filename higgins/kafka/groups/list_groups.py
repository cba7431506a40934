"""ListGroups: v0-5.

Behaviour: the groups that this node coordinates, including those of operators and those that have only committed
offsets. Clients ask every node and combine the responses.
Version notes: v4 filters by state, v5 by type; both ignore case, since Java sends "Classic", and spaces around states
are ignored too.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused
from higgins_protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse


@in_task
async def handle(call: Call, request: ListGroupsRequest) -> ListGroupsResponse:
    try:
        views = await call.admin.groups.list_groups(call.pace().rest)
    except Refused as refusal:
        return ListGroupsResponse(error_code=refusal.code)
    states = {state.strip().lower() for state in request.states_filter}
    types = {kind.lower() for kind in request.types_filter}
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=view.group_id,
                protocol_type=view.protocol_type,
                group_state=view.state,
                group_type=view.group_type,
            )
            for view in views
            if (not states or view.state.lower() in states) and (not types or view.group_type.lower() in types)
        ]
    )


API = ApiRow(
    ListGroupsRequest,
    handle,
    reads=State.GROUPS | State.OFFSETS | State.OPERATORS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.GROUP),
)
