"""CreateTopics: v2-7.

Behaviour: each topic by itself, all of them in one commit where they can be; the answer follows the commit. Any
replication factor is accepted and echoed, since durability is the store's. Assignments name nodes that live, and change
nothing else. A name asked for twice in one request is
refused for both.
Version notes: -1 for the broker's defaults is v4's, but Kafka takes it in every version and KafkaJS sends it in v3; v5
answers with partitions, replication and configs; v7 topic ids.
Not done: throttling.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec

from higgins.admin.configs.live import effective_value
from higgins.config.entries.changes import new_topic_configs
from higgins.config.entries.entry import SourceKind
from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.cluster.assignments import check_nodes
from higgins.kafka.context import Call, code_of
from higgins.ledger.state.topics import PARTITIONS_MAX, CreateTopic
from higgins.model.errors import Refused, StorageUnavailable
from higgins.model.names import TopicId, fault_in_topic_name
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

BROKER_DEFAULT = -1
REPLICATION_MAX = 32


class _Planned(msgspec.Struct):
    """One topic of the request: what would be proposed, or why it is refused."""

    asked: CreatableTopic
    proposal: CreateTopic | None = None
    refusal: Refused | None = None


@in_task
async def handle(call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse:
    times = Counter(topic.name for topic in request.topics)
    try:
        await call.node.ledger.barrier()
    except StorageUnavailable as error:
        code = ErrorCode.NOT_CONTROLLER
        return CreateTopicsResponse(topics=[_failed(topic.name, Refused(code, str(error))) for topic in request.topics])
    planned = [_plan(call, topic, times[topic.name]) for topic in request.topics]
    if not request.validate_only:
        await _propose(call, planned)
    answered: set[str] = set()
    rows = []
    for plan in planned:
        if plan.asked.name not in answered:
            answered.add(plan.asked.name)
            rows.append(_row(call, plan))
    return CreateTopicsResponse(topics=rows)


def _plan(call: Call, topic: CreatableTopic, times: int) -> _Planned:
    try:
        if times > 1:
            raise Refused(ErrorCode.INVALID_REQUEST, f"Topic '{topic.name}' is asked for {times} times in one request.")
        return _Planned(topic, proposal=_proposal(call, topic))
    except Refused as refusal:
        return _Planned(topic, refusal=refusal)


def _proposal(call: Call, topic: CreatableTopic) -> CreateTopic:
    fault = fault_in_topic_name(topic.name)
    if fault:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, fault)
    if topic.name in call.node.state.topics.by_name:
        raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
    configs = new_topic_configs({config.name: config.value for config in topic.configs})
    partitions, replication = _shape(call, topic)
    return CreateTopic(
        name=topic.name,
        topic_id=TopicId(call.node.runtime.token(16)),
        partitions=partitions,
        configs=configs,
        replication=replication,
    )


def _shape(call: Call, topic: CreatableTopic) -> tuple[int, int]:
    """Partitions and replication factor. Raises: Refused."""
    config = call.node.config
    if topic.assignments:
        return _assigned(call, topic)
    partitions, replication = topic.num_partitions, topic.replication_factor
    partitions = config.partitions_default if partitions == BROKER_DEFAULT else partitions
    replication = config.replication_factor_default if replication == BROKER_DEFAULT else replication
    if not 1 <= partitions <= PARTITIONS_MAX:
        # Kafka, too, calls too many a matter of policy.
        raise Refused(
            ErrorCode.INVALID_PARTITIONS if partitions < 1 else ErrorCode.POLICY_VIOLATION,
            f"{topic.num_partitions} partitions are not within 1 and {PARTITIONS_MAX}.",
        )
    if not 1 <= replication <= REPLICATION_MAX:
        raise Refused(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"A replication factor of {topic.replication_factor} is not within 1 and {REPLICATION_MAX}.",
        )
    return partitions, replication


def _assigned(call: Call, topic: CreatableTopic) -> tuple[int, int]:
    if topic.num_partitions != BROKER_DEFAULT or topic.replication_factor != BROKER_DEFAULT:
        raise Refused(
            ErrorCode.INVALID_REQUEST, "With assignments given, partitions and replication factor must both be -1."
        )
    indexes = sorted(assignment.partition_index for assignment in topic.assignments)
    sizes = {len(assignment.broker_ids) for assignment in topic.assignments}
    repeats = any(len(set(each.broker_ids)) != len(each.broker_ids) for each in topic.assignments)
    if indexes != list(range(len(indexes))) or len(sizes) != 1 or not min(sizes) or repeats:
        raise Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Assignments must name partitions 0, 1, 2 … once each, with equally many replicas, none of them twice.",
        )
    for assignment in topic.assignments:
        check_nodes(call, assignment.broker_ids)
    return len(indexes), min(sizes)


async def _propose(call: Call, planned: list[_Planned]) -> None:
    going = [plan for plan in planned if plan.proposal is not None]
    outcomes = await call.node.ledger.propose_all([plan.proposal for plan in going if plan.proposal is not None])
    for plan, outcome in zip(going, outcomes, strict=True):
        if outcome.error is not None:
            plan.refusal = Refused(code_of(outcome.error), str(outcome.error))


def _row(call: Call, plan: _Planned) -> CreatableTopicResult:
    if plan.refusal is not None:
        return _failed(plan.asked.name, plan.refusal)
    assert plan.proposal is not None
    proposal = plan.proposal
    return CreatableTopicResult(
        name=proposal.name,
        topic_id=proposal.topic_id,
        error_message=None,
        num_partitions=proposal.partitions,
        replication_factor=proposal.replication,
        configs=_configs(call, proposal.configs),
    )


def _configs(call: Call, given: Mapping[str, str]) -> list[CreatableTopicConfigs]:
    rows = []
    for entry in TOPIC_ENTRIES.values():
        sources = call.node.configs.topic_sources(entry, given)
        kind = sources[0].kind if sources else SourceKind.DEFAULT
        rows.append(CreatableTopicConfigs(entry.name, effective_value(entry, sources), config_source=kind))
    return rows


def _failed(name: str, refusal: Refused) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=refusal.code, error_message=refusal.message, configs=[])


# CREATE on each topic will do as well, once there is an authorizer.
API = ApiRow(
    CreateTopicsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.TOPICS | State.CONFIGS,
    requires=Permission(AclOperation.CREATE, AclResourceType.CLUSTER),
)
