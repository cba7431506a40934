"""ListTransactions: v0-2. Transactions by state, producer or age (KIP-664).

Version notes: v1 filters by duration (KIP-994); v2 by a pattern of ids (KIP-1152).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, Int64, String
from higgins_protocol.schema import Message, nullable_since, since


class ListTransactionsRequest(Message, frozen=True):
    state_filters: Sequence[String] = []
    producer_id_filters: Sequence[Int64] = []
    duration_filter: Annotated[Int64, since(1)] = -1
    transactional_id_pattern: Annotated[String | None, nullable_since(2), since(2)] = None


class TransactionState(Message, frozen=True):
    transactional_id: String = ""
    producer_id: Int64 = 0
    transaction_state: String = ""


class ListTransactionsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    unknown_state_filters: Sequence[String] = []
    transaction_states: Sequence[TransactionState] = []


API = Api(
    key=66,
    request=ListTransactionsRequest,
    response=ListTransactionsResponse,
    versions=(0, 2),
    flexible_from=0,
)
