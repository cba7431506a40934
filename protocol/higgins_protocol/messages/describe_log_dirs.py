"""DescribeLogDirs: v1-4. How many bytes each partition holds.

Version notes: v2 is flexible; v3 adds an error code for the whole response; v4 the size of the volume (KIP-827).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int16, Int32, Int64, String
from higgins_protocol.schema import Message, counted, ignorable, since


class DescribableLogDirTopic(Message, frozen=True):
    topic: String = ""
    partitions: Annotated[Sequence[Int32], counted] = []


class DescribeLogDirsRequest(Message, frozen=True):
    topics: Sequence[DescribableLogDirTopic] | None = []


class DescribeLogDirsPartition(Message, frozen=True):
    partition_index: Int32 = 0
    partition_size: Int64 = 0
    offset_lag: Int64 = 0
    is_future_key: Bool = False


class DescribeLogDirsTopic(Message, frozen=True):
    name: String = ""
    partitions: Sequence[DescribeLogDirsPartition] = []


class DescribeLogDirsResult(Message, frozen=True):
    error_code: Int16 = 0
    log_dir: String = ""
    topics: Sequence[DescribeLogDirsTopic] = []
    total_bytes: Annotated[Int64, since(4), ignorable] = -1
    usable_bytes: Annotated[Int64, since(4), ignorable] = -1


class DescribeLogDirsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Annotated[Int16, since(3), ignorable] = 0
    results: Sequence[DescribeLogDirsResult] = []


API = Api(
    key=35,
    request=DescribeLogDirsRequest,
    response=DescribeLogDirsResponse,
    versions=(1, 4),
    flexible_from=2,
)
