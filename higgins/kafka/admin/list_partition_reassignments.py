"""ListPartitionReassignments: v0.

Behaviour: none, ever: without replicas nothing is reassigned. Partitions that do not exist are left out, as in Kafka.
Version notes: v0 only.
Not done: throttling.
"""

from higgins.kafka.context import Call
from higgins_protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)

KEY = 46


def handle(call: Call, request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse:
    return ListPartitionReassignmentsResponse(error_message=None)
