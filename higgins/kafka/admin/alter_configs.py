"""AlterConfigs: v0-2.

Behaviour: the configs in the request replace all that a resource had of its own; entries that are left out go back to
their defaults. Each resource is changed or refused by itself, with a row for each in the order of the request; a
resource that occurs twice is refused both times. The response follows the commit, and the change is in effect on every
node that has folded that commit. With `validate_only` nothing is changed.
Version notes: v1 is like v0; v2 is flexible.
Not done: loggers; throttling.
"""

from collections.abc import Sequence

from higgins.admin.configs.alter import Alteration, replacement
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused, StorageUnavailable
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


@in_task
async def handle(call: Call, request: AlterConfigsRequest) -> AlterConfigsResponse:
    alterations = [
        replacement(one.resource_type, one.resource_name, [(config.name, config.value) for config in one.configs])
        for one in request.resources
    ]
    return AlterConfigsResponse(
        responses=await alteration_rows(call, alterations, validate_only=request.validate_only)
    )


async def alteration_rows(
    call: Call, alterations: Sequence[Alteration], *, validate_only: bool
) -> list[AlterConfigsResourceResponse]:
    """Carry out the alterations; a row for each, in order. IncrementalAlterConfigs has the same rows."""
    refusals: list[Refused | None]
    try:
        refusals = await call.admin.configs.alter(alterations, validate_only=validate_only)
    except StorageUnavailable:
        message = "The store does not respond, so nothing was changed; try again."
        refusals = [Refused(ErrorCode.KAFKA_STORAGE_ERROR, message)] * len(alterations)
    return [
        AlterConfigsResourceResponse(
            error_code=ErrorCode.NONE if refusal is None else refusal.code,
            error_message=None if refusal is None else refusal.message,
            resource_type=alteration.type_code,
            resource_name=alteration.name,
        )
        for alteration, refusal in zip(alterations, refusals, strict=True)
    ]


API = ApiRow(
    AlterConfigsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS,
    writes=State.CONFIGS,
    requires=Permission(AclOperation.ALTER_CONFIGS, AclResourceType.CLUSTER),
)
