"""DeleteTopics: v1-6.

Behaviour: each topic by itself; the answer follows the commit. Records, committed offsets and producer state go with
the topic; one made later under the same name is another topic with another id. A topic that an operator reads or writes
is refused with POLICY_VIOLATION and the operator's name.
Version notes: v5 error messages; v6 by topic id.
Not done: throttling.
"""

from collections.abc import Sequence

from higgins.kafka.context import Call, code_of
from higgins.ledger.state.topics import DeleteTopic, Topic
from higgins.model.errors import StorageUnavailable
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)

KEY = 20


async def handle(call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    asked: Sequence[DeleteTopicState] = request.topics or [DeleteTopicState(name) for name in request.topic_names]
    try:
        await call.node.ledger.barrier()
    except StorageUnavailable as error:
        return DeleteTopicsResponse(responses=[_row(each, ErrorCode.NOT_CONTROLLER, str(error)) for each in asked])
    found = [_look_up(call, each) for each in asked]
    going = [topic for topic in found if isinstance(topic, Topic)]
    outcomes = iter(await call.node.ledger.propose_all([DeleteTopic(topic.id) for topic in going]))
    rows = []
    for each, topic in zip(asked, found, strict=True):
        if not isinstance(topic, Topic):
            rows.append(_row(each, topic, "There is no such topic."))
            continue
        failure = next(outcomes).error
        code = ErrorCode.NONE if failure is None else code_of(failure)
        rows.append(
            DeletableTopicResult(
                name=topic.name,
                topic_id=topic.id,
                error_code=code,
                error_message=None if failure is None else getattr(failure, "message", str(failure)),
            )
        )
    return DeleteTopicsResponse(responses=rows)


def _look_up(call: Call, asked: DeleteTopicState) -> Topic | ErrorCode:
    topics = call.node.state.topics
    if asked.name is not None:
        return topics.by_name.get(asked.name) or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return topics.by_id.get(TopicId(bytes(asked.topic_id))) or ErrorCode.UNKNOWN_TOPIC_ID


def _row(asked: DeleteTopicState, code: ErrorCode, message: str) -> DeletableTopicResult:
    return DeletableTopicResult(name=asked.name, topic_id=asked.topic_id, error_code=code, error_message=message)
