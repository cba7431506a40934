"""DeleteAcls: v1-3.

Behaviour: SECURITY_DISABLED for each filter, as in Kafka without an authorizer.
Version notes: v2 flexible; nothing else differs here.
Not done: ACLs.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.security.no_authorizer import MESSAGE
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse


def handle(call: Call, request: DeleteAclsRequest) -> Future[DeleteAclsResponse]:
    refusal = DeleteAclsFilterResult(ErrorCode.SECURITY_DISABLED, MESSAGE)
    return completed(DeleteAclsResponse(filter_results=[refusal] * len(request.filters)))


API = ApiRow(
    DeleteAclsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
)
