"""DeleteTopics: v1-6.

Behaviour: each topic by itself; the response follows the commit. Records, committed offsets and producer state are
deleted with the topic; a topic created later with the same name is another topic with another id. A topic that an
operator reads or writes is refused with POLICY_VIOLATION and the operator's name. A topic that occurs twice is refused,
in one row, with INVALID_REQUEST, and stays.
Version notes: v5 error messages; v6 by topic id, where a row names either a topic or its id.
Not done: throttling.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.topics import Topic
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from higgins_protocol.primitives import ZERO_UUID

Reference = tuple[str | None, bytes]
"""How a row names a topic: by name or by id."""
NO_REFERENCE: Reference = (None, ZERO_UUID)


class _Row(msgspec.Struct):
    """One row of the request: the topic to delete, or why it is refused."""

    reference: Reference
    topic: Topic | None = None
    refusal: Refused | None = None


@in_task
async def handle(call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    named: Sequence[DeleteTopicState] = request.topics or [DeleteTopicState(name) for name in request.topic_names]
    at_tip = await reach_tip(call)
    counts = Counter((row.name, bytes(row.topic_id)) for row in named)
    rows = [_row(call, reference, count, at_tip=at_tip) for reference, count in counts.items()]
    # A row that names no topic is refused each time: it does not repeat another.
    rows += [_row(call, NO_REFERENCE, 1, at_tip=at_tip) for _ in range(counts[NO_REFERENCE] - 1)]
    rows = _without_repetitions(rows)
    existing = [(row, row.topic) for row in rows if row.topic is not None]
    refusals = await call.admin.topics.delete([topic for _, topic in existing])
    for (row, _), refusal in zip(existing, refusals, strict=True):
        row.refusal = refusal
    return DeleteTopicsResponse(responses=[_result(row) for row in rows])


def _row(call: Call, reference: Reference, count: int, *, at_tip: bool) -> _Row:
    try:
        if not at_tip:
            message = "The store does not respond, so nothing was deleted; try again."
            raise Refused(ErrorCode.NOT_CONTROLLER, message)
        return _Row(reference, topic=_find(call, reference, count))
    except Refused as refusal:
        return _Row(reference, refusal=refusal)


def _find(call: Call, reference: Reference, count: int) -> Topic:
    name, topic_id = reference
    if (name is None) == (topic_id == ZERO_UUID):
        raise Refused(ErrorCode.INVALID_REQUEST, "Pass either the name of a topic or its id, and not both.")
    if count > 1:
        raise Refused(ErrorCode.INVALID_REQUEST, f"The topic occurs {count} times in the request; pass it once.")
    if name is not None:
        return call.admin.topics.find(name)
    return call.admin.topics.find_by_id(TopicId(topic_id))


def _without_repetitions(rows: list[_Row]) -> list[_Row]:
    """A topic that occurs once by its name and once by its id is repeated, too; it is refused in one row, with both."""
    counts = Counter(row.topic.id for row in rows if row.topic is not None)
    refused: set[TopicId] = set()
    kept: list[_Row] = []
    for row in rows:
        if row.topic is None or counts[row.topic.id] == 1:
            kept.append(row)
        elif row.topic.id not in refused:
            refused.add(row.topic.id)
            message = "The topic occurs by its name and by its id in the request; pass it once."
            reference = (row.topic.name, row.topic.id)
            kept.append(_Row(reference, refusal=Refused(ErrorCode.INVALID_REQUEST, message)))
    return kept


def _result(row: _Row) -> DeletableTopicResult:
    name, topic_id = row.reference
    if row.topic is not None:
        name, topic_id = row.topic.name, row.topic.id
    if row.refusal is None:
        return DeletableTopicResult(name=name, topic_id=topic_id, error_message=None)
    return DeletableTopicResult(
        name=name, topic_id=topic_id, error_code=row.refusal.code, error_message=row.refusal.message
    )


API = ApiRow(
    DeleteTopicsRequest,
    handle,
    reads=State.TOPICS,
    writes=State.TOPICS | State.RECORDS | State.PRODUCERS | State.OFFSETS | State.CONFIGS,
    requires=Permission(AclOperation.DELETE, AclResourceType.TOPIC),
)
