"""CreatePartitions: v0-3. Add partitions to topics.

Version notes: v2 is flexible; v3 allows the response THROTTLING_QUOTA_EXCEEDED (KIP-599).
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int16, Int32, String
from higgins_protocol.schema import Message


class CreatePartitionsAssignment(Message, frozen=True):
    broker_ids: Sequence[Int32] = []


class CreatePartitionsTopic(Message, frozen=True):
    name: String = ""
    count: Int32 = 0
    assignments: Sequence[CreatePartitionsAssignment] | None = []


class CreatePartitionsRequest(Message, frozen=True):
    topics: Sequence[CreatePartitionsTopic] = []
    timeout_ms: Int32 = 0
    validate_only: Bool = False


class CreatePartitionsTopicResult(Message, frozen=True):
    name: String = ""
    error_code: Int16 = 0
    error_message: String | None = None


class CreatePartitionsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    results: Sequence[CreatePartitionsTopicResult] = []


API = Api(
    key=37,
    request=CreatePartitionsRequest,
    response=CreatePartitionsResponse,
    versions=(0, 3),
    flexible_from=2,
)
