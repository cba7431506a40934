"""Heartbeat: v0-4. A member signals that it is alive and learns whether the group rebalances.

Version notes: v3 adds static members; v4 is flexible.
"""

from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class HeartbeatRequest(Message, frozen=True):
    group_id: String = ""
    generation_id: Int32 = 0
    member_id: String = ""
    group_instance_id: Annotated[String | None, since(3)] = None


class HeartbeatResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    error_code: Int16 = 0


API = Api(
    key=12,
    request=HeartbeatRequest,
    response=HeartbeatResponse,
    versions=(0, 4),
    flexible_from=4,
)
