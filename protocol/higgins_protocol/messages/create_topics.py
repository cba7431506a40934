"""CreateTopics: v2-7. Create topics, each with a result of its own.

Version notes: v4 allows -1 for partitions and replicas; v5 is flexible and returns configs; v7 returns the topic id.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import ZERO_UUID, Bool, Int8, Int16, Int32, String, Uuid
from higgins_protocol.schema import Message, ignorable, since, tagged


class CreatableReplicaAssignment(Message, frozen=True):
    partition_index: Int32 = 0
    broker_ids: Sequence[Int32] = []


class CreatableTopicConfig(Message, frozen=True):
    name: String = ""
    value: String | None = ""


class CreatableTopic(Message, frozen=True):
    name: String = ""
    num_partitions: Int32 = 0
    replication_factor: Int16 = 0
    assignments: Sequence[CreatableReplicaAssignment] = []
    configs: Sequence[CreatableTopicConfig] = []


class CreateTopicsRequest(Message, frozen=True):
    topics: Sequence[CreatableTopic] = []
    timeout_ms: Int32 = 60000
    validate_only: Bool = False


class CreatableTopicConfigs(Message, frozen=True):
    name: String = ""
    value: String | None = ""
    read_only: Bool = False
    config_source: Int8 = -1
    is_sensitive: Bool = False


class CreatableTopicResult(Message, frozen=True):
    name: String = ""
    topic_id: Annotated[Uuid, since(7), ignorable] = ZERO_UUID
    error_code: Int16 = 0
    error_message: String | None = ""
    topic_config_error_code: Annotated[Int16, tagged(0), since(5), ignorable] = 0
    num_partitions: Annotated[Int32, since(5), ignorable] = -1
    replication_factor: Annotated[Int16, since(5), ignorable] = -1
    configs: Annotated[Sequence[CreatableTopicConfigs] | None, since(5), ignorable] = []


class CreateTopicsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    topics: Sequence[CreatableTopicResult] = []


API = Api(
    key=19,
    request=CreateTopicsRequest,
    response=CreateTopicsResponse,
    versions=(2, 7),
    flexible_from=5,
)
