"""ListOffsets: v1-7. The offset at a timestamp, or at either end of a partition.

Version notes: v2 adds the isolation level; v4 the leader epoch; v6 is flexible; v7 adds timestamp -3 (KIP-734).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted, ignorable, since


class ListOffsetsPartition(Message, frozen=True):
    partition_index: Int32 = 0
    current_leader_epoch: Annotated[Int32, since(4), ignorable] = -1
    timestamp: Int64 = 0


class ListOffsetsTopic(Message, frozen=True):
    name: String = ""
    partitions: Annotated[Sequence[ListOffsetsPartition], counted] = []


class ListOffsetsRequest(Message, frozen=True):
    replica_id: Int32 = 0
    isolation_level: Annotated[Int8, since(2)] = 0
    topics: Sequence[ListOffsetsTopic] = []


class ListOffsetsPartitionResponse(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    timestamp: Int64 = -1
    offset: Int64 = -1
    leader_epoch: Annotated[Int32, since(4)] = -1


class ListOffsetsTopicResponse(Message, frozen=True):
    name: String = ""
    partitions: Sequence[ListOffsetsPartitionResponse] = []


class ListOffsetsResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(2), ignorable] = 0
    topics: Sequence[ListOffsetsTopicResponse] = []


API = Api(
    key=2,
    request=ListOffsetsRequest,
    response=ListOffsetsResponse,
    versions=(1, 7),
    flexible_from=6,
)
