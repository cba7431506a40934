"""DescribeAcls: v1-3. Access rules that a filter matches.

Version notes: v1 adds pattern types (KIP-290); v2 is flexible; v3 user resources (KIP-373).
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, String
from higgins_protocol.schema import Message


class DescribeAclsRequest(Message, frozen=True):
    resource_type_filter: Int8 = 0
    resource_name_filter: String | None = ""
    pattern_type_filter: Int8 = 3
    principal_filter: String | None = ""
    host_filter: String | None = ""
    operation: Int8 = 0
    permission_type: Int8 = 0


class AclDescription(Message, frozen=True):
    principal: String = ""
    host: String = ""
    operation: Int8 = 0
    permission_type: Int8 = 0


class DescribeAclsResource(Message, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    pattern_type: Int8 = 3
    acls: Sequence[AclDescription] = []


class DescribeAclsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    resources: Sequence[DescribeAclsResource] = []


API = Api(
    key=29,
    request=DescribeAclsRequest,
    response=DescribeAclsResponse,
    versions=(1, 3),
    flexible_from=2,
)
