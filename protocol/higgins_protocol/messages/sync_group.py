"""SyncGroup: v0-5. The leader sends the assignments of all members; each member receives its own.

Version notes: v3 adds static members; v4 is flexible; v5 repeats protocol type and name (KIP-559).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bytes, Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class SyncGroupRequestAssignment(Message, frozen=True):
    member_id: String = ""
    assignment: Bytes = b""


class SyncGroupRequest(Message, frozen=True):
    group_id: String = ""
    generation_id: Int32 = 0
    member_id: String = ""
    group_instance_id: Annotated[String | None, since(3)] = None
    protocol_type: Annotated[String | None, since(5), ignorable] = None
    protocol_name: Annotated[String | None, since(5), ignorable] = None
    assignments: Sequence[SyncGroupRequestAssignment] = []


class SyncGroupResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    error_code: Int16 = 0
    protocol_type: Annotated[String | None, since(5), ignorable] = None
    protocol_name: Annotated[String | None, since(5), ignorable] = None
    assignment: Bytes = b""


API = Api(
    key=14,
    request=SyncGroupRequest,
    response=SyncGroupResponse,
    versions=(0, 5),
    flexible_from=4,
)
