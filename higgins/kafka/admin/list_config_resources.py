"""ListConfigResources: v0-1.

Behaviour: every topic and every live broker (each with its loggers), and the groups and client metrics subscriptions
that have configs of their own. No types in the request means all; an unknown type refuses the whole request.
Version notes: v0 client metrics subscriptions only; v1 the types in the request (KIP-1142).
Not done: throttling.
"""

from higgins.config.entries.entry import ResourceType
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

BY_TYPE_SINCE = 1
TYPES = (
    ResourceType.GROUP,
    ResourceType.CLIENT_METRICS,
    ResourceType.BROKER_LOGGER,
    ResourceType.BROKER,
    ResourceType.TOPIC,
)
"""In the order of the response."""


@in_task
async def handle(call: Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse:
    types = set(request.resource_types) or set(TYPES)
    if call.version < BY_TYPE_SINCE:
        types = {ResourceType.CLIENT_METRICS}
    if not types <= set(TYPES):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    if not await reach_tip(call):
        return ListConfigResourcesResponse(error_code=ErrorCode.KAFKA_STORAGE_ERROR)
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(name, kind)
            for kind in TYPES
            if kind in types
            for name in call.admin.configs.resources(kind)
        ]
    )


API = ApiRow(
    ListConfigResourcesRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE_CONFIGS, AclResourceType.CLUSTER),
)
