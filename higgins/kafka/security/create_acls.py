"""CreateAcls: v1-3.

Behaviour: SECURITY_DISABLED for each rule, as Kafka answers without an authorizer.
Version notes: v2 flexible; nothing else differs here.
Not done: rules of access.
"""

from higgins.kafka.context import Call
from higgins.kafka.security.no_authorizer import MESSAGE
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse

KEY = 30


def handle(call: Call, request: CreateAclsRequest) -> CreateAclsResponse:
    refusal = AclCreationResult(ErrorCode.SECURITY_DISABLED, MESSAGE)
    return CreateAclsResponse(results=[refusal] * len(request.creations))
