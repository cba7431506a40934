"""AlterConfigs: v0-2. Replace all config entries that are set on a resource.

Version notes: v1 is like v0; v2 is flexible.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int8, Int16, Int32, String
from higgins_protocol.schema import Message


class AlterableConfig(Message, frozen=True):
    name: String = ""
    value: String | None = ""


class AlterConfigsResource(Message, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    configs: Sequence[AlterableConfig] = []


class AlterConfigsRequest(Message, frozen=True):
    resources: Sequence[AlterConfigsResource] = []
    validate_only: Bool = False


class AlterConfigsResourceResponse(Message, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    resource_type: Int8 = 0
    resource_name: String = ""


class AlterConfigsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    responses: Sequence[AlterConfigsResourceResponse] = []


API = Api(
    key=33,
    request=AlterConfigsRequest,
    response=AlterConfigsResponse,
    versions=(0, 2),
    flexible_from=2,
)
