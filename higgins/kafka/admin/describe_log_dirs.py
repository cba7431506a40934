"""DescribeLogDirs: v1-4.

Behaviour: one directory that stands for the store, with the stored bytes of every partition this node leads, so that
asking all nodes counts each partition once. Partitions that do not exist are left out, as in Kafka. No topics (null)
means all.
Version notes: v3 an error of the whole answer; v4 the size of the volume, which a bucket does not have (-1).
Not done: directories to come (AlterReplicaLogDirs), as there is nothing to move; throttling.
"""

from collections.abc import Iterable

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins.ledger.state.topics import Topic
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

LOG_DIR = "/higgins"
"""What the store is called where Kafka names a directory; the same on every node, as the store is."""


@in_task
async def handle(call: Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    if not await reach_tip(call):
        code = ErrorCode.KAFKA_STORAGE_ERROR
        return DescribeLogDirsResponse(results=[DescribeLogDirsResult(error_code=code, log_dir=LOG_DIR)])
    by_name = call.node.state.topics.by_name
    asked: dict[str, Iterable[int]] = {}
    if request.topics is None:
        asked = {name: range(topic.partitions) for name, topic in by_name.items()}
    else:
        for one in request.topics:
            asked[one.topic] = dict.fromkeys([*asked.get(one.topic, ()), *one.partitions])
    topics = [_sizes(call, by_name[name], indexes) for name, indexes in asked.items() if name in by_name]
    held = [topic for topic in topics if topic.partitions]
    return DescribeLogDirsResponse(results=[DescribeLogDirsResult(log_dir=LOG_DIR, topics=held)])


def _sizes(call: Call, topic: Topic, indexes: Iterable[int]) -> DescribeLogDirsTopic:
    ours = call.node.ledger.session
    rows = []
    for index in indexes:
        if not 0 <= index < topic.partitions:
            continue
        leader = call.node.placement.leader(topic, index)
        if ours is None or leader is None or leader.epoch != ours.epoch:
            continue
        runs = call.node.state.runs.index(topic.id, index)
        rows.append(DescribeLogDirsPartition(index, 0 if runs is None else runs.bytes))
    return DescribeLogDirsTopic(topic.name, rows)


API = ApiRow(
    DescribeLogDirsRequest,
    handle,
    reads=State.TOPICS | State.RECORDS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
