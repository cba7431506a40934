"""Metadata: v0-12.

Behaviour: the live nodes with the addresses of the listener that was asked, and topics with a live leader for every
partition (any node serves any; the one named keeps its caches warm). Topics that do not exist are made where client and
broker allow it, and are answered only when they are there. Groups and their offsets are facts and fill no topic; the
topic of offsets is still there, internal and empty, for who asks for it by its name, and where a group was looked for.
Version notes: v0 an empty list is all topics, from v1 null is all and empty is none; v0-3 imply auto-creation; v8-10
authorized operations of the cluster, v8+ of topics, only when asked; v10 topic ids, v12 look-up by id.
Not done: racks.
"""

from collections.abc import Iterable, Sequence

from higgins.kafka.acl import (
    CLUSTER_OPERATIONS,
    NOT_REQUESTED,
    TOPIC_OPERATIONS,
    AclOperation,
    AclResourceType,
    Permission,
)
from higgins.kafka.api_row import ApiRow, State
from higgins.kafka.context import Call, code_of
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import CreateTopic, Topic
from higgins.model.errors import Refused, StorageUnavailable
from higgins.model.future import Future, completed
from higgins.model.names import (
    INTERNAL_PARTITIONS,
    INTERNAL_TOPICS,
    LEADER_EPOCH,
    OFFSETS_TOPIC,
    TopicId,
    fault_in_topic_name,
)
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

ALLOW_CREATION_SINCE = 4
BY_ID_SINCE = 12
NO_ID = bytes(16)


def handle(call: Call, request: MetadataRequest) -> Future[MetadataResponse]:
    if call.version < BY_ID_SINCE and any(bytes(topic.topic_id) != NO_ID for topic in request.topics or ()):
        return completed(_too_early(request))
    asked = _asked(call, request)
    if asked is None:
        every = call.node.state.topics.by_name.values()
        return completed(_respond(call, request, _known(call, request, every)))
    found = [_look_up(call, topic) for topic in asked]
    if all(isinstance(each, Topic) for each in found):
        rows = _known(call, request, (each for each in found if isinstance(each, Topic)))
        return completed(_respond(call, request, rows))
    return call.spawn(_at_tip, call, request, asked)


def _too_early(request: MetadataRequest) -> MetadataResponse:
    """Ids were in the request before they could be asked for; Kafka refuses all of it and tells nothing else."""
    asked, code = request.topics or (), ErrorCode.INVALID_REQUEST
    return MetadataResponse(topics=[MetadataResponseTopic(code, each.name or "", each.topic_id) for each in asked])


def _asked(call: Call, request: MetadataRequest) -> Sequence[MetadataRequestTopic] | None:
    """The topics asked for; None for all."""
    if request.topics is None or (call.version == 0 and not request.topics):
        return None
    if call.version >= BY_ID_SINCE:
        # Where anything is asked for by its id, names count for nothing, as in Kafka.
        by_id = {bytes(asked.topic_id): asked for asked in request.topics if bytes(asked.topic_id) != NO_ID}
        if by_id:
            return [MetadataRequestTopic(topic_id, None) for topic_id in by_id]
    return list({(asked.name, bytes(asked.topic_id)): asked for asked in request.topics}.values())


def _look_up(call: Call, asked: MetadataRequestTopic) -> Topic | ErrorCode:
    topics = call.node.state.topics
    if bytes(asked.topic_id) == NO_ID and asked.name is not None:
        found = topics.by_name.get(asked.name)
        if found is not None:
            return found
        invalid = fault_in_topic_name(asked.name) is not None
        return ErrorCode.INVALID_TOPIC_EXCEPTION if invalid else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if call.version < BY_ID_SINCE:
        return ErrorCode.INVALID_REQUEST
    return topics.by_id.get(TopicId(bytes(asked.topic_id))) or ErrorCode.UNKNOWN_TOPIC_ID


