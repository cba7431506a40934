"""DescribeProducers: v0. The active producers of a partition (KIP-664).

Version notes: v0 only.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted


class TopicRequest(Message, frozen=True):
    name: String = ""
    partition_indexes: Annotated[Sequence[Int32], counted] = []


class DescribeProducersRequest(Message, frozen=True):
    topics: Sequence[TopicRequest] = []


class ProducerState(Message, frozen=True):
    producer_id: Int64 = 0
    producer_epoch: Int32 = 0
    last_sequence: Int32 = -1
    last_timestamp: Int64 = -1
    coordinator_epoch: Int32 = 0
    current_txn_start_offset: Int64 = -1


class PartitionResponse(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    active_producers: Sequence[ProducerState] = []


class TopicResponse(Message, frozen=True):
    name: String = ""
    partitions: Sequence[PartitionResponse] = []


class DescribeProducersResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    topics: Sequence[TopicResponse] = []


API = Api(
    key=61,
    request=DescribeProducersRequest,
    response=DescribeProducersResponse,
    versions=(0, 0),
    flexible_from=0,
)
