"""What the tests of the request order ask: one request for each API that writes, and one for each that reads.

A new API needs an entry here as soon as its row declares that it writes or reads something.
"""

from typing import Any

import msgspec
import trio

from higgins.config.entries.entry import ResourceType
from higgins.kafka.private.call import ApplyRequest, DeleteRequest
from higgins_protocol.messages import (
    alter_configs,
    alter_partition_reassignments,
    alter_replica_log_dirs,
    create_partitions,
    create_topics,
    delete_groups,
    delete_records,
    delete_topics,
    describe_cluster,
    describe_configs,
    describe_groups,
    describe_log_dirs,
    describe_producers,
    describe_quorum,
    describe_topic_partitions,
    elect_leaders,
    find_coordinator,
    heartbeat,
    incremental_alter_configs,
    join_group,
    leave_group,
    list_config_resources,
    list_groups,
    list_offsets,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    private,
    sync_group,
)
from higgins_protocol.schema import Message
from tests.broker.peer import Peer, batch, fetch_request, produce_many

TOPICS = ("t", "old", "grow", "src", "new", "auto", "large", "small")
"""Those that exist at first, then those that a request creates."""
PARTITIONS = [(name, 0) for name in TOPICS] + [("grow", 2)]
GROUPS = ("g", "idle", "joins", "leaves", "syncs", "higgins.op.large", "higgins.op.small")
OPERATOR = '[streams.src]\n[streams.large]\nbase = "src"\ntype = "filter"\nwhere = "qty > 5"\n'
TWO_OPERATORS = OPERATOR + '[streams.small]\nbase = "src"\ntype = "filter"\nwhere = "qty < 5"\n'
SET = 0
FIRST_VALUES = (b"one", b"two", b"three")


class World:
    """What is there before the requests, and what only the broker could know of it."""

    def __init__(self) -> None:
        self.syncing_member = ""
        self.leaving_member = ""


async def build(peer: Peer) -> World:
    """Topics with records, an operator, and groups in all states; in a cluster that holds nothing yet."""
    world = World()
    for name in ("t", "old", "grow", "src"):
        await peer.create(name)
    for value in FIRST_VALUES:
        await peer.produce("t", batch(value))
    await peer.produce("old", batch(b"old"))
    await peer.ask(private_request("apply", ApplyRequest(OPERATOR)))
    for group in ("g", "idle"):
        await peer.ask(commit(group, 1))
    world.leaving_member = await join(peer, "leaves", instance="i")
    world.syncing_member = await join(peer, "syncs", syncs=False)
    # Operators attach, and groups settle.
    await trio.sleep(10)
    return world


async def join(peer: Peer, group: str, instance: str | None = None, *, syncs: bool = True) -> str:
    """The id of a group's only member."""
    request = join_request(group, instance)
    joined = await peer.ask(request, 5)
    if joined.error_code:
        joined = await peer.ask(msgspec.structs.replace(request, member_id=joined.member_id), 5)
    assert joined.error_code == 0, joined
    if syncs:
        synced = await peer.ask(sync_request(group, joined.member_id, instance), 3)
        assert synced.error_code == 0, synced
    return str(joined.member_id)


# ---- requests --------------------------------------------------------------------------------------------------------


def join_request(group: str, instance: str | None = None) -> join_group.JoinGroupRequest:
    return join_group.JoinGroupRequest(
        group_id=group,
        session_timeout_ms=60_000,
        rebalance_timeout_ms=60_000,
        group_instance_id=instance,
        protocol_type="consumer",
        protocols=[join_group.JoinGroupRequestProtocol("range", b"")],
    )


def sync_request(group: str, member_id: str, instance: str | None = None) -> sync_group.SyncGroupRequest:
    given = [sync_group.SyncGroupRequestAssignment(member_id, b"all of it")]
    return sync_group.SyncGroupRequest(group, 1, member_id, instance, "consumer", "range", given)


def commit(group: str, offset: int) -> offset_commit.OffsetCommitRequest:
    partition = offset_commit.OffsetCommitRequestPartition(0, offset)
    topic = offset_commit.OffsetCommitRequestTopic("t", [partition])
    return offset_commit.OffsetCommitRequest(group, topics=[topic])


def private_request(verb: str, document: msgspec.Struct | None = None) -> private.PrivateRequest:
    return private.PrivateRequest(verb, msgspec.json.encode(document) if document is not None else b"")


def offsets_at(*timestamps: int) -> list_offsets.ListOffsetsRequest:
    topics = [
        list_offsets.ListOffsetsTopic(name, [list_offsets.ListOffsetsPartition(index, timestamp=timestamp)])
        for timestamp in timestamps
        for name, index in PARTITIONS
    ]
    return list_offsets.ListOffsetsRequest(replica_id=-1, topics=topics)


def metadata_of(*names: str, creates: bool = False) -> metadata.MetadataRequest:
    return metadata.MetadataRequest([metadata.MetadataRequestTopic(name=name) for name in names], creates)


