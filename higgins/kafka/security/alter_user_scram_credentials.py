"""AlterUserScramCredentials: v0.

Behaviour: one result for each user. There is nothing to delete (RESOURCE_NOT_FOUND), and credentials that nobody would
ever check are refused with UNSUPPORTED_SASL_MECHANISM; a user without a name is UNACCEPTABLE_CREDENTIAL; one user's
mechanism altered twice in a request is DUPLICATE_RESOURCE.
Version notes: v0 only.
Not done: credentials.
"""

from collections import Counter

from higgins.kafka.context import Call
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)

KEY = 51

REFUSAL = "Nobody authenticates to this version, so it keeps no credentials."


def handle(call: Call, request: AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse:
    asked = [(each.name, each.mechanism) for each in request.deletions]
    asked += [(each.name, each.mechanism) for each in request.upsertions]
    times = Counter(asked)
    repeated = {name for (name, _), number in times.items() if number > 1}
    set_anew = {each.name for each in request.upsertions}
    users = dict.fromkeys(name for name, _ in asked)
    return AlterUserScramCredentialsResponse(results=[_result(user, repeated, set_anew) for user in users])


def _result(user: str, repeated: set[str], set_anew: set[str]) -> AlterUserScramCredentialsResult:
    if not user:
        code, message = ErrorCode.UNACCEPTABLE_CREDENTIAL, "A user needs a name."
    elif user in repeated:
        code, message = ErrorCode.DUPLICATE_RESOURCE, f"User '{user}' is altered more than once in one request."
    elif user in set_anew:
        code, message = ErrorCode.UNSUPPORTED_SASL_MECHANISM, REFUSAL
    else:
        code, message = ErrorCode.RESOURCE_NOT_FOUND, f"User '{user}' has no credentials to delete; nobody has any."
    return AlterUserScramCredentialsResult(user, code, message)
