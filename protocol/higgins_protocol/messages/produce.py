"""Produce: v3-10. Append batches of records to partitions. The decoded records are a view into the frame.

Version notes: v5 returns the log start offset; v8 errors of single records (KIP-467); v9 is flexible; v10 returns the
current leader of a partition (KIP-951).
Not done: v0-2, which carry the message sets of magic 0 and 1; v13 and later, with topic ids.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, Records, String
from higgins_protocol.schema import Message, counted, ignorable, since, tagged


class PartitionProduceData(Message, frozen=True):
    index: Int32 = 0
    records: Records | None = None


class TopicProduceData(Message, frozen=True):
    name: String = ""
    partition_data: Annotated[Sequence[PartitionProduceData], counted] = []


class ProduceRequest(Message, frozen=True):
    transactional_id: String | None = None
    acks: Int16 = 0
    timeout_ms: Int32 = 0
    topic_data: Sequence[TopicProduceData] = []


class BatchIndexAndErrorMessage(Message, frozen=True):
    batch_index: Int32 = 0
    batch_index_error_message: String | None = None


class LeaderIdAndEpoch(Message, frozen=True):
    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class PartitionProduceResponse(Message, frozen=True):
    index: Int32 = 0
    error_code: Int16 = 0
    base_offset: Int64 = 0
    log_append_time_ms: Int64 = -1
    log_start_offset: Annotated[Int64, since(5), ignorable] = -1
    record_errors: Annotated[Sequence[BatchIndexAndErrorMessage], since(8), ignorable] = []
    error_message: Annotated[String | None, since(8), ignorable] = None
    current_leader: Annotated[LeaderIdAndEpoch, tagged(0), since(10)] = LeaderIdAndEpoch()


class TopicProduceResponse(Message, frozen=True):
    name: String = ""
    partition_responses: Sequence[PartitionProduceResponse] = []


class NodeEndpoint(Message, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None


class ProduceResponse(Message, frozen=True):
    responses: Sequence[TopicProduceResponse] = []
    throttle_time_ms: Int32 = 0
    node_endpoints: Annotated[Sequence[NodeEndpoint], tagged(0), since(10)] = []


API = Api(
    key=0,
    request=ProduceRequest,
    response=ProduceResponse,
    versions=(3, 10),
    # librdkafka up to 2.11.0 compresses only for brokers that advertise Produce from 0 (KAFKA-18659).
    advertised_from=0,
    flexible_from=9,
)
