"""DescribeAcls: v1-3.

Behaviour: SECURITY_DISABLED, as in Kafka without an authorizer.
Version notes: v2 flexible; nothing else differs here.
Not done: ACLs.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.security.no_authorizer import MESSAGE
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse


def handle(call: Call, request: DescribeAclsRequest) -> Future[DescribeAclsResponse]:
    return completed(DescribeAclsResponse(error_code=ErrorCode.SECURITY_DISABLED, error_message=MESSAGE))


API = ApiRow(
    DescribeAclsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