async def _at_tip(call: Call, request: MetadataRequest, asked: Sequence[MetadataRequestTopic]) -> MetadataResponse:
    failures: dict[str, ErrorCode] = {}
    try:
        await call.node.ledger.barrier()
        failures = await _create(call, request, asked)
    except StorageUnavailable:
        failures = {topic.name: ErrorCode.LEADER_NOT_AVAILABLE for topic in asked if topic.name is not None}
    rows = []
    for topic in asked:
        found = _look_up(call, topic)
        if isinstance(found, Topic):
            rows += _known(call, request, [found])
        else:
            code = failures.get(topic.name or "", found) if found is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION else found
            name = topic.name if topic.name is not None or call.version >= BY_ID_SINCE else ""
            operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations and name else NOT_REQUESTED
            rows.append(MetadataResponseTopic(code, name, topic.topic_id, topic_authorized_operations=operations))
    return _respond(call, request, rows)


async def _create(call: Call, request: MetadataRequest, asked: Sequence[MetadataRequestTopic]) -> dict[str, ErrorCode]:
    """Make the topics that are missing and may be made; what could not be made, and why."""
    config, state = call.node.config, call.node.state
    is_allowed = config.auto_create_topics and (
        request.allow_auto_topic_creation or call.version < ALLOW_CREATION_SINCE
    )
    names = list(dict.fromkeys(topic.name for topic in asked if topic.name and topic.name not in state.topics.by_name))
    names = [name for name in names if name == OFFSETS_TOPIC or (is_allowed and fault_in_topic_name(name) is None)]
    outcomes = await call.node.ledger.propose_all(
        [
            CreateTopic(
                name=name,
                topic_id=TopicId(call.node.runtime.token(16)),
                partitions=INTERNAL_PARTITIONS if name in INTERNAL_TOPICS else config.partitions_default,
                replication=config.replication_factor_default,
            )
            for name in names
        ]
    )
    failures: dict[str, ErrorCode] = {}
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome.error, Refused):
            # Made by somebody else meanwhile: the look-up that follows finds it.
            failures[name] = outcome.error.code
        elif outcome.error is not None:
            failures[name] = ErrorCode.LEADER_NOT_AVAILABLE if code_of(outcome.error) else ErrorCode.NONE
    return failures


def _respond(call: Call, request: MetadataRequest, topics: list[MetadataResponseTopic]) -> MetadataResponse:
    node = call.node
    brokers = []
    for session in node.state.sessions.live.values():
        host, port = node.endpoint(session, call.listener)
        brokers.append(MetadataResponseBroker(session.node_id, host, port))
    controller = node.state.sessions.controller()
    wants_operations = request.include_cluster_authorized_operations
    return MetadataResponse(
        brokers=brokers,
        cluster_id=node.state.cluster_id,
        controller_id=-1 if controller is None else controller.node_id,
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS if wants_operations else NOT_REQUESTED,
    )


def _known(call: Call, request: MetadataRequest, topics: Iterable[Topic]) -> list[MetadataResponseTopic]:
    # Clients of ten thousand topics ask for all of them each time: what did not change is not made again.
    placement, wants_operations = call.node.placement, request.include_topic_authorized_operations
    rows: list[MetadataResponseTopic] = []
    for topic in topics:
        known = placement.rows.get((topic.id, wants_operations))
        if known is None or known[0] is not topic:
            operations = TOPIC_OPERATIONS if wants_operations else NOT_REQUESTED
            known = topic, _row(topic, placement.leaders(topic), operations)
            placement.rows[topic.id, wants_operations] = known
        rows.append(known[1])
    return rows


def _row(topic: Topic, leaders: Sequence[Session | None], operations: int) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=_partitions(leaders, topic.replication),
        topic_authorized_operations=operations,
    )


def _partitions(leaders: Sequence[Session | None], replication: int) -> list[MetadataResponsePartition]:
    replicas: dict[int, list[int]] = {}  # What partitions share is made once.
    rows: list[MetadataResponsePartition] = []
    for index, leader in enumerate(leaders):
        if leader is None:
            rows.append(MetadataResponsePartition(ErrorCode.LEADER_NOT_AVAILABLE, index, -1))
            continue
        node_id = leader.node_id
        nodes = replicas.get(node_id)
        if nodes is None:
            nodes = replicas[node_id] = [node_id] * replication
        rows.append(MetadataResponsePartition(0, index, node_id, LEADER_EPOCH, nodes, nodes))
    return rows


# Topics may be created automatically.
API = ApiRow(
    MetadataRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.TOPICS,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.TOPIC),
)
