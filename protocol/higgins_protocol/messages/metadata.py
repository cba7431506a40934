"""Metadata: v0-12. Brokers, topics, partitions and their leaders.

Version notes: below v1 an empty topic list means all, from v1 null does; v4 adds the auto-creation flag; v9 is
flexible; v10 adds topic ids (KIP-516); cluster operations exist in v8-10 only; v12 allows a null name.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import ZERO_UUID, Bool, Int16, Int32, String, Uuid
from higgins_protocol.schema import Message, ignorable, nullable_since, since, until


class MetadataRequestTopic(Message, frozen=True):
    topic_id: Annotated[Uuid, since(10), ignorable] = ZERO_UUID
    name: Annotated[String | None, nullable_since(10)] = ""


class MetadataRequest(Message, frozen=True):
    topics: Annotated[Sequence[MetadataRequestTopic] | None, nullable_since(1)] = []
    allow_auto_topic_creation: Annotated[Bool, since(4)] = True
    include_cluster_authorized_operations: Annotated[Bool, since(8), until(10)] = False
    include_topic_authorized_operations: Annotated[Bool, since(8)] = False


class MetadataResponseBroker(Message, frozen=True):
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: Annotated[String | None, since(1), ignorable] = None


class MetadataResponsePartition(Message, frozen=True):
    error_code: Int16 = 0
    partition_index: Int32 = 0
    leader_id: Int32 = 0
    leader_epoch: Annotated[Int32, since(7), ignorable] = -1
    replica_nodes: Sequence[Int32] = []
    isr_nodes: Sequence[Int32] = []
    offline_replicas: Annotated[Sequence[Int32], since(5), ignorable] = []


class MetadataResponseTopic(Message, frozen=True):
    error_code: Int16 = 0
    name: Annotated[String | None, nullable_since(12)] = ""
    topic_id: Annotated[Uuid, since(10), ignorable] = ZERO_UUID
    is_internal: Annotated[Bool, since(1), ignorable] = False
    partitions: Sequence[MetadataResponsePartition] = []
    topic_authorized_operations: Annotated[Int32, since(8)] = -0x80000000


class MetadataResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(3), ignorable] = 0
    brokers: Sequence[MetadataResponseBroker] = []
    cluster_id: Annotated[String | None, since(2), ignorable] = None
    controller_id: Annotated[Int32, since(1), ignorable] = -1
    topics: Sequence[MetadataResponseTopic] = []
    cluster_authorized_operations: Annotated[Int32, since(8), until(10)] = -0x80000000


API = Api(
    key=3,
    request=MetadataRequest,
    response=MetadataResponse,
    versions=(0, 12),
    flexible_from=9,
)
