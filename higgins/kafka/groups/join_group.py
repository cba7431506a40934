"""JoinGroup: v0-9.

Behaviour: the answer comes when the generation begins: when all members have joined, the rebalance timeout is over, or
(first member of an empty group) the initial delay. Only the leader gets the list of members with their metadata, which
is opaque here. Static members keep their assignment (KIP-345). The generation is committed before any member learns it.
Version notes: v0 has no rebalance timeout, the session timeout is used; v4 makes a new dynamic member join again with
the id it is given (KIP-394); v5 group.instance.id; v7 a null protocol name where there is none, "" below; v9 tells a
returning static leader to skip the assignment (KIP-814).
Not done: throttling.
"""

from functools import partial

from higgins.groups.classic.requests import Join, JoinResult, MemberProtocol
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
    names = request.group_instance_id or "", call.client_id or ""
    if max(map(len, names)) > CLIENT_NAME_CHARACTERS_MAX:
        return completed(respond(JoinResult(error=ErrorCode.INVALID_REQUEST, member_id=request.member_id)))
    return then(call, call.node.groups.request(request.group_id, _join(call, request)), respond)


def _join(call: Call, request: JoinGroupRequest) -> Join:
    has_rebalance_timeout = request.rebalance_timeout_ms >= 0
    return Join(
        token=call.node.groups.new_token(),
        new_member_id=_new_member_id(call, request.group_instance_id),
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=request.rebalance_timeout_ms if has_rebalance_timeout else request.session_timeout_ms,
        protocol_type=request.protocol_type,
        protocols=tuple(MemberProtocol(each.name, each.metadata) for each in request.protocols),
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=call.client_id or "",
        # Kafka shows addresses as Java prints them, with a slash, and tools expect that.
        client_host=f"/{call.client_host}",
        requires_member_id=call.version >= 4,
        supports_skipping_assignment=call.version >= 9,
    )


def _new_member_id(call: Call, instance_id: str | None) -> str:
    """A readable prefix and a random UUID, as in Kafka."""
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
