"""Metadata: v0-12.

Behaviour: the live nodes with their addresses for the listener of the request, and topics with a live leader for every
partition (any node serves any partition; clients are sent to the one whose caches are warm). Topics that do not exist
are created where client and broker allow it, and the response follows the commit. Groups and offsets are stored in the
ledger and not in a topic; the offsets topic still exists, internal and empty, once a client asks for it or for a
coordinator.
Version notes: v0 an empty list is all topics, from v1 null is all and empty is none; v0-3 imply auto-creation; v8-10
authorized operations of the cluster, v8+ of topics, only on request; v10 topic ids, v12 look-up by id.
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
from higgins.kafka.context import Call
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.topics import Topic
from higgins.model.errors import StorageUnavailable
from higgins.model.future import Future, completed
from higgins.model.names import (
    INTERNAL_TOPICS,
    LEADER_EPOCH,
    TopicId,
    error_in_topic_name,
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
NOT_COMMITTED = frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR})
"""Refusals of a creation for which clients try again; Metadata has another code for that."""


def handle(call: Call, request: MetadataRequest) -> Future[MetadataResponse]:
    if call.version < BY_ID_SINCE and any(bytes(topic.topic_id) != NO_ID for topic in request.topics or ()):
        return completed(_too_early(request))
    topics = _requested(call, request)
    if topics is None:
        every = call.node.state.topics.by_name.values()
        return completed(_respond(call, request, _known(call, request, every)))
    results = [_look_up(call, topic) for topic in topics]
    if all(isinstance(each, Topic) for each in results):
        rows = _known(call, request, (each for each in results if isinstance(each, Topic)))
        return completed(_respond(call, request, rows))
    return call.spawn(_at_tip, call, request, topics)


def _too_early(request: MetadataRequest) -> MetadataResponse:
    """v10 and v11 have a field for topic ids but no look-up by them; Kafka refuses the whole request, without nodes."""
    topics, code = request.topics or (), ErrorCode.INVALID_REQUEST
    return MetadataResponse(topics=[MetadataResponseTopic(code, each.name or "", each.topic_id) for each in topics])


def _requested(call: Call, request: MetadataRequest) -> Sequence[MetadataRequestTopic] | None:
    """The requested topics; None for all."""
    if request.topics is None or (call.version == 0 and not request.topics):
        return None
    if call.version >= BY_ID_SINCE:
        # If any topic is requested by its id, Kafka ignores the names.
        by_id = {bytes(topic.topic_id): topic for topic in request.topics if bytes(topic.topic_id) != NO_ID}
        if by_id:
            return [MetadataRequestTopic(topic_id, None) for topic_id in by_id]
    return list({(topic.name, bytes(topic.topic_id)): topic for topic in request.topics}.values())


def _look_up(call: Call, requested: MetadataRequestTopic) -> Topic | ErrorCode:
    topics = call.node.state.topics
    if bytes(requested.topic_id) == NO_ID and requested.name is not None:
        topic = topics.by_name.get(requested.name)
        if topic is not None:
            return topic
        invalid = error_in_topic_name(requested.name) is not None
        return ErrorCode.INVALID_TOPIC_EXCEPTION if invalid else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if call.version < BY_ID_SINCE:
        return ErrorCode.INVALID_REQUEST
    return topics.by_id.get(TopicId(bytes(requested.topic_id))) or ErrorCode.UNKNOWN_TOPIC_ID


async def _at_tip(
    call: Call, request: MetadataRequest, topics: Sequence[MetadataRequestTopic]
) -> MetadataResponse:
    failures: dict[str, ErrorCode] = {}
    try:
        await call.node.ledger.barrier()
        failures = await _create(call, request, topics)
    except StorageUnavailable:
        failures = {topic.name: ErrorCode.LEADER_NOT_AVAILABLE for topic in topics if topic.name is not None}
    rows = []
    for topic in topics:
        result = _look_up(call, topic)
        if isinstance(result, Topic):
            rows += _known(call, request, [result])
        else:
            code = failures.get(topic.name or "", result) if result is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION else result
            name = topic.name if topic.name is not None or call.version >= BY_ID_SINCE else ""
            operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations and name else NOT_REQUESTED
            rows.append(MetadataResponseTopic(code, name, topic.topic_id, topic_authorized_operations=operations))
    return _respond(call, request, rows)


async def _create(
    call: Call, request: MetadataRequest, topics: Sequence[MetadataRequestTopic]
) -> dict[str, ErrorCode]:
    """Create the topics that do not exist and may be created; the error codes of those that were not."""
    is_allowed = request.allow_auto_topic_creation or call.version < ALLOW_CREATION_SINCE
    names = [topic.name for topic in topics if topic.name]
    refusals = await call.admin.topics.auto_create(names, is_allowed=is_allowed)
    return {
        name: ErrorCode.LEADER_NOT_AVAILABLE if refusal.code in NOT_COMMITTED else refusal.code
        for name, refusal in refusals.items()
        # The name is valid by itself, so it collides with another topic. Kafka says here that the topic is unknown.
        if refusal.code is not ErrorCode.INVALID_TOPIC_EXCEPTION
    }


def _respond(call: Call, request: MetadataRequest, topics: list[MetadataResponseTopic]) -> MetadataResponse:
    cluster = call.admin.cluster
    controller = cluster.controller
    wants_operations = request.include_cluster_authorized_operations
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(session.node_id, *cluster.address(session, call.listener))
            for session in cluster.nodes
        ],
        cluster_id=cluster.cluster_id,
        controller_id=-1 if controller is None else controller.node_id,
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS if wants_operations else NOT_REQUESTED,
    )


def _known(call: Call, request: MetadataRequest, topics: Iterable[Topic]) -> list[MetadataResponseTopic]:
    placement, wants_operations = call.admin.cluster.placement, request.include_topic_authorized_operations
    cached = call.node.metadata_rows.for_placement(placement, len(call.node.state.topics.by_name))
    rows: list[MetadataResponseTopic] = []
    for topic in topics:
        known = cached.get((topic.id, wants_operations))
        if known is None or known[0] is not topic:
            operations = TOPIC_OPERATIONS if wants_operations else NOT_REQUESTED
            known = topic, _row(topic, placement.leaders(topic), operations)
            cached[topic.id, wants_operations] = known
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
    replicas: dict[int, list[int]] = {}  # Partitions with the same leader share one list.
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
