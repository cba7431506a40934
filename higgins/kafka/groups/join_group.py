"""JoinGroup: v0-9.

Behaviour: the answer comes when the generation begins: when everyone has joined, the rebalance timeout is over, or
(first member of an empty group) the initial delay. The leader alone is told the members and their metadata, which is
opaque here. Static members keep their place (KIP-345). The generation is committed before anyone hears of it.
Version notes: v0 has no rebalance timeout, the session's stands for it; v4 makes a new dynamic member come again with
the id it is told (KIP-394); v5 group.instance.id; v7 a null protocol name where there is none, "" below; v9 tells a
returning static leader not to assign (KIP-814).
Not done: throttling.
"""

from functools import partial

from higgins.groups.events import Join, JoinResult, MemberProtocol
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call
from higgins.kafka.groups.members import MEMBER_REQUESTS, then
from higgins.model.future import Future, completed
from higgins.model.names import CLIENT_NAME_CHARACTERS_MAX
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember


def handle(call: Call, request: JoinGroupRequest) -> Future[JoinGroupResponse]:
    respond = partial(_response, call.version)
    if len(request.group_instance_id or "") > CLIENT_NAME_CHARACTERS_MAX:
        return completed(respond(JoinResult(error=ErrorCode.INVALID_REQUEST, member_id=request.member_id)))
    return then(call, call.node.groups.join(request.group_id, _question(call, request)), respond)


def _question(call: Call, request: JoinGroupRequest) -> Join:
    has_rebalance_timeout = request.rebalance_timeout_ms >= 0
    return Join(
        token=call.node.groups.new_token(),
        fresh_member_id=_fresh_member_id(call, request.group_instance_id),
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=request.rebalance_timeout_ms if has_rebalance_timeout else request.session_timeout_ms,
        protocol_type=request.protocol_type,
        protocols=tuple(MemberProtocol(offer.name, offer.metadata) for offer in request.protocols),
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=call.client_id or "",
        # Kafka shows addresses the way Java prints them, and tools have come to expect it.
        client_host=f"/{call.client_host}",
        requires_known_id=call.version >= 4,
        can_skip_assignment=call.version >= 9,
    )


def _fresh_member_id(call: Call, instance_id: str | None) -> str:
    """Who it is, to a reader, and something nobody else has."""
    digits = call.node.runtime.token(16).hex()
    unique = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return f"{instance_id or call.client_id or ''}-{unique}"


def _response(version: int, result: JoinResult) -> JoinGroupResponse:
    no_protocol = None if version >= 7 else ""
    return JoinGroupResponse(
        error_code=result.error,
        generation_id=result.generation,
        protocol_type=result.protocol_type,
        protocol_name=no_protocol if result.protocol is None else result.protocol,
        leader=result.leader,
        skip_assignment=result.skip_assignment,
        member_id=result.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=member.member_id, group_instance_id=member.instance_id, metadata=member.metadata
            )
            for member in result.members
        ],
    )


API = ApiRow(
    JoinGroupRequest,
    handle,
    reads=State.GROUPS,
    writes=State.GROUPS,
    requires=Permission(AclOperation.READ, AclResourceType.GROUP),
    overtaken_by=MEMBER_REQUESTS,
)
