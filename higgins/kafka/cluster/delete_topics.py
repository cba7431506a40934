"""DeleteTopics: v1-6.

Behaviour: each topic by itself; the answer follows the commit. Records, committed offsets and producer state go with
the topic; one made later under the same name is another topic with another id. A topic that an operator reads or writes
is refused with POLICY_VIOLATION and the operator's name. One asked for twice is refused once, with INVALID_REQUEST, and
stays.
Version notes: v5 error messages; v6 by topic id, where a row names either a topic or its id.
Not done: throttling.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, code_of, reach_tip
from higgins.ledger.state.topics import DeleteTopic, Topic
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

Asked = tuple[str | None, bytes]
"""A name, or an id."""
NOTHING: Asked = (None, ZERO_UUID)


class _Planned(msgspec.Struct):
    """One row of the request: the topic that would go, or why it is refused."""

    asked: Asked
    topic: Topic | None = None
    refusal: Refused | None = None


@in_task
async def handle(call: Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    rows: Sequence[DeleteTopicState] = request.topics or [DeleteTopicState(name) for name in request.topic_names]
    is_known = await reach_tip(call)
    times = Counter((row.name, bytes(row.topic_id)) for row in rows)
    planned = [_plan(call, asked, number, is_known=is_known) for asked, number in times.items()]
    # What names nothing is told each time: there is nothing that it repeats.
    planned += [_plan(call, NOTHING, 1, is_known=is_known) for _ in range(times[NOTHING] - 1)]
    planned = _without_repeats(planned)
    going = [plan for plan in planned if plan.topic is not None]
    outcomes = await call.node.ledger.propose_all([DeleteTopic(plan.topic.id) for plan in going if plan.topic])
    for plan, outcome in zip(going, outcomes, strict=True):
        if outcome.error is not None:
            plan.refusal = Refused(code_of(outcome.error), getattr(outcome.error, "message", str(outcome.error)))
    return DeleteTopicsResponse(responses=[_row(plan) for plan in planned])


def _plan(call: Call, asked: Asked, times: int, *, is_known: bool) -> _Planned:
    try:
        if not is_known:
            raise Refused(ErrorCode.NOT_CONTROLLER, "The store does not answer; ask again.")
        return _Planned(asked, topic=_look_up(call, asked, times))
    except Refused as refusal:
        return _Planned(asked, refusal=refusal)


def _look_up(call: Call, asked: Asked, times: int) -> Topic:
    name, topic_id = asked
    if (name is None) == (topic_id == ZERO_UUID):
        raise Refused(ErrorCode.INVALID_REQUEST, "Give a topic's name or its id, and not both.")
    if times > 1:
        raise Refused(ErrorCode.INVALID_REQUEST, f"This topic is asked for {times} times in one request.")
    topics = call.node.state.topics
    found = topics.by_name.get(name) if name is not None else topics.by_id.get(TopicId(topic_id))
    if found is None:
        by_name = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        raise Refused(by_name if name is not None else ErrorCode.UNKNOWN_TOPIC_ID, "There is no such topic.")
    return found


def _without_repeats(planned: list[_Planned]) -> list[_Planned]:
    """A topic meant by its name and by its id is asked for twice, too: refused once, with both."""
    times = Counter(plan.topic.id for plan in planned if plan.topic is not None)
    refused: set[TopicId] = set()
    left: list[_Planned] = []
    for plan in planned:
        if plan.topic is None or times[plan.topic.id] == 1:
            left.append(plan)
        elif plan.topic.id not in refused:
            refused.add(plan.topic.id)
            message = "This topic is asked for by its name and by its id in one request."
            both = (plan.topic.name, plan.topic.id)
            left.append(_Planned(both, refusal=Refused(ErrorCode.INVALID_REQUEST, message)))
    return left


def _row(plan: _Planned) -> DeletableTopicResult:
    name, topic_id = plan.asked
    if plan.topic is not None:
        name, topic_id = plan.topic.name, plan.topic.id
    if plan.refusal is None:
        return DeletableTopicResult(name=name, topic_id=topic_id, error_message=None)
    return DeletableTopicResult(
        name=name, topic_id=topic_id, error_code=plan.refusal.code, error_message=plan.refusal.message
    )


API = ApiRow(
    DeleteTopicsRequest,
    handle,
    reads=State.TOPICS,
    writes=State.TOPICS | State.RECORDS | State.PRODUCERS | State.OFFSETS | State.CONFIGS,
    requires=Permission(AclOperation.DELETE, AclResourceType.TOPIC),
)
