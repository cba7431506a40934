"""Fetch: v4-12. Read batches from partitions. The records of a response are buffers that are sent without being copied.

Version notes: v7 adds sessions (KIP-227); v9 the leader epoch the client knows (KIP-320); v11 the rack (KIP-392);
v12 is flexible and adds the tagged fields of KIP-595. v13 and later, with topic ids, are not implemented.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, Int64, RecordPieces, String
from higgins_protocol.schema import Message, counted, ignorable, since, tagged


class FetchPartition(Message, frozen=True):
    partition: Int32 = 0
    current_leader_epoch: Annotated[Int32, since(9), ignorable] = -1
    fetch_offset: Int64 = 0
    last_fetched_epoch: Annotated[Int32, since(12)] = -1
    log_start_offset: Annotated[Int64, since(5), ignorable] = -1
    partition_max_bytes: Int32 = 0


class FetchTopic(Message, frozen=True):
    topic: String = ""
    partitions: Annotated[Sequence[FetchPartition], counted] = []


class ForgottenTopic(Message, frozen=True):
    topic: String = ""
    partitions: Annotated[Sequence[Int32], counted] = []


class FetchRequest(Message, frozen=True):
    cluster_id: Annotated[String | None, tagged(0), since(12), ignorable] = None
    replica_id: Int32 = -1
    max_wait_ms: Int32 = 0
    min_bytes: Int32 = 0
    max_bytes: Int32 = 0x7FFFFFFF
    isolation_level: Int8 = 0
    session_id: Annotated[Int32, since(7), ignorable] = 0
    session_epoch: Annotated[Int32, since(7), ignorable] = -1
    topics: Sequence[FetchTopic] = []
    forgotten_topics_data: Annotated[Sequence[ForgottenTopic], since(7)] = []
    rack_id: Annotated[String, since(11), ignorable] = ""


class EpochEndOffset(Message, frozen=True):
    epoch: Int32 = -1
    end_offset: Int64 = -1


class LeaderIdAndEpoch(Message, frozen=True):
    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class SnapshotId(Message, frozen=True):
    end_offset: Int64 = -1
    epoch: Int32 = -1


class AbortedTransaction(Message, frozen=True):
    producer_id: Int64 = 0
    first_offset: Int64 = 0


class PartitionData(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    high_watermark: Int64 = 0
    last_stable_offset: Int64 = -1
    log_start_offset: Annotated[Int64, since(5), ignorable] = -1
    diverging_epoch: Annotated[EpochEndOffset, tagged(0), since(12)] = EpochEndOffset()
    current_leader: Annotated[LeaderIdAndEpoch, tagged(1), since(12)] = LeaderIdAndEpoch()
    snapshot_id: Annotated[SnapshotId, tagged(2), since(12)] = SnapshotId()
    aborted_transactions: Sequence[AbortedTransaction] | None = []
    preferred_read_replica: Annotated[Int32, since(11)] = -1
    records: RecordPieces | None = b""


class FetchableTopicResponse(Message, frozen=True):
    topic: String = ""
    partitions: Sequence[PartitionData] = []


class FetchResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, since(7), ignorable] = 0
    session_id: Annotated[Int32, since(7)] = 0
    responses: Sequence[FetchableTopicResponse] = []


API = Api(
    key=1,
    request=FetchRequest,
    response=FetchResponse,
    versions=(4, 12),
    flexible_from=12,
)
