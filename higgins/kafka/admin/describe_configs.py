"""DescribeConfigs: v1-4.

Behaviour: every entry of a resource, or those with the requested names (null and an empty list both mean all; unknown
names are left out), each with its effective value, where that comes from and its synonyms. A broker is described only
by itself, since it alone knows what it was started with; "" is the dynamic defaults of all brokers. The documentation
of an entry includes its effect in Higgins. A row for each resource, in the order of the request.
Version notes: v1 synonyms; v3 types and documentation; v4 is flexible.
Not done: loggers other than the root logger; throttling.
"""

import trio

from higgins.admin.configs.describe import ConfigValue
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

RESOURCES_PER_TURN = 20
"""Resources described before other tasks get their turn; each has dozens of entries."""


@in_task
async def handle(call: Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    if not await reach_tip(call):
        refusal = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "The store does not respond; try again.")
        return DescribeConfigsResponse(results=[_refused(one, refusal) for one in request.resources])
    results = []
    for n, one in enumerate(request.resources, 1):
        results.append(_result(call, request, one))
        if n % RESOURCES_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
    return DescribeConfigsResponse(results=results)


def _result(call: Call, request: DescribeConfigsRequest, resource: DescribeConfigsResource) -> DescribeConfigsResult:
    names = frozenset(resource.configuration_keys or ())
    try:
        values = call.admin.configs.describe(resource.resource_type, resource.resource_name, names)
    except Refused as refusal:
        return _refused(resource, refusal)
    return DescribeConfigsResult(
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=[_row(value, request) for value in values],
    )


def _row(value: ConfigValue, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    synonyms = value.sources if request.include_synonyms else ()
    return DescribeConfigsResourceResult(
        name=value.name,
        value=value.value,
        read_only=value.is_read_only,
        config_source=value.kind,
        is_sensitive=value.is_sensitive,
        synonyms=[DescribeConfigsSynonym(one.name, one.value, one.kind) for one in synonyms],
        config_type=value.type,
        documentation=value.documentation if request.include_documentation else None,
    )


def _refused(resource: DescribeConfigsResource, refusal: Refused) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=refusal.code,
        error_message=refusal.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )


API = ApiRow(
    DescribeConfigsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE_CONFIGS, AclResourceType.CLUSTER),
)
