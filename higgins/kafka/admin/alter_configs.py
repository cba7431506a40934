"""AlterConfigs: v0-2.

Behaviour: what is given replaces all that a resource had of its own; what is not given goes back to its default. Each
resource by itself, a row for each in the order asked; one named twice is refused for both. The answer follows the
commit, and what it changed holds on every node that knows that commit. `validate_only` says what would be said.
Version notes: v1 is like v0; v2 is flexible.
Not done: loggers; throttling.
"""

from functools import partial

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.configs.alter import Wanted, alter
from higgins.kafka.configs.changes import replaced
from higgins.kafka.configs.resources import Resource
from higgins.kafka.context import Call
from higgins_protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResponse,
)


@in_task
async def handle(call: Call, request: AlterConfigsRequest) -> AlterConfigsResponse:
    wanted = [Wanted(one.resource_type, one.resource_name, partial(_judge, one)) for one in request.resources]
    return AlterConfigsResponse(responses=await alter(call, wanted, validate_only=request.validate_only))


def _judge(asked: AlterConfigsResource, resource: Resource) -> dict[str, str]:
    return replaced(resource.what, resource.table, [(one.name, one.value) for one in asked.configs])


API = ApiRow(
    AlterConfigsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS,
    writes=State.CONFIGS,
    requires=Permission(AclOperation.ALTER_CONFIGS, AclResourceType.CLUSTER),
)
