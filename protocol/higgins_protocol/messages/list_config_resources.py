"""ListConfigResources: v0-1. The names of the resources that have config entries.

Version notes: v0 lists client metrics subscriptions only; v1 the requested types (KIP-1142).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class ListConfigResourcesRequest(Message, frozen=True):
    resource_types: Annotated[Sequence[Int8], since(1)] = []


class ConfigResource(Message, frozen=True):
    resource_name: String = ""
    resource_type: Annotated[Int8, since(1), ignorable] = 16


class ListConfigResourcesResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    config_resources: Sequence[ConfigResource] = []


API = Api(
    key=74,
    request=ListConfigResourcesRequest,
    response=ListConfigResourcesResponse,
    versions=(0, 1),
    flexible_from=0,
)
