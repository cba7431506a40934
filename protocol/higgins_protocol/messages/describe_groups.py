"""DescribeGroups: v0-6. State, members and assignments of classic groups.

Version notes: v3 adds authorized operations; v4 static members; v5 is flexible; v6 an error message.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Bytes, Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class DescribeGroupsRequest(Message, frozen=True):
    groups: Sequence[String] = []
    include_authorized_operations: Annotated[Bool, since(3)] = False


class DescribedGroupMember(Message, frozen=True):
    member_id: String = ""
    group_instance_id: Annotated[String | None, since(4), ignorable] = None
    client_id: String = ""
    client_host: String = ""
    member_metadata: Bytes = b""
    member_assignment: Bytes = b""


class DescribedGroup(Message, frozen=True):
    error_code: Int16 = 0
    error_message: Annotated[String | None, since(6)] = None
    group_id: String = ""
    group_state: String = ""
    protocol_type: String = ""
    protocol_data: String = ""
    members: Sequence[DescribedGroupMember] = []
    authorized_operations: Annotated[Int32, since(3)] = -0x80000000


class DescribeGroupsResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    groups: Sequence[DescribedGroup] = []


API = Api(
    key=15,
    request=DescribeGroupsRequest,
    response=DescribeGroupsResponse,
    versions=(0, 6),
    flexible_from=5,
)
