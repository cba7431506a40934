"""OffsetFetch: v1-9. The committed offsets of groups.

Version notes: from v2 null topics mean all; v5 adds the leader epoch; v6 is flexible; v7 adds require_stable
(KIP-447); v8 has many groups (KIP-709); v9 adds the member (KIP-848).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted, ignorable, nullable_since, since, until


class OffsetFetchRequestTopic(Message, frozen=True):
    name: String = ""
    partition_indexes: Annotated[Sequence[Int32], counted] = []


class OffsetFetchRequestTopics(Message, frozen=True):
    name: String = ""
    partition_indexes: Annotated[Sequence[Int32], counted] = []


class OffsetFetchRequestGroup(Message, frozen=True):
    group_id: String = ""
    member_id: Annotated[String | None, since(9), ignorable] = None
    member_epoch: Annotated[Int32, since(9), ignorable] = -1
    topics: Sequence[OffsetFetchRequestTopics] | None = []


class OffsetFetchRequest(Message, frozen=True):
    group_id: Annotated[String, until(7)] = ""
    topics: Annotated[Sequence[OffsetFetchRequestTopic] | None, nullable_since(2), until(7)] = []
    groups: Annotated[Sequence[OffsetFetchRequestGroup], since(8)] = []
    require_stable: Annotated[Bool, since(7)] = False


class OffsetFetchResponsePartition(Message, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    committed_leader_epoch: Annotated[Int32, since(5), ignorable] = -1
    metadata: String | None = ""
    error_code: Int16 = 0


class OffsetFetchResponseTopic(Message, frozen=True):
    name: String = ""
    partitions: Sequence[OffsetFetchResponsePartition] = []


class OffsetFetchResponsePartitions(Message, frozen=True):
    partition_index: Int32 = 0
    committed_offset: Int64 = 0
    committed_leader_epoch: Int32 = -1
    metadata: String | None = ""
    error_code: Int16 = 0


class OffsetFetchResponseTopics(Message, frozen=True):
    name: String = ""
    partitions: Sequence[OffsetFetchResponsePartitions] = []


class OffsetFetchResponseGroup(Message, frozen=True):
    group_id: String = ""
    topics: Sequence[OffsetFetchResponseTopics] = []
    error_code: Int16 = 0


class OffsetFetchResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(3), ignorable] = 0
    topics: Annotated[Sequence[OffsetFetchResponseTopic], until(7)] = []
    error_code: Annotated[Int16, since(2), until(7), ignorable] = 0
    groups: Annotated[Sequence[OffsetFetchResponseGroup], since(8)] = []


API = Api(
    key=9,
    request=OffsetFetchRequest,
    response=OffsetFetchResponse,
    versions=(1, 9),
    flexible_from=6,
)
