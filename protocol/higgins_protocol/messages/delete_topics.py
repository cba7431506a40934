"""DeleteTopics: v1-6. Delete topics by name, or by id.

Version notes: v4 is flexible; v5 adds an error message; v6 replaces names with pairs of name and id (KIP-516).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import ZERO_UUID, Int16, Int32, String, Uuid
from higgins_protocol.schema import Message, ignorable, nullable_since, since, until


class DeleteTopicState(Message, frozen=True):
    name: String | None = None
    topic_id: Uuid = ZERO_UUID


class DeleteTopicsRequest(Message, frozen=True):
    topics: Annotated[Sequence[DeleteTopicState], since(6)] = []
    topic_names: Annotated[Sequence[String], until(5), ignorable] = []
    timeout_ms: Int32 = 0


class DeletableTopicResult(Message, frozen=True):
    name: Annotated[String | None, nullable_since(6)] = ""
    topic_id: Annotated[Uuid, since(6), ignorable] = ZERO_UUID
    error_code: Int16 = 0
    error_message: Annotated[String | None, since(5), ignorable] = None


class DeleteTopicsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    responses: Sequence[DeletableTopicResult] = []


API = Api(
    key=20,
    request=DeleteTopicsRequest,
    response=DeleteTopicsResponse,
    versions=(1, 6),
    flexible_from=4,
)
