"""DescribeTransactions: v0.

Behaviour: TRANSACTIONAL_ID_NOT_FOUND for every id asked for, since there are no transactions yet.
Version notes: v0 only.
Not done: transactions.
"""

from higgins.kafka.context import Call
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)

KEY = 65


def handle(call: Call, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse:
    code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
    asked = dict.fromkeys(request.transactional_ids)
    return DescribeTransactionsResponse(
        transaction_states=[TransactionState(error_code=code, transactional_id=each) for each in asked]
    )
