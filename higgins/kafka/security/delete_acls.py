"""DeleteAcls: v1-3.

Behaviour: SECURITY_DISABLED for each filter, as Kafka answers without an authorizer.
Version notes: v2 flexible; nothing else differs here.
Not done: rules of access.
"""

from higgins.kafka.context import Call
from higgins.kafka.security.no_authorizer import MESSAGE
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse

KEY = 31


def handle(call: Call, request: DeleteAclsRequest) -> DeleteAclsResponse:
    refusal = DeleteAclsFilterResult(ErrorCode.SECURITY_DISABLED, MESSAGE)
    return DeleteAclsResponse(filter_results=[refusal] * len(request.filters))
