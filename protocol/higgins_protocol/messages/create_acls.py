"""CreateAcls: v1-3. Add access rules.

Version notes: v1 adds pattern types (KIP-290); v2 is flexible; v3 user resources (KIP-373).
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, String
from higgins_protocol.schema import Message


class AclCreation(Message, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    resource_pattern_type: Int8 = 3
    principal: String = ""
    host: String = ""
    operation: Int8 = 0
    permission_type: Int8 = 0


class CreateAclsRequest(Message, frozen=True):
    creations: Sequence[AclCreation] = []


class AclCreationResult(Message, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""


class CreateAclsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    results: Sequence[AclCreationResult] = []


API = Api(
    key=30,
    request=CreateAclsRequest,
    response=CreateAclsResponse,
    versions=(1, 3),
    flexible_from=2,
)
