"""IncrementalAlterConfigs: v0-1. Change single config entries and keep the others.

Version notes: v1 is flexible.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.messages.alter_configs import AlterConfigsResourceResponse
from higgins_protocol.primitives import Bool, Int8, Int32, String
from higgins_protocol.schema import Message


class IncrementalConfig(Message, frozen=True):
    name: String = ""
    config_operation: Int8 = 0
    value: String | None = ""


class IncrementalResource(Message, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    configs: Sequence[IncrementalConfig] = []


class IncrementalAlterConfigsRequest(Message, frozen=True):
    resources: Sequence[IncrementalResource] = []
    validate_only: Bool = False


class IncrementalAlterConfigsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    responses: Sequence[AlterConfigsResourceResponse] = []


API = Api(
    key=44,
    request=IncrementalAlterConfigsRequest,
    response=IncrementalAlterConfigsResponse,
    versions=(0, 1),
    flexible_from=1,
)
