"""DescribeConfigs: v1-4.

Behaviour: every entry of a resource, or those with the requested names (null and an empty list both mean all; unknown
names are left out), each with its effective value, where that comes from and its synonyms. A broker is described only
by itself, since it alone knows what it was started with; "" is the dynamic defaults of all brokers. The documentation
of an entry includes its effect in Higgins. A row for each resource, in the order of the request.
Version notes: v1 synonyms; v3 types and documentation; v4 is flexible.
Not done: loggers other than the root logger; throttling.
"""

from higgins.admin.configs.describe import ConfigValue
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.answer_room import TOO_LONG, AnswerRoom
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

ENTRY_BYTES = 12
"""Of an entry or a synonym, beside its texts."""


@in_task
async def handle(call: Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    if not await reach_tip(call):
        refusal = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "The store does not respond; try again.")
        return DescribeConfigsResponse(results=[_refused(one, refusal) for one in request.resources])
    pace, room = call.pace(), AnswerRoom()
    results: list[DescribeConfigsResult] = []
    known: dict[tuple[int, str, tuple[str, ...]], DescribeConfigsResult] = {}
    for one in request.resources:
        # A resource that is repeated has a row each time, as in Kafka, which is built once.
        key = (one.resource_type, one.resource_name, tuple(one.configuration_keys or ()))
        if key not in known:
            known[key] = _result(call, request, one)
        result = known[key]
        if not room.take(_size(result)):
            result = _refused(one, Refused(ErrorCode.INVALID_REQUEST, TOO_LONG))
        results.append(result)
        await pace.rest()
    return DescribeConfigsResponse(results=results)


def _size(result: DescribeConfigsResult) -> int:
    """About how long a row is."""
    return sum(
        ENTRY_BYTES
        + len(entry.name)
        + len(entry.value or "")
        + len(entry.documentation or "")
        + sum(ENTRY_BYTES + len(synonym.name) + len(synonym.value or "") for synonym in entry.synonyms)
        for entry in result.configs
    )


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
