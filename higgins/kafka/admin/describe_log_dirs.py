"""DescribeLogDirs: v1-4.

Behaviour: one directory that stands for the store, with the stored bytes of every partition that clients are sent to
this node for, so that the sum over all nodes counts each partition once. Partitions that do not exist are left out, as
in Kafka. Null topics mean all.
Version notes: v3 an error of the whole response; v4 the size of the volume, which a bucket does not have (-1).
Not done: future directories (AlterReplicaLogDirs), as there is nothing to move; throttling.
"""

from collections.abc import Iterable

from higgins.kafka.acl import AclOperation, AclResourceType, Permission
from higgins.kafka.api_row import ApiRow, State, in_task
from higgins.kafka.context import Call, reach_tip
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

LOG_DIR = "/higgins"
"""The name of the store where Kafka has a directory; the same on every node, since all nodes have one store."""


@in_task
async def handle(call: Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    if not await reach_tip(call):
        code = ErrorCode.KAFKA_STORAGE_ERROR
        return DescribeLogDirsResponse(results=[DescribeLogDirsResult(error_code=code, log_dir=LOG_DIR)])
    by_name = call.node.state.topics.by_name
    requested: dict[str, Iterable[int]] = {}
    if request.topics is None:
        requested = {name: range(topic.partitions) for name, topic in by_name.items()}
    else:
        for one in request.topics:
            requested[one.topic] = dict.fromkeys([*requested.get(one.topic, ()), *one.partitions])
    topics = []
    for name, partitions in requested.items():
        if name in by_name:
            sizes = call.admin.cluster.own_partition_sizes(by_name[name], partitions)
            if sizes:
                rows = [DescribeLogDirsPartition(size.partition, size.stored_bytes) for size in sizes]
                topics.append(DescribeLogDirsTopic(name, rows))
    return DescribeLogDirsResponse(results=[DescribeLogDirsResult(log_dir=LOG_DIR, topics=topics)])


API = ApiRow(
    DescribeLogDirsRequest,
    handle,
    reads=State.TOPICS | State.RECORDS | State.NODES,
    writes=State.NOTHING,
    requires=Permission(AclOperation.DESCRIBE, AclResourceType.CLUSTER),
)
