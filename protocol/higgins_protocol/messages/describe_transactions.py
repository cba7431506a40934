"""DescribeTransactions: v0. Transactions by their id (KIP-664).

Version notes: v0 only.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message


class DescribeTransactionsRequest(Message, frozen=True):
    transactional_ids: Sequence[String] = []


class TopicData(Message, frozen=True):
    topic: String = ""
    partitions: Sequence[Int32] = []


class TransactionState(Message, frozen=True):
    error_code: Int16 = 0
    transactional_id: String = ""
    transaction_state: String = ""
    transaction_timeout_ms: Int32 = 0
    transaction_start_time_ms: Int64 = 0
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    topics: Sequence[TopicData] = []


class DescribeTransactionsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    transaction_states: Sequence[TransactionState] = []


API = Api(
    key=65,
    request=DescribeTransactionsRequest,
    response=DescribeTransactionsResponse,
    versions=(0, 0),
    flexible_from=0,
)
