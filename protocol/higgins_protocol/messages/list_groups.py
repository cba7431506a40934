"""ListGroups: v0-5. The groups a node coordinates.

Version notes: v3 is flexible; v4 filters by state (KIP-518); v5 by type (KIP-848).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class ListGroupsRequest(Message, frozen=True):
    states_filter: Annotated[Sequence[String], since(4)] = []
    types_filter: Annotated[Sequence[String], since(5)] = []


class ListedGroup(Message, frozen=True):
    group_id: String = ""
    protocol_type: String = ""
    group_state: Annotated[String, since(4), ignorable] = ""
    group_type: Annotated[String, since(5), ignorable] = ""


class ListGroupsResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    error_code: Int16 = 0
    groups: Sequence[ListedGroup] = []


API = Api(
    key=16,
    request=ListGroupsRequest,
    response=ListGroupsResponse,
    versions=(0, 5),
    flexible_from=3,
)
