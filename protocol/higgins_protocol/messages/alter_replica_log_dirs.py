"""AlterReplicaLogDirs: v1-2. Move replicas between a node's directories (KIP-113).

Version notes: v1 is the oldest that Kafka 4 serves; v2 is flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, counted


class AlterReplicaLogDirTopic(Message, frozen=True):
    name: String = ""
    partitions: Annotated[Sequence[Int32], counted] = []


class AlterReplicaLogDir(Message, frozen=True):
    path: String = ""
    topics: Sequence[AlterReplicaLogDirTopic] = []


class AlterReplicaLogDirsRequest(Message, frozen=True):
    dirs: Sequence[AlterReplicaLogDir] = []


class AlterReplicaLogDirPartitionResult(Message, frozen=True):
    partition_index: Int32 = 0
    error_code: Int16 = 0


class AlterReplicaLogDirTopicResult(Message, frozen=True):
    topic_name: String = ""
    partitions: Sequence[AlterReplicaLogDirPartitionResult] = []


class AlterReplicaLogDirsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    results: Sequence[AlterReplicaLogDirTopicResult] = []


API = Api(
    key=34,
    request=AlterReplicaLogDirsRequest,
    response=AlterReplicaLogDirsResponse,
    versions=(1, 2),
    flexible_from=2,
)
