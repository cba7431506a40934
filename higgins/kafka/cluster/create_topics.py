"""CreateTopics: v2-7.

Behaviour: each topic by itself, all of them in one commit where possible; the response follows the commit. Any
replication factor is accepted and reported, since the store provides durability. Assignments name live nodes and have
no other effect. A name that occurs twice in a request is refused, in one row.
Version notes: -1 for the broker's defaults is v4's, but Kafka accepts it in every version and KafkaJS sends it in v3;
v5 responds with partitions, replication and configs; v7 topic ids.
Not done: throttling.
"""

from higgins.admin.topics import Assignment, CreatedTopic, NewTopic
from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.answer_room import AnswerRoom
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call
from higgins.model.errors import Refused, StorageUnavailable
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

BROKER_DEFAULT = -1
CONFIG_BYTES = 8
"""Of a config in a row, beside its texts."""


@in_task
async def handle(call: Call, request: CreateTopicsRequest) -> CreateTopicsResponse:
    try:
        results = await call.admin.topics.create(
            [_new_topic(topic) for topic in request.topics], validate_only=request.validate_only
        )
    except StorageUnavailable as error:
        refusal = Refused(ErrorCode.NOT_CONTROLLER, str(error))
        return CreateTopicsResponse(topics=[_refused(topic.name, refusal) for topic in request.topics])
    # A repeated name is refused each time that it occurs, and has one row.
    by_name = {topic.name: result for topic, result in zip(request.topics, results, strict=True)}
    pace, room = call.pace(), AnswerRoom()
    rows = []
    for name, result in by_name.items():
        rows.append(_refused(name, result) if isinstance(result, Refused) else _created(call, result, room))
        await pace.rest()
    return CreateTopicsResponse(topics=rows)


def _new_topic(topic: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=topic.name,
        partitions=None if topic.num_partitions == BROKER_DEFAULT else topic.num_partitions,
        replication=None if topic.replication_factor == BROKER_DEFAULT else topic.replication_factor,
        configs={config.name: config.value for config in topic.configs},
        assignments=tuple(Assignment(each.partition_index, tuple(each.broker_ids)) for each in topic.assignments),
    )


def _created(call: Call, topic: CreatedTopic, room: AnswerRoom) -> CreatableTopicResult:
    configs = [
        CreatableTopicConfigs(one.name, one.value, config_source=one.kind)
        for one in call.admin.configs.describe_topic(topic.configs)
    ]
    size = sum(CONFIG_BYTES + len(one.name) + len(one.value or "") for one in configs)
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_message=None,
        num_partitions=topic.partitions,
        replication_factor=topic.replication,
        # Thousands of topics in one request may have no room for all their configs. Without them a row is still right.
        configs=configs if room.take(size) else None,
    )


def _refused(name: str, refusal: Refused) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=refusal.code, error_message=refusal.message, configs=[])


# CREATE on each topic will do as well, once there is an authorizer.
API = ApiRow(
    CreateTopicsRequest,
    handle,
    reads=State.TOPICS | State.CONFIGS | State.NODES,
    writes=State.TOPICS | State.CONFIGS,
    requires=Permission(AclOperation.CREATE, AclResourceType.CLUSTER),
)
