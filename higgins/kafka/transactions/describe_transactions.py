"""DescribeTransactions: v0.

Behaviour: TRANSACTIONAL_ID_NOT_FOUND for every id, since there are no transactions yet; an empty id is
INVALID_REQUEST, as no transaction can have it.
Version notes: v0 only.
Not done: transactions.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)


def handle(call: Call, request: DescribeTransactionsRequest) -> Future[DescribeTransactionsResponse]:
    rows = [_not_found(each) for each in request.transactional_ids]
    return completed(DescribeTransactionsResponse(transaction_states=rows))


def _not_found(transactional_id: str) -> TransactionState:
    code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND if transactional_id else ErrorCode.INVALID_REQUEST
    return TransactionState(error_code=code, transactional_id=transactional_id)


API = ApiRow(
    DescribeTransactionsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.TRANSACTIONAL_ID),
)
