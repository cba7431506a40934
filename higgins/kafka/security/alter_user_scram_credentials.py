"""AlterUserScramCredentials: v0.

Behaviour: one result for each user, the first that is wrong. There is nothing to delete (RESOURCE_NOT_FOUND), and
credentials that nobody would ever check are refused with UNSUPPORTED_SASL_MECHANISM, as is a mechanism that does not
exist; a user without a name or too few iterations is UNACCEPTABLE_CREDENTIAL; one set twice is DUPLICATE_RESOURCE.
Version notes: v0 only.
Not done: credentials.
"""

from collections import Counter

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)

MECHANISMS = {1, 2}
"""SCRAM-SHA-256 and SCRAM-SHA-512, by Kafka's codes."""
ITERATIONS_MIN, ITERATIONS_MAX = 4_096, 16_384

Result = AlterUserScramCredentialsResult


def handle(call: Call, request: AlterUserScramCredentialsRequest) -> Future[AlterUserScramCredentialsResponse]:
    times = Counter((each.name, each.mechanism) for each in request.upsertions)
    results: dict[str, Result] = {}
    for deletion in request.deletions:
        results.setdefault(deletion.name, _delete(deletion))
    for upsertion in request.upsertions:
        results.setdefault(upsertion.name, _upsert(upsertion, times[upsertion.name, upsertion.mechanism]))
    return completed(AlterUserScramCredentialsResponse(results=list(results.values())))


def _delete(change: ScramCredentialDeletion) -> Result:
    error = _error_in(change.name, change.mechanism)
    if error is not None:
        return error
    message = f"User '{change.name}' has no credentials to delete: this version keeps none."
    return Result(change.name, ErrorCode.RESOURCE_NOT_FOUND, message)


def _upsert(change: ScramCredentialUpsertion, times: int) -> Result:
    error = _error_in(change.name, change.mechanism)
    if error is not None:
        return error
    if not ITERATIONS_MIN <= change.iterations <= ITERATIONS_MAX:
        message = f"{change.iterations} iterations are not within {ITERATIONS_MIN} and {ITERATIONS_MAX}."
        return Result(change.name, ErrorCode.UNACCEPTABLE_CREDENTIAL, message)
    if times > 1:
        message = f"User '{change.name}' is set {times} times in one request."
        return Result(change.name, ErrorCode.DUPLICATE_RESOURCE, message)
    message = "This version does not authenticate clients, so it keeps no credentials."
    return Result(change.name, ErrorCode.UNSUPPORTED_SASL_MECHANISM, message)


def _error_in(name: str, mechanism: int) -> Result | None:
    if not name:
        return Result(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, "A user needs a name.")
    if mechanism not in MECHANISMS:
        message = f"There is no SCRAM mechanism {mechanism}; 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512."
        return Result(name, ErrorCode.UNSUPPORTED_SASL_MECHANISM, message)
    return None


API = ApiRow(
    AlterUserScramCredentialsRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
)
