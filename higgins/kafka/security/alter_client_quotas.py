"""AlterClientQuotas: v0-1.

Behaviour: every entry is refused with POLICY_VIOLATION and the reason, with `validate_only` too. A quota that is
accepted and not enforced would let people believe that a client is limited when it is not.
Version notes: v1 flexible.
Not done: quotas.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    AlteredEntryData,
)

MESSAGE = "The quota is not set, since this version enforces no quotas; limit clients by their own settings."


def handle(call: Call, request: AlterClientQuotasRequest) -> Future[AlterClientQuotasResponse]:
    response = AlterClientQuotasResponse(
        entries=[AlteredEntryData(ErrorCode.POLICY_VIOLATION, MESSAGE, entry.entity) for entry in request.entries]
    )
    return completed(response)


API = ApiRow(
    AlterClientQuotasRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER_CONFIGS, AclResourceType.CLUSTER),
)
