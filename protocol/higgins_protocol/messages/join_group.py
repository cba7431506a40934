"""JoinGroup: v0-9. A member joins a group, or the next generation of it.

Version notes: v1 adds the rebalance timeout; v5 static members (KIP-345); v6 is flexible; v7 the protocol type in the
response, whose protocol name may be null since; v8 a reason; v9 lets a leader skip the assignment.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Bytes, Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, nullable_since, since


class JoinGroupRequestProtocol(Message, frozen=True):
    name: String = ""
    metadata: Bytes = b""


class JoinGroupRequest(Message, frozen=True):
    group_id: String = ""
    session_timeout_ms: Int32 = 0
    rebalance_timeout_ms: Annotated[Int32, since(1), ignorable] = -1
    member_id: String = ""
    group_instance_id: Annotated[String | None, since(5)] = None
    protocol_type: String = ""
    protocols: Sequence[JoinGroupRequestProtocol] = []
    reason: Annotated[String | None, since(8), ignorable] = None


class JoinGroupResponseMember(Message, frozen=True):
    member_id: String = ""
    group_instance_id: Annotated[String | None, since(5), ignorable] = None
    metadata: Bytes = b""


class JoinGroupResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(2), ignorable] = 0
    error_code: Int16 = 0
    generation_id: Int32 = -1
    protocol_type: Annotated[String | None, since(7), ignorable] = None
    protocol_name: Annotated[String | None, nullable_since(7)] = ""
    leader: String = ""
    skip_assignment: Annotated[Bool, since(9)] = False
    member_id: String = ""
    members: Sequence[JoinGroupResponseMember] = []


API = Api(
    key=11,
    request=JoinGroupRequest,
    response=JoinGroupResponse,
    versions=(0, 9),
    flexible_from=6,
)
