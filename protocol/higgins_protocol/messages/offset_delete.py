"""OffsetDelete: v0. Delete the committed offsets of a group in some partitions.

Version notes: v0 only, which is not flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import NEVER, Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, counted


class OffsetDeleteRequestPartition(Message, frozen=True):
    partition_index: Int32 = 0


class OffsetDeleteRequestTopic(Message, frozen=True):
    name: String = ""
    partitions: Annotated[Sequence[OffsetDeleteRequestPartition], counted] = []


class OffsetDeleteRequest(Message, frozen=True):
    group_id: String = ""
    topics: Sequence[OffsetDeleteRequestTopic] = []


class OffsetDeleteResponsePartition(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class OffsetDeleteResponseTopic(Message, frozen=True):
    name: String = ""
    partitions: Sequence[OffsetDeleteResponsePartition] = []


class OffsetDeleteResponse(Message, frozen=True):
    error_code: Int16 = 0
    throttle_time_ms: Int32 = 0
    topics: Sequence[OffsetDeleteResponseTopic] = []


API = Api(
    key=47,
    request=OffsetDeleteRequest,
    response=OffsetDeleteResponse,
    versions=(0, 0),
    flexible_from=NEVER,
)
