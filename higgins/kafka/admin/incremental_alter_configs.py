"""IncrementalAlterConfigs: v0-1.

Behaviour: single entries are set, deleted, or (lists) appended to and subtracted from, on the effective value: what was
only a default is kept beside what is appended. Each resource by itself, a row for each in the order asked; one named
twice is refused for both, and so is an entry named twice. The answer follows the commit, and what it changed holds on
every node that knows that commit. `validate_only` says what would be said.
Version notes: v1 is flexible.
Not done: loggers; throttling.
"""

from functools import partial

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.configs.alter import Wanted, alter
from higgins.kafka.configs.changes import Change, changed
from higgins.kafka.configs.resources import Resource
from higgins.kafka.context import Call
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    IncrementalResource,
)


@in_task
async def handle(call: Call, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse:
    wanted = [Wanted(one.resource_type, one.resource_name, partial(_judge, one)) for one in request.resources]
    return IncrementalAlterConfigsResponse(responses=await alter(call, wanted, validate_only=request.validate_only))


def _judge(asked: IncrementalResource, resource: Resource) -> dict[str, str]:
    changes = [Change(one.name, one.config_operation, one.value) for one in asked.configs]
    return changed(
        resource.what, resource.table, resource.own, changes, lambda entry: resource.value(entry) or ""
    )


API = ApiRow(
    IncrementalAlterConfigsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS,
    writes=State.CONFIGS,
    requires=Permission(AclOperation.ALTER_CONFIGS, AclResourceType.CLUSTER),
)
