"""AlterPartitionReassignments: v0-1. Move partitions to other replicas (KIP-455).

Version notes: v1 adds whether the replication factor may change (KIP-860).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int16, Int32, String
from higgins_protocol.schema import Message, counted, ignorable, since


class ReassignablePartition(Message, frozen=True):
    partition_index: Int32 = 0
    replicas: Sequence[Int32] | None = None


class ReassignableTopic(Message, frozen=True):
    name: String = ""
    partitions: Annotated[Sequence[ReassignablePartition], counted] = []


class AlterPartitionReassignmentsRequest(Message, frozen=True):
    timeout_ms: Int32 = 60000
    allow_replication_factor_change: Annotated[Bool, since(1)] = True
    topics: Sequence[ReassignableTopic] = []


class ReassignablePartitionResponse(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class ReassignableTopicResponse(Message, frozen=True):
    name: String = ""
    partitions: Sequence[ReassignablePartitionResponse] = []


class AlterPartitionReassignmentsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    allow_replication_factor_change: Annotated[Bool, since(1), ignorable] = True
    error_code: Int16 = 0
    error_message: String | None = ""
    responses: Sequence[ReassignableTopicResponse] = []


API = Api(
    key=45,
    request=AlterPartitionReassignmentsRequest,
    response=AlterPartitionReassignmentsResponse,
    versions=(0, 1),
    flexible_from=0,
)
