"""DescribeClientQuotas: v0-1.

Behaviour: no entries (empty and not null, which Java's admin client cannot read), since no quota is ever kept. A filter
that could match nothing in Kafka is refused as there, with null entries: an entity type twice or empty, addresses mixed
with users or client ids, a kind of match that does not exist; an entity type of one's own is UNSUPPORTED_VERSION.
Version notes: v1 flexible.
Not done: quotas.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.model.errors import Refused
from higgins.model.future import Future, completed
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_client_quotas import (
    ComponentData,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
)

USER, CLIENT_ID, IP = "user", "client-id", "ip"
EXACT, DEFAULT, SPECIFIED = 0, 1, 2


def handle(call: Call, request: DescribeClientQuotasRequest) -> Future[DescribeClientQuotasResponse]:
    try:
        seen: set[str] = set()
        for component in request.components:
            _check(component, seen)
            seen.add(component.entity_type)
    except Refused as refused:
        return completed(
            DescribeClientQuotasResponse(error_code=refused.code, error_message=refused.message, entries=None)
        )
    return completed(DescribeClientQuotasResponse())


def _check(component: ComponentData, seen: set[str]) -> None:
    kind = component.entity_type
    if not kind:
        raise Refused(ErrorCode.INVALID_REQUEST, "A component of the filter names no entity type.")
    if kind not in {USER, CLIENT_ID, IP}:
        raise Refused(ErrorCode.UNSUPPORTED_VERSION, f"There is no entity type '{kind}'; user, client-id and ip are.")
    if kind in seen:
        raise Refused(ErrorCode.INVALID_REQUEST, f"Entity type '{kind}' stands in the filter twice.")
    if component.match_type not in {EXACT, DEFAULT, SPECIFIED}:
        raise Refused(ErrorCode.INVALID_REQUEST, f"There is no match type {component.match_type}; 0, 1 and 2 are.")
    if (component.match_type == EXACT) != (component.match is not None):
        raise Refused(ErrorCode.INVALID_REQUEST, f"'{kind}': an exact match names what to match, and no other does.")
    if {*seen, kind} > {IP}:
        raise Refused(ErrorCode.INVALID_REQUEST, "Addresses cannot be asked for together with users or client ids.")


API = ApiRow(
    DescribeClientQuotasRequest,
    handle,
    reads=State.NOTHING,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE_CONFIGS, AclResourceType.CLUSTER),
)
