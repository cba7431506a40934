"""DeleteRecords: v0-2. Delete the records below an offset by moving the log start offset.

Version notes: v2 is flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted


class DeleteRecordsPartition(Message, frozen=True):
    partition_index: Int32 = 0
    offset: Int64 = 0


class DeleteRecordsTopic(Message, frozen=True):
    name: String = ""
    partitions: Annotated[Sequence[DeleteRecordsPartition], counted] = []


class DeleteRecordsRequest(Message, frozen=True):
    topics: Sequence[DeleteRecordsTopic] = []
    timeout_ms: Int32 = 0


class DeleteRecordsPartitionResult(Message, frozen=True):
    partition_index: Int32 = 0
    low_watermark: Int64 = 0
    error_code: Int16 = 0


class DeleteRecordsTopicResult(Message, frozen=True):
    name: String = ""
    partitions: Sequence[DeleteRecordsPartitionResult] = []


class DeleteRecordsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    topics: Sequence[DeleteRecordsTopicResult] = []


API = Api(
    key=21,
    request=DeleteRecordsRequest,
    response=DeleteRecordsResponse,
    versions=(0, 2),
    flexible_from=2,
)
