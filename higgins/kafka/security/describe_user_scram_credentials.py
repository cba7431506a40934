"""DescribeUserScramCredentials: v0.

Behaviour: no users, and RESOURCE_NOT_FOUND for each one asked for by name, as Kafka answers where none has credentials;
a user named twice is DUPLICATE_RESOURCE, once.
Version notes: v0 only.
Not done: credentials.
"""

from collections import Counter

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)


def handle(call: Call, request: DescribeUserScramCredentialsRequest) -> Future[DescribeUserScramCredentialsResponse]:
    times = Counter(user.name for user in request.users or ())
    results = [_missing(user, number) for user, number in times.items()]
    return completed(DescribeUserScramCredentialsResponse(results=results))


def _missing(user: str, times: int) -> DescribeUserScramCredentialsResult:
    if times > 1:
        message = f"User '{user}' is asked for {times} times in one request."
        return DescribeUserScramCredentialsResult(user, ErrorCode.DUPLICATE_RESOURCE, message)
    message = f"User '{user}' has no SCRAM credentials; nobody has any."
    return DescribeUserScramCredentialsResult(user, ErrorCode.RESOURCE_NOT_FOUND, message)


API = ApiRow(
    DescribeUserScramCredentialsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
