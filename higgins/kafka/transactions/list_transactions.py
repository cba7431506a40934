"""ListTransactions: v0-2.

Behaviour: none, since there are no transactions yet; states to filter by that Kafka does not have are named, and a
pattern that is no regular expression is refused.
Version notes: v1 filters by duration; v2 by a pattern of transactional ids.
Not done: transactions.
"""

import re

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse

STATES = frozenset(
    {
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "PrepareAbort",
        "CompleteCommit",
        "CompleteAbort",
        "PrepareEpochFence",
        "Dead",
    }
)


def handle(call: Call, request: ListTransactionsRequest) -> Future[ListTransactionsResponse]:
    try:
        re.compile(request.transactional_id_pattern or "")
    except (re.error, RecursionError, OverflowError):
        return completed(ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION))
    unknown = [state for state in dict.fromkeys(request.state_filters) if state not in STATES]
    return completed(ListTransactionsResponse(unknown_state_filters=unknown))


API = ApiRow(
    ListTransactionsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.TRANSACTIONAL_ID),
)
