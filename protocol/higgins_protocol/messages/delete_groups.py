"""DeleteGroups: v0-2. Delete groups that have no members.

Version notes: v2 is flexible.
"""

from collections.abc import Sequence

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message


class DeleteGroupsRequest(Message, frozen=True):
    groups_names: Sequence[String] = []


class DeletableGroupResult(Message, frozen=True):
    group_id: String = ""
    error_code: Int16 = 0


class DeleteGroupsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    results: Sequence[DeletableGroupResult] = []


API = Api(
    key=42,
    request=DeleteGroupsRequest,
    response=DeleteGroupsResponse,
    versions=(0, 2),
    flexible_from=2,
)
