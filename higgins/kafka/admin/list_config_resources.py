"""ListConfigResources: v0-1.

Behaviour: every topic and every live broker (each with its loggers), and the groups and subscriptions to clients'
metrics that have anything of their own. No types asked for means all; one that nobody knows refuses the whole.
Version notes: v0 subscriptions to clients' metrics only; v1 the types asked for (KIP-1142).
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.configs.entry import ResourceType
from higgins.kafka.configs.resources import names_of
from higgins.kafka.context import Call, reach_tip
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

BY_TYPE_SINCE = 1
KINDS = (
    ResourceType.GROUP,
    ResourceType.CLIENT_METRICS,
    ResourceType.BROKER_LOGGER,
    ResourceType.BROKER,
    ResourceType.TOPIC,
)


@in_task
async def handle(call: Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse:
    asked = set(request.resource_types) or set(KINDS)
    if call.version < BY_TYPE_SINCE:
        asked = {ResourceType.CLIENT_METRICS}
    if not asked <= set(KINDS):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    if not await reach_tip(call):
        return ListConfigResourcesResponse(error_code=ErrorCode.KAFKA_STORAGE_ERROR)
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(name, kind)
            for kind in KINDS
            if kind in asked
            for name in names_of(call.node.state, kind)
        ]
    )


API = ApiRow(
    ListConfigResourcesRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE_CONFIGS, AclResourceType.CLUSTER),
)
