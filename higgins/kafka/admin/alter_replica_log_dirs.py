"""AlterReplicaLogDirs: v1-2.

Behaviour: there is one directory, which stands for the store, and all partitions are in it: moving a partition there
succeeds and does nothing; any other directory is LOG_DIR_NOT_FOUND. A partition that occurs twice in the request has
one result, that of the last occurrence.
Version notes: v2 flexible.
Not done: throttling.
"""

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.admin.describe_log_dirs import LOG_DIR
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)


@in_task
async def handle(call: Call, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse:
    at_tip = await reach_tip(call)
    results: dict[str, dict[int, ErrorCode]] = {}
    for directory in request.dirs:
        for topic in directory.topics:
            rows = results.setdefault(topic.name, {})
            for index in topic.partitions:
                code = _result(call, directory.path, topic.name, index) if at_tip else ErrorCode.KAFKA_STORAGE_ERROR
                rows[index] = code
    return AlterReplicaLogDirsResponse(
        results=[
            AlterReplicaLogDirTopicResult(
                name, [AlterReplicaLogDirPartitionResult(index, code) for index, code in rows.items()]
            )
            for name, rows in results.items()
        ]
    )


def _result(call: Call, path: str, name: str, index: int) -> ErrorCode:
    if path != LOG_DIR:
        return ErrorCode.LOG_DIR_NOT_FOUND
    topic = call.node.state.topics.by_name.get(name)
    if topic is None or not 0 <= index < topic.partitions:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE


API = ApiRow(
    AlterReplicaLogDirsRequest,
    handle,
    reads=State.TOPICS,
    writes=State.NOTHING,
    requires=Permission(AclOperation.ALTER, AclResourceType.CLUSTER),
)