def one_batch(*, acks: int) -> Message:
    data = batch(b"written", producer_id=4_000, producer_epoch=0, base_sequence=0)
    return produce_many([("t", 0, data)], acks=acks)


def writes(world: World) -> dict[type[Message], list[tuple[str, Message]]]:
    """What each API that writes is asked, one or several requests with a name each."""
    topic = ResourceType.TOPIC
    smaller = ("max.message.bytes", "70")
    alterable = alter_configs.AlterableConfig(*smaller)
    changed = incremental_alter_configs.IncrementalConfig(smaller[0], SET, smaller[1])
    requests: list[tuple[str, Message]] = [
        ("all acks", one_batch(acks=-1)),
        ("no acks", one_batch(acks=0)),
        ("", create_topics.CreateTopicsRequest([create_topics.CreatableTopic("new", 2, 1)])),
        ("", delete_topics.DeleteTopicsRequest([delete_topics.DeleteTopicState("old")])),
        ("", create_partitions.CreatePartitionsRequest([create_partitions.CreatePartitionsTopic("grow", 3, None)])),
        (
            "",
            delete_records.DeleteRecordsRequest(
                [delete_records.DeleteRecordsTopic("t", [delete_records.DeleteRecordsPartition(0, 2)])]
            ),
        ),
        ("", metadata_of("auto", creates=True)),
        ("", find_coordinator.FindCoordinatorRequest(coordinator_keys=["g"])),
        ("", commit("g", 2)),
        (
            "",
            offset_delete.OffsetDeleteRequest(
                "g", [offset_delete.OffsetDeleteRequestTopic("t", [offset_delete.OffsetDeleteRequestPartition(0)])]
            ),
        ),
        ("", delete_groups.DeleteGroupsRequest(["idle"])),
        ("", join_request("joins", "j")),
        ("", sync_request("syncs", world.syncing_member)),
        ("", leave_group.LeaveGroupRequest("leaves", members=[leave_group.MemberIdentity("", "i")])),
        ("", alter_configs.AlterConfigsRequest([alter_configs.AlterConfigsResource(topic, "t", [alterable])])),
        (
            "",
            incremental_alter_configs.IncrementalAlterConfigsRequest(
                [incremental_alter_configs.IncrementalResource(topic, "t", [changed])]
            ),
        ),
        ("apply", private_request("apply", ApplyRequest(TWO_OPERATORS))),
        ("operators.delete", private_request("operators.delete", DeleteRequest("large"))),
    ]
    return _by_type(requests)


