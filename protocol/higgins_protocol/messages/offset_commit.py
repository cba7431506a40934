"""OffsetCommit: v2-9. Store the committed offsets of a group.

Version notes: v2-4 carry a retention time; v6 adds the leader epoch; v7 static members; v8 is flexible; in v9 the
generation may be a member epoch (KIP-848). v10 and later, with topic ids, are not implemented.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted, ignorable, since, until


class OffsetCommitRequestPartition(Message, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    committed_leader_epoch: Annotated[Int32, since(6), ignorable] = -1
    committed_metadata: String | None = ""


class OffsetCommitRequestTopic(Message, frozen=True):
    name: String = ""
    partitions: Annotated[Sequence[OffsetCommitRequestPartition], counted] = []


class OffsetCommitRequest(Message, frozen=True):
    group_id: String = ""
    generation_id_or_member_epoch: Int32 = -1
    member_id: String = ""
    group_instance_id: Annotated[String | None, since(7)] = None
    retention_time_ms: Annotated[Int64, until(4), ignorable] = -1
    topics: Sequence[OffsetCommitRequestTopic] = []


class OffsetCommitResponsePartition(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class OffsetCommitResponseTopic(Message, frozen=True):
    name: String = ""
    partitions: Sequence[OffsetCommitResponsePartition] = []


class OffsetCommitResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(3), ignorable] = 0
    topics: Sequence[OffsetCommitResponseTopic] = []


API = Api(
    key=8,
    request=OffsetCommitRequest,
    response=OffsetCommitResponse,
    versions=(2, 9),
    flexible_from=8,
)
