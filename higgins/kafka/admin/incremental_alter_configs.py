"""IncrementalAlterConfigs: v0-1.

Behaviour: single entries are set, deleted, or (lists) appended to and subtracted from. APPEND and SUBTRACT start from
the effective value, so that appending to a default keeps the default. Each resource is changed or refused by itself,
with a row for each in the order of the request; a resource that occurs twice is refused both times, and so is a
repeated entry. The response follows the commit, and the change is in effect on every node that has folded that commit.
With `validate_only` nothing is changed.
Version notes: v1 is flexible.
Not done: loggers; throttling.
"""

from higgins.admin.configs.alter import incremental
from higgins.config.entries.changes import Change
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.admin.alter_configs import alteration_rows
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


@in_task
async def handle(call: Call, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse:
    alterations = [
        incremental(
            one.resource_type,
            one.resource_name,
            [Change(config.name, config.config_operation, config.value) for config in one.configs],
        )
        for one in request.resources
    ]
    return IncrementalAlterConfigsResponse(
        responses=await alteration_rows(call, alterations, validate_only=request.validate_only)
    )


API = ApiRow(
    IncrementalAlterConfigsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS,
    writes=State.CONFIGS,
    requires=Permission(AclOperation.ALTER_CONFIGS, AclResourceType.CLUSTER),
)
