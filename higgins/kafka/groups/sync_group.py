"""SyncGroup: v0-5.

Behaviour: the leader sends the assignments of all members, and each member gets its own once they are committed.
Version notes: v3 group.instance.id; v5 names the protocol and its type; null or a mismatch is
INCONSISTENT_GROUP_PROTOCOL.
Not done: throttling.
"""


from higgins.groups.classic.requests import Sync, SyncResult
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.groups.members import MEMBER_REQUESTS, then
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

NAMED_SINCE = 5


def handle(call: Call, request: SyncGroupRequest) -> Future[SyncGroupResponse]:
    if call.version >= NAMED_SINCE and None in {request.protocol_type, request.protocol_name}:
        return completed(SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
    sync = Sync(
        token=call.node.groups.new_token(),
        member_id=request.member_id,
        generation=request.generation_id,
        instance_id=request.group_instance_id,
        protocol_type=request.protocol_type,
        protocol=request.protocol_name,
        assignments=tuple((each.member_id, each.assignment) for each in request.assignments),
    )
    return then(call, call.node.groups.request(request.group_id, sync), _response)


def _response(result: SyncResult) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=result.error,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol,
        assignment=result.assignment,
    )


API = ApiRow(
    SyncGroupRequest,
    handle,
    reads=State.GROUPS,
    writes=State.GROUPS,
    requires=Permission(AclOperation.READ, AclResourceType.GROUP),
    overtaken_by=MEMBER_REQUESTS,
)
