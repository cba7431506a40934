"""DescribeAcls: v1-3.

Behaviour: SECURITY_DISABLED, as Kafka answers without an authorizer.
Version notes: v2 flexible; nothing else differs here.
Not done: rules of access.
"""

from higgins.kafka.context import Call
from higgins.kafka.security.no_authorizer import MESSAGE
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse

KEY = 29


def handle(call: Call, request: DescribeAclsRequest) -> DescribeAclsResponse:
    return DescribeAclsResponse(error_code=ErrorCode.SECURITY_DISABLED, error_message=MESSAGE)
