"""ElectLeaders: v0-2. Elect the leaders of partitions (KIP-460).

Version notes: v1 adds the election type and an error code for the whole response; v2 is flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, String
from higgins_protocol.schema import Message, counted, since


class TopicPartitions(Message, frozen=True):
    topic: String = ""
    partitions: Annotated[Sequence[Int32], counted] = []


class ElectLeadersRequest(Message, frozen=True):
    election_type: Annotated[Int8, since(1)] = 0
    topic_partitions: Sequence[TopicPartitions] | None = []
    timeout_ms: Int32 = 60000


class PartitionResult(Message, frozen=True):
    partition_id: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class ReplicaElectionResult(Message, frozen=True):
    topic: String = ""
    partition_result: Sequence[PartitionResult] = []


class ElectLeadersResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, since(1)] = 0
    replica_election_results: Sequence[ReplicaElectionResult] = []


API = Api(
    key=43,
    request=ElectLeadersRequest,
    response=ElectLeadersResponse,
    versions=(0, 2),
    flexible_from=2,
)
