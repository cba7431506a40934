"""FindCoordinator: v0-4. Which node coordinates a group or a transactional id.

Version notes: v0-3 have one key, with the result at the top level; v3 is flexible; v4 has many keys (KIP-699).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Int8, Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since, until


class FindCoordinatorRequest(Message, frozen=True):
    key: Annotated[String, until(3)] = ""
    key_type: Annotated[Int8, since(1)] = 0
    coordinator_keys: Annotated[Sequence[String], since(4)] = []


class Coordinator(Message, frozen=True):
    key: String = ""
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = ""


class FindCoordinatorResponse(Message, frozen=True):
    throttle_time_ms: Annotated[Int32, since(1), ignorable] = 0
    error_code: Annotated[Int16, until(3)] = 0
    error_message: Annotated[String | None, since(1), until(3), ignorable] = ""
    node_id: Annotated[Int32, until(3)] = 0
    host: Annotated[String, until(3)] = ""
    port: Annotated[Int32, until(3)] = 0
    coordinators: Annotated[Sequence[Coordinator], since(4)] = []


API = Api(
    key=10,
    request=FindCoordinatorRequest,
    response=FindCoordinatorResponse,
    versions=(0, 4),
    flexible_from=3,
)
