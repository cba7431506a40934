"""ListPartitionReassignments: v0. Which partitions are being moved (KIP-455).

Version notes: v0 only.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, counted


class ListPartitionReassignmentsTopics(Message, frozen=True):
    name: String = ""
    partition_indexes: Annotated[Sequence[Int32], counted] = []


class ListPartitionReassignmentsRequest(Message, frozen=True):
    timeout_ms: Int32 = 60000
    topics: Sequence[ListPartitionReassignmentsTopics] | None = None


class OngoingPartitionReassignment(Message, frozen=True):
    partition_index: Int32 = 0
    replicas: Sequence[Int32] = []
    adding_replicas: Sequence[Int32] = []
    removing_replicas: Sequence[Int32] = []


class OngoingTopicReassignment(Message, frozen=True):
    name: String = ""
    partitions: Sequence[OngoingPartitionReassignment] = []


class ListPartitionReassignmentsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""
    topics: Sequence[OngoingTopicReassignment] = []


API = Api(
    key=46,
    request=ListPartitionReassignmentsRequest,
    response=ListPartitionReassignmentsResponse,
    versions=(0, 0),
    flexible_from=0,
)
