"""DescribeTopicPartitions: v0. Topics and their partitions, a page at a time (KIP-966).

Version notes: v0 only.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import ZERO_UUID, Bool, Int16, Int32, String, Uuid
from higgins_protocol.schema import Message


class TopicRequest(Message, frozen=True):
    name: String = ""


class Cursor(Message, frozen=True):
    topic_name: String = ""
    partition_index: Int32 = 0


class DescribeTopicPartitionsRequest(Message, frozen=True):
    topics: Sequence[TopicRequest] = []
    response_partition_limit: Int32 = 2000
    cursor: Cursor | None = None


class DescribeTopicPartitionsResponsePartition(Message, frozen=True):
    error_code: Int16 = 0
    partition_index: Int32 = 0
    leader_id: Int32 = 0
    leader_epoch: Int32 = -1
    replica_nodes: Sequence[Int32] = []
    isr_nodes: Sequence[Int32] = []
    eligible_leader_replicas: Sequence[Int32] | None = None
    last_known_elr: Sequence[Int32] | None = None
    offline_replicas: Sequence[Int32] = []


class DescribeTopicPartitionsResponseTopic(Message, frozen=True):
    error_code: Int16 = 0
    name: String | None = ""
    topic_id: Uuid = ZERO_UUID
    is_internal: Bool = False
    partitions: Sequence[DescribeTopicPartitionsResponsePartition] = []
    topic_authorized_operations: Int32 = -0x80000000


class DescribeTopicPartitionsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    topics: Sequence[DescribeTopicPartitionsResponseTopic] = []
    next_cursor: Cursor | None = None


API = Api(
    key=75,
    request=DescribeTopicPartitionsRequest,
    response=DescribeTopicPartitionsResponse,
    versions=(0, 0),
    flexible_from=0,
)
