"""DescribeQuorum: v0-2. The voters of the metadata quorum and their offsets (KIP-595).

Version notes: v1 adds when each voter last fetched (KIP-836); v2 error messages, directories and endpoints (KIP-853).
All versions are flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import ZERO_UUID, Int16, Int32, Int64, String, UInt16, Uuid
from higgins_protocol.schema import Message, ignorable, since


class PartitionRequest(Message, frozen=True):
    partition_index: Int32 = 0


class TopicRequest(Message, frozen=True):
    topic_name: String = ""
    partitions: Sequence[PartitionRequest] = []


class DescribeQuorumRequest(Message, frozen=True):
    topics: Sequence[TopicRequest] = []


class ReplicaState(Message, frozen=True):
    replica_id: Int32 = 0
    replica_directory_id: Annotated[Uuid, since(2)] = ZERO_UUID
    log_end_offset: Int64 = 0
    last_fetch_timestamp: Annotated[Int64, since(1), ignorable] = -1
    last_caught_up_timestamp: Annotated[Int64, since(1), ignorable] = -1


class PartitionState(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: Annotated[String | None, since(2), ignorable] = ""
    leader_id: Int32 = 0
    leader_epoch: Int32 = 0
    high_watermark: Int64 = 0
    current_voters: Sequence[ReplicaState] = []
    observers: Sequence[ReplicaState] = []


class TopicState(Message, frozen=True):
    topic_name: String = ""
    partitions: Sequence[PartitionState] = []


class Listener(Message, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0


class QuorumNode(Message, frozen=True):
    node_id: Int32 = 0
    listeners: Sequence[Listener] = []


class DescribeQuorumResponse(Message, frozen=True):
    error_code: Int16 = 0
    error_message: Annotated[String | None, since(2), ignorable] = ""
    topics: Sequence[TopicState] = []
    nodes: Annotated[Sequence[QuorumNode], since(2)] = []


API = Api(
    key=55,
    request=DescribeQuorumRequest,
    response=DescribeQuorumResponse,
    versions=(0, 2),
    flexible_from=0,
)
