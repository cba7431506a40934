"""ListPartitionReassignments: v0.

Behaviour: none, ever: without replicas nothing is reassigned. Partitions that do not exist are left out, as in Kafka.
Version notes: v0 only.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


def handle(call: Call, request: ListPartitionReassignmentsRequest) -> Future[ListPartitionReassignmentsResponse]:
    return completed(ListPartitionReassignmentsResponse(error_message=None))


API = ApiRow(
    ListPartitionReassignmentsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
