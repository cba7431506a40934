"""DescribeConfigs: v1-4.

Behaviour: every entry that a resource has, or those asked for (null and nothing both mean all; names nobody knows are
left out), each with its effective value, where that comes from and what else would stand. A broker is described by
itself, since only it knows what it was started with; "" are the defaults that the cluster was given. What an entry does
here is part of its documentation. A row for each resource, in the order asked.
Version notes: v1 synonyms; v3 types and documentation; v4 is flexible.
Not done: loggers but the root's; throttling.
"""

from collections.abc import Sequence

import structlog
import trio

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.configs.entry import Entry, ResourceType, Source
from higgins.kafka.configs.live import Rung, spelled
from higgins.kafka.configs.resources import Resource, find, kind_of
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

AT_ONCE = 20
"""Resources described before others get their turn; each has dozens of entries."""
ROOT_LOGGER = "root"
LEVELS = ((10, "DEBUG"), (20, "INFO"), (30, "WARN"), (40, "ERROR"))
"""From which level on, by Kafka's names."""


@in_task
async def handle(call: Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    if not await reach_tip(call):
        unknown = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "The store does not answer, so nobody knows; try again.")
        return DescribeConfigsResponse(results=[_failed(one, unknown) for one in request.resources])
    results = []
    for n, one in enumerate(request.resources, 1):
        results.append(_describe(call, request, one))
        if n % AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return DescribeConfigsResponse(results=results)


def _describe(call: Call, request: DescribeConfigsRequest, asked: DescribeConfigsResource) -> DescribeConfigsResult:
    try:
        rows = _rows(call, request, asked)
    except Refused as refusal:
        return _failed(asked, refusal)
    return DescribeConfigsResult(
        resource_type=asked.resource_type, resource_name=asked.resource_name, configs=rows
    )


def _rows(
    call: Call, request: DescribeConfigsRequest, asked: DescribeConfigsResource
) -> Sequence[DescribeConfigsResourceResult]:
    kind, keys = kind_of(asked.resource_type), frozenset(asked.configuration_keys or ())
    node_id = call.node.configs.node_id
    is_own = asked.resource_name == node_id
    if kind is ResourceType.BROKER_LOGGER:
        if not is_own:
            raise Refused(ErrorCode.INVALID_REQUEST, f"This is broker {node_id}; ask another for its own loggers.")
        return [row for row in (_logger(),) if not keys or row.name in keys]
    resource = find(call.node.state, call.node.configs, kind, asked.resource_name)
    if kind is ResourceType.BROKER and not is_own and not resource.is_cluster_default:
        raise Refused(
            ErrorCode.INVALID_REQUEST,
            f"This is broker {node_id}; ask broker {asked.resource_name} for its own configs, or '' for all brokers'.",
        )
    entries = [entry for entry in resource.table.values() if not keys or entry.name in keys]
    shown = [entry for entry in entries if entry.name in resource.own or not resource.is_cluster_default]
    return [_row(resource, entry, request) for entry in shown]


def _row(resource: Resource, entry: Entry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    rungs = resource.rungs(entry)
    value = resource.value(entry)
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=None if entry.is_sensitive else value,
        read_only=entry.is_fixed,
        config_source=rungs[0].source if rungs else Source.DEFAULT,
        is_sensitive=entry.is_sensitive,
        synonyms=[_synonym(entry, rung) for rung in rungs] if request.include_synonyms else [],
        config_type=entry.type,
        documentation=f"{entry.documentation} Here: {entry.effect}." if request.include_documentation else None,
    )


def _synonym(entry: Entry, rung: Rung) -> DescribeConfigsSynonym:
    value = spelled(entry, rung.value) if rung.name == entry.name else rung.value
    return DescribeConfigsSynonym(rung.name, None if entry.is_sensitive else value, rung.source)


def _logger() -> DescribeConfigsResourceResult:
    from_level = structlog.get_logger().bind().get_effective_level()
    level = next((name for number, name in LEVELS if from_level <= number), "ERROR")
    return DescribeConfigsResourceResult(
        name=ROOT_LOGGER, value=level, read_only=True, config_source=Source.DYNAMIC_BROKER_LOGGER
    )


def _failed(asked: DescribeConfigsResource, refusal: Refused) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=refusal.code,
        error_message=refusal.message,
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
    )


API = ApiRow(
    DescribeConfigsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE_CONFIGS, AclResourceType.CLUSTER),
)
