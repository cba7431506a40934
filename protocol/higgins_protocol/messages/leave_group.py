"""LeaveGroup: v0-5. Members leave a group.

Version notes: v0-2 name one member at the top level; v3 names many (KIP-345); v4 is flexible; v5 adds a reason.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since, until


class MemberIdentity(Message, frozen=True):
    member_id: String = ""
    group_instance_id: String | None = None
    reason: Annotated[String | None, since(5), ignorable] = None


class LeaveGroupRequest(Message, frozen=True):
    group_id: String = ""
    member_id: Annotated[String, until(2)] = ""
    members: Annotated[Sequence[MemberIdentity], since(3)] = []


class MemberResponse(Message, frozen=True):
    member_id: String = ""
    group_instance_id: String | None = ""
    error_code: Int16 = 0


class LeaveGroupResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    error_code: Int16 = 0
    members: Annotated[Sequence[MemberResponse], since(3)] = []


API = Api(
    key=13,
    request=LeaveGroupRequest,
    response=LeaveGroupResponse,
    versions=(0, 5),
    flexible_from=4,
)
