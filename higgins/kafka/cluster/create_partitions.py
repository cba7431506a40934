"""CreatePartitions: v0-3.

Behaviour: each topic by itself, one result for each name; the answer follows the commit. A name asked for twice is
refused once, with INVALID_REQUEST; a number that is not greater is INVALID_PARTITIONS. Where an operator reads the
topic, it is given tasks for the new partitions, and the topic it writes grows with it, all in one commit; an operator
that keeps state by key refuses with POLICY_VIOLATION, since its keys would move; so does a topic that an operator
writes. Assignments say how many partitions are new and name nodes that live; which, changes nothing.
Version notes: v2 flexible; `validate_only` in all.
Not done: throttling.
"""

from collections import Counter

import msgspec

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.cluster.assignments import check_nodes
from higgins.kafka.context import Call, code_of, reach_tip
from higgins.ledger.state.partitions import AddPartitions
from higgins.ledger.state.topics import Topic
from higgins.model.errors import Refused
from higgins.operators.growth import growth_of
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


class _Planned(msgspec.Struct):
    """One topic of the request: what would be proposed, or why it is refused."""

    name: str
    proposal: AddPartitions | None = None
    refusal: Refused | None = None


@in_task
async def handle(call: Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    times = Counter(topic.name for topic in request.topics)
    is_known = await reach_tip(call)
    asked = {topic.name: topic for topic in request.topics}
    planned = [_plan(call, topic, times[name], is_known=is_known) for name, topic in asked.items()]
    if not request.validate_only:
        await _propose(call, planned)
    return CreatePartitionsResponse(results=[_row(plan) for plan in planned])


def _plan(call: Call, topic: CreatePartitionsTopic, times: int, *, is_known: bool) -> _Planned:
    try:
        if not is_known:
            raise Refused(ErrorCode.NOT_CONTROLLER, "The store does not answer; ask again.")
        if times > 1:
            raise Refused(ErrorCode.INVALID_REQUEST, f"Topic '{topic.name}' is asked for {times} times in one request.")
        return _Planned(topic.name, proposal=_proposal(call, topic))
    except Refused as refusal:
        return _Planned(topic.name, refusal=refusal)


def _proposal(call: Call, asked: CreatePartitionsTopic) -> AddPartitions:
    state = call.node.state
    topic = state.topics.by_name.get(asked.name)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{asked.name}'.")
    proposal = AddPartitions(topic.id, asked.count, growth_of(state, topic.id, asked.count))
    # The validation of the commit, so that `validate_only` answers what the commit would.
    state.draft(state.time_ms).validate(proposal, 0)
    _check_assignments(call, asked, topic)
    return proposal


def _check_assignments(call: Call, asked: CreatePartitionsTopic, topic: Topic) -> None:
    if asked.assignments is None:
        return
    added = asked.count - topic.partitions
    if len(asked.assignments) != added:
        raise Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"{added} partitions are added, and {len(asked.assignments)} assignments are given.",
        )
    for assignment in asked.assignments:
        ids = assignment.broker_ids
        check_nodes(call, ids)
        if len(ids) != topic.replication or len(set(ids)) != len(ids):
            raise Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Each assignment must name {topic.replication} nodes, as the topic's replication factor says, and "
                f"none twice; {list(ids)} does not.",
            )


async def _propose(call: Call, planned: list[_Planned]) -> None:
    going = [plan for plan in planned if plan.proposal is not None]
    outcomes = await call.node.ledger.propose_all([plan.proposal for plan in going if plan.proposal is not None])
    for plan, outcome in zip(going, outcomes, strict=True):
        if outcome.error is not None:
            message = getattr(outcome.error, "message", str(outcome.error))
            plan.refusal = Refused(code_of(outcome.error), message)


def _row(plan: _Planned) -> CreatePartitionsTopicResult:
    if plan.refusal is not None:
        return CreatePartitionsTopicResult(plan.name, plan.refusal.code, plan.refusal.message)
    return CreatePartitionsTopicResult(plan.name)


API = ApiRow(
    CreatePartitionsRequest,
    handle,
    reads=State.TOPICS | State.OPERATORS | State.NODES,
    writes=State.TOPICS | State.OPERATORS,
    requires=Permission(AclOperation.ALTER, AclResourceType.TOPIC),
)
