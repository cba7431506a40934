"""OffsetForLeaderEpoch: v2-4. The end offset of a leader epoch (KIP-320).

Version notes: v3 adds the id of the replica; v4 is flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted, ignorable, since


class OffsetForLeaderPartition(Message, frozen=True):
    partition: Int32 = 0
    current_leader_epoch: Int32 = -1
    leader_epoch: Int32 = 0


class OffsetForLeaderTopic(Message, frozen=True):
    topic: String = ""
    partitions: Annotated[Sequence[OffsetForLeaderPartition], counted] = []


class OffsetForLeaderEpochRequest(Message, frozen=True):
    replica_id: Annotated[Int32, since(3), ignorable] = -2
    topics: Sequence[OffsetForLeaderTopic] = []


class EpochEndOffset(Message, frozen=True):
    error_code: Int16 = 0
    partition: Int32 = 0
    leader_epoch: Int32 = -1
    end_offset: Int64 = -1


class OffsetForLeaderTopicResult(Message, frozen=True):
    topic: String = ""
    partitions: Sequence[EpochEndOffset] = []


class OffsetForLeaderEpochResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    topics: Sequence[OffsetForLeaderTopicResult] = []


API = Api(
    key=23,
    request=OffsetForLeaderEpochRequest,
    response=OffsetForLeaderEpochResponse,
    versions=(2, 4),
    flexible_from=4,
)