def reads(world: World) -> dict[type[Message], list[tuple[str, Message]]]:
    """What each API that reads is asked; it names everything that any of the writing requests changes."""
    topic = ResourceType.TOPIC
    every = [0, 1, 2]
    requests: list[tuple[str, Message]] = [
        ("", produce_many([(name, index, batch(b"x" * 10)) for name, index in PARTITIONS])),
        ("", fetch_request([(name, index, 3 if name == "t" else 0) for name, index in PARTITIONS], max_wait_ms=0)),
        ("from the start", fetch_request([("t", 0, 0)], max_wait_ms=0)),
        ("", offsets_at(-1, -2)),
        ("all", metadata.MetadataRequest(None)),
        ("by name", metadata_of(*TOPICS)),
        ("of nobody", commit("leaves", 7)),
        ("of the new topic", _commit_to("new")),
        (
            "",
            offset_fetch.OffsetFetchRequest(
                groups=[offset_fetch.OffsetFetchRequestGroup(group, topics=None) for group in GROUPS]
            ),
        ),
        (
            "",
            offset_delete.OffsetDeleteRequest(
                "g",
                [
                    offset_delete.OffsetDeleteRequestTopic(name, [offset_delete.OffsetDeleteRequestPartition(0)])
                    for name in TOPICS
                ],
            ),
        ),
        ("of all", delete_groups.DeleteGroupsRequest(["idle", "g", "leaves"])),
        ("", heartbeat.HeartbeatRequest("leaves", 1, "", "i")),
        ("again", join_request("leaves", "i")),
        ("again", sync_request("leaves", world.leaving_member, "i")),
        ("again", leave_group.LeaveGroupRequest("leaves", members=[leave_group.MemberIdentity("", "i")])),
        ("", describe_groups.DescribeGroupsRequest(GROUPS)),
        ("", list_groups.ListGroupsRequest()),
        ("", describe_cluster.DescribeClusterRequest()),
        (
            "",
            describe_quorum.DescribeQuorumRequest(
                [describe_quorum.TopicRequest("__cluster_metadata", [describe_quorum.PartitionRequest(0)])]
            ),
        ),
        (
            "",
            describe_topic_partitions.DescribeTopicPartitionsRequest(
                [describe_topic_partitions.TopicRequest(name) for name in TOPICS]
            ),
        ),
        (
            "",
            describe_configs.DescribeConfigsRequest(
                [describe_configs.DescribeConfigsResource(topic, name, None) for name in TOPICS]
            ),
        ),
        ("", describe_log_dirs.DescribeLogDirsRequest(None)),
        (
            "",
            describe_producers.DescribeProducersRequest(
                [describe_producers.TopicRequest(name, every) for name in TOPICS]
            ),
        ),
        (
            "",
            offset_for_leader_epoch.OffsetForLeaderEpochRequest(
                topics=[
                    offset_for_leader_epoch.OffsetForLeaderTopic(
                        name, [offset_for_leader_epoch.OffsetForLeaderPartition(index)]
                    )
                    for name, index in PARTITIONS
                ]
            ),
        ),
        ("", list_config_resources.ListConfigResourcesRequest()),
        (
            "",
            elect_leaders.ElectLeadersRequest(
                topic_partitions=[elect_leaders.TopicPartitions(name, every) for name in TOPICS]
            ),
        ),
        (
            "",
            alter_partition_reassignments.AlterPartitionReassignmentsRequest(
                topics=[
                    alter_partition_reassignments.ReassignableTopic(
                        name, [alter_partition_reassignments.ReassignablePartition(index, [1]) for index in every]
                    )
                    for name in TOPICS
                ]
            ),
        ),
        (
            "",
            alter_replica_log_dirs.AlterReplicaLogDirsRequest(
                [
                    alter_replica_log_dirs.AlterReplicaLogDir(
                        "/higgins", [alter_replica_log_dirs.AlterReplicaLogDirTopic(name, every) for name in TOPICS]
                    )
                ]
            ),
        ),
        (
            "of all",
            create_topics.CreateTopicsRequest([create_topics.CreatableTopic(name, 1, 1) for name in TOPICS]),
        ),
        ("of all", delete_topics.DeleteTopicsRequest([delete_topics.DeleteTopicState(name) for name in TOPICS])),
        (
            "of all",
            create_partitions.CreatePartitionsRequest(
                [create_partitions.CreatePartitionsTopic(name, 4, None) for name in TOPICS]
            ),
        ),
        (
            "of all",
            delete_records.DeleteRecordsRequest(
                [
                    delete_records.DeleteRecordsTopic(name, [delete_records.DeleteRecordsPartition(index, -1)])
                    for name, index in PARTITIONS
                ]
            ),
        ),
        (
            "of all",
            alter_configs.AlterConfigsRequest(
                [alter_configs.AlterConfigsResource(topic, name, []) for name in TOPICS]
            ),
        ),
        (
            "of all",
            incremental_alter_configs.IncrementalAlterConfigsRequest(
                [incremental_alter_configs.IncrementalResource(topic, name, []) for name in TOPICS]
            ),
        ),
        ("apply", private_request("apply", ApplyRequest(TWO_OPERATORS))),
        ("operators.list", private_request("operators.list")),
        ("operators.delete", private_request("operators.delete", DeleteRequest("small"))),
        ("figures", private_request("figures")),
    ]
    return _by_type(requests)


def _commit_to(topic: str) -> Message:
    partition = offset_commit.OffsetCommitRequestPartition(0, 1)
    return offset_commit.OffsetCommitRequest("g", topics=[offset_commit.OffsetCommitRequestTopic(topic, [partition])])


def _by_type(requests: list[tuple[str, Message]]) -> dict[type[Message], list[tuple[str, Message]]]:
    found: dict[type[Message], list[tuple[str, Message]]] = {}
    for name, request in requests:
        found.setdefault(type(request), []).append((name, request))
    return found


# ---- responses -------------------------------------------------------------------------------------------------------

# What differs between two clusters that were asked the same: ids drawn at random, and times.
VARYING = frozenset(
    {"topic_id", "member_id", "leader", "cluster_id", "log_append_time_ms", "last_timestamp", "last_fetch_timestamp"}
    | {"last_caught_up_timestamp", "at_s", "resident_bytes", "processor_s", "apis", "store_operations", "documentation"}
    | {"records", "node", "state", "states", "commits", "groups_total"}
)


def comparable(value: Any) -> Any:
    """A response as plain values, without what differs by chance."""
    if isinstance(value, private.PrivateResponse) and value.document:
        return comparable(msgspec.json.decode(value.document))
    if isinstance(value, msgspec.Struct):
        shown = {name: getattr(value, name) for name in value.__struct_fields__}
        if shown.get("records"):
            shown["record_bytes"] = sum(map(len, shown["records"])) if isinstance(shown["records"], list) else len(
                shown["records"]
            )
        return comparable(shown)
    if isinstance(value, dict):
        group = str(value.get("group_id") or value.get("name"))
        if group.startswith("higgins.op."):
            # Its members are the tasks of the operator, which nodes take up in their own time.
            return group
        return {name: comparable(one) for name, one in value.items() if name not in VARYING}
    if isinstance(value, list | tuple):
        return [comparable(one) for one in value]
    return bytes(value) if isinstance(value, memoryview) else value
