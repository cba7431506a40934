"""What tools ask of a cluster: its nodes, its topics page by page, sizes, elections, reassignments."""

import pytest

from higgins.kafka.acl import CLUSTER_OPERATIONS, NOT_REQUESTED, TOPIC_OPERATIONS
from higgins.kafka.cluster.describe_topic_partitions import PARTITIONS_MAX
from higgins.server.settings import Listener, ServerSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from higgins_protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.describe_cluster import DescribeClusterRequest
from higgins_protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from higgins_protocol.messages.describe_quorum import DescribeQuorumRequest, PartitionRequest
from higgins_protocol.messages.describe_quorum import TopicRequest as QuorumTopic
from higgins_protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from higgins_protocol.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from higgins_protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from tests.broker.peer import batch


def name_of(code):
    return ErrorCode(code).name


# ---- DescribeCluster -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(3))
async def test_the_nodes_of_the_cluster_are_described(autojump_clock, peer, version):
    found = await peer.ask(DescribeClusterRequest(), version)
    assert (found.error_code, found.error_message) == (0, None)
    assert [(one.broker_id, one.host, one.port, one.is_fenced) for one in found.brokers] == [
        (1, "127.0.0.1", 9092, False)
    ]
    assert (found.controller_id, len(found.cluster_id), found.endpoint_type) == (1, 22, 1)
    assert found.cluster_authorized_operations == NOT_REQUESTED


@pytest.mark.parametrize("version", range(3))
async def test_what_may_be_done_to_the_cluster_is_told_to_who_asks(autojump_clock, peer, version):
    found = await peer.ask(DescribeClusterRequest(include_cluster_authorized_operations=True), version)
    assert found.cluster_authorized_operations == CLUSTER_OPERATIONS == 0b1111110100000


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind, code", [(2, "MISMATCHED_ENDPOINT_TYPE"), (7, "UNSUPPORTED_ENDPOINT_TYPE")])
async def test_controllers_are_not_to_be_had_from_brokers(autojump_clock, peer, version, kind, code):
    found = await peer.ask(DescribeClusterRequest(endpoint_type=kind), version)
    assert (name_of(found.error_code), found.brokers) == (code, [])
    assert found.error_message


# ---- DescribeTopicPartitions -----------------------------------------------------------------------------------------


async def page(peer, *names, limit=2000, cursor=None):
    topics = [TopicRequest(name) for name in names]
    found = await peer.ask(DescribeTopicPartitionsRequest(topics, limit, cursor))
    rows = [(one.name, name_of(one.error_code), [each.partition_index for each in one.partitions])
            for one in found.topics]  # fmt: skip
    return rows, found.next_cursor


async def test_topics_are_described_in_the_order_of_their_names(autojump_clock, peer):
    topic_id = await peer.create("b", 2)
    rows, cursor = await page(peer)
    assert rows == [("b", "NONE", [0, 1]), ("t", "NONE", [0])] and cursor is None
    found = (await peer.ask(DescribeTopicPartitionsRequest([TopicRequest("b")]))).topics[0]
    assert (bytes(found.topic_id), found.is_internal, found.topic_authorized_operations) == (
        topic_id, False, TOPIC_OPERATIONS,
    )  # fmt: skip
    partition = found.partitions[1]
    assert (partition.error_code, partition.leader_id, partition.leader_epoch) == (0, 1, 0)
    assert (partition.replica_nodes, partition.isr_nodes, partition.offline_replicas) == ([1], [1], [])
    assert (partition.eligible_leader_replicas, partition.last_known_elr) == ([], []), "Java cannot read a null"


async def test_what_does_not_exist_says_so_among_the_rest(autojump_clock, peer):
    rows, _ = await page(peer, "t", "nowhere", "a/b", "t")
    assert rows == [
        ("a/b", "INVALID_TOPIC_EXCEPTION", []),
        ("nowhere", "UNKNOWN_TOPIC_OR_PARTITION", []),
        ("t", "NONE", [0]),
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 100])
async def test_pages_put_together_are_the_whole(autojump_clock, peer, limit):
    for name, partitions in (("a", 3), ("b", 2)):
        await peer.create(name, partitions)
    cursor, seen = None, []
    while True:
        rows, cursor = await page(peer, limit=limit, cursor=cursor)
        seen += [(name, index) for name, _, indexes in rows for index in indexes]
        assert sum(len(indexes) for _, _, indexes in rows) <= limit
        if cursor is None:
            break
    assert seen == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("t", 0)]


async def test_a_page_has_a_limit_whatever_is_asked_for(autojump_clock, peer):
    await peer.create("big", PARTITIONS_MAX + 1)
    rows, cursor = await page(peer, "big", limit=1_000_000)
    assert len(rows[0][2]) == PARTITIONS_MAX and cursor == Cursor("big", PARTITIONS_MAX)
    assert (await page(peer, "big", cursor=cursor)) == ([("big", "NONE", [PARTITIONS_MAX])], None)


@pytest.mark.parametrize("cursor", [Cursor("elsewhere", 0), Cursor("t", -1)])
async def test_a_cursor_that_points_nowhere_is_refused(autojump_clock, peer, cursor):
    assert await page(peer, "t", cursor=cursor) == ([("t", "INVALID_REQUEST", [])], None)


# ---- DescribeLogDirs -------------------------------------------------------------------------------------------------


async def sizes(peer, topics=None, version=4):
    found = await peer.ask(DescribeLogDirsRequest(topics), version)
    (result,) = found.results
    assert (found.error_code, result.error_code, result.log_dir) == (0, 0, "/higgins")
    assert (result.total_bytes, result.usable_bytes) == (-1, -1)
    return {(topic.name, one.partition_index): one.partition_size for topic in result.topics
            for one in topic.partitions if (one.offset_lag, one.is_future_key) == (0, False)}  # fmt: skip


@pytest.mark.parametrize("version", range(1, 5))
async def test_sizes_are_the_bytes_that_are_stored(autojump_clock, peer, version):
    await peer.create("u", 2)
    first, second = batch(b"a" * 100), batch(b"b" * 1000)
    for data in (first, second):
        await peer.produce("u", data, partition=1)
    assert await sizes(peer, None, version) == {("t", 0): 0, ("u", 0): 0, ("u", 1): len(first) + len(second)}
    asked = [DescribableLogDirTopic("u", [1, 9]), DescribableLogDirTopic("nowhere", [0])]
    assert await sizes(peer, asked, version) == {("u", 1): len(first) + len(second)}
    assert await sizes(peer, [], version) == {}


async def test_what_is_deleted_has_no_size(autojump_clock, peer):
    await peer.produce("t", batch(b"a"))
    await peer.ask(DeleteTopicsRequest(topics=[DeleteTopicState("t")]))
    assert await sizes(peer) == {}


# ---- AlterReplicaLogDirs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
async def test_partitions_are_in_the_one_directory_already(autojump_clock, peer, version):
    def moved(path, **topics):
        return AlterReplicaLogDir(path, [AlterReplicaLogDirTopic(name, indexes) for name, indexes in topics.items()])

    async def results(*dirs):
        found = await peer.ask(AlterReplicaLogDirsRequest(dirs), version)
        return [(topic.topic_name, one.partition_index, name_of(one.error_code)) for topic in found.results
                for one in topic.partitions]  # fmt: skip

    assert await results(moved("/higgins", t=[0, 9], nowhere=[0])) == [
        ("t", 0, "NONE"),
        ("t", 9, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("nowhere", 0, "UNKNOWN_TOPIC_OR_PARTITION"),
    ]
    assert await results(moved("/elsewhere", t=[0, 9])) == [
        ("t", 0, "LOG_DIR_NOT_FOUND"),
        ("t", 9, "LOG_DIR_NOT_FOUND"),
    ]
    # As in Kafka, where a partition is put into several directories the last one counts.
    assert await results(moved("/elsewhere", t=[0]), moved("/higgins", t=[0])) == [("t", 0, "NONE")]
    assert await results() == []


# ---- DescribeQuorum --------------------------------------------------------------------------------------------------


async def quorum(peer, version, **topics):
    asked = [QuorumTopic(name, [PartitionRequest(index) for index in indexes]) for name, indexes in topics.items()]
    found = await peer.ask(DescribeQuorumRequest(asked), version)
    assert (found.error_code, bool(found.error_message)) == (0, False)
    return found


@pytest.mark.parametrize("version", range(3))
async def test_the_ledger_is_described_as_the_quorum_of_all_nodes(autojump_clock, start, version):
    await start()
    elsewhere = Listener("127.0.0.1:9093", "127.0.0.1", 9093, "127.0.0.1", 9093)
    peer = (await start(server=ServerSettings(listeners=(elsewhere,)))).connect()
    before = (await quorum(peer, version, __cluster_metadata=[0])).topics[0].partitions[0].high_watermark
    await peer.create("t")
    found = await quorum(peer, version, __cluster_metadata=[0])
    ((state,),) = (topic.partitions for topic in found.topics)
    assert (found.topics[0].topic_name, state.partition_index, state.error_code) == ("__cluster_metadata", 0, 0)
    assert (state.leader_id, state.leader_epoch, state.observers) == (1, 1, [])
    assert state.high_watermark > before > 0
    assert [(one.replica_id, one.log_end_offset) for one in state.current_voters] == [
        (1, state.high_watermark),
        (2, state.high_watermark),
    ]
    assert {one.last_caught_up_timestamp > 0 for one in state.current_voters} == {version >= 1}
    nodes = [(one.node_id, one.listeners[0].port) for one in found.nodes]
    assert nodes == ([(1, 9092), (2, 9093)] if version >= 2 else [])


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize(
    "topics",
    [{"t": [0]}, {"__cluster_metadata": [1]}, {"__cluster_metadata": [0, 1]}, {"__cluster_metadata": [0], "t": [0]}],
)
async def test_nothing_but_the_ledger_has_a_quorum(autojump_clock, peer, version, topics):
    found = await quorum(peer, version, **topics)
    rows = {topic.topic_name: topic.partitions for topic in found.topics}
    assert {name: [one.partition_index for one in partitions] for name, partitions in rows.items()} == topics
    codes = {name_of(one.error_code) for partitions in rows.values() for one in partitions}
    assert (codes, found.nodes) == ({"UNKNOWN_TOPIC_OR_PARTITION"}, [])


# ---- ElectLeaders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version, kind", [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)])
async def test_no_partition_needs_an_election(autojump_clock, peer, version, kind):
    request = ElectLeadersRequest(kind, [TopicPartitions("t", [0, 5]), TopicPartitions("nowhere", [0])])
    found = await peer.ask(request, version)
    assert found.error_code == 0
    rows = [(one.topic, each.partition_id, name_of(each.error_code), bool(each.error_message))
            for one in found.replica_election_results for each in one.partition_result]  # fmt: skip
    assert rows == [
        ("t", 0, "ELECTION_NOT_NEEDED", True),
        ("t", 5, "UNKNOWN_TOPIC_OR_PARTITION", True),
        ("nowhere", 0, "UNKNOWN_TOPIC_OR_PARTITION", True),
    ]
    everything = await peer.ask(ElectLeadersRequest(kind, None), version)
    assert everything.error_code == 0
    assert [(one.topic, one.partition_result) for one in everything.replica_election_results] == [("t", [])]


@pytest.mark.parametrize("version", [1, 2])
async def test_an_unknown_kind_of_election_is_refused(autojump_clock, peer, version):
    found = await peer.ask(ElectLeadersRequest(7, [TopicPartitions("t", [0])]), version)
    assert name_of(found.error_code) == "INVALID_REQUEST"
    (row,) = found.replica_election_results[0].partition_result
    assert (row.partition_id, name_of(row.error_code)) == (0, "INVALID_REQUEST")


# ---- reassignments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1])
async def test_there_are_no_replicas_to_move(autojump_clock, peer, version):
    asked = [ReassignablePartition(0, [1]), ReassignablePartition(0, [2]), ReassignablePartition(0, []),
             ReassignablePartition(0, None), ReassignablePartition(3, [1])]  # fmt: skip
    topics = [ReassignableTopic("t", asked), ReassignableTopic("nowhere", [ReassignablePartition(0, [1])])]
    found = await peer.ask(AlterPartitionReassignmentsRequest(topics=topics), version)
    assert (found.error_code, found.error_message) == (0, None)
    rows = [[name_of(each.error_code) for each in one.partitions] for one in found.responses]
    refused = "INVALID_REPLICA_ASSIGNMENT"
    assert rows == [
        ["NONE", refused, refused, "NO_REASSIGNMENT_IN_PROGRESS", "UNKNOWN_TOPIC_OR_PARTITION"],
        ["UNKNOWN_TOPIC_OR_PARTITION"],
    ]
    assert [bool(each.error_message) for each in found.responses[0].partitions] == [False, True, True, True, True]


async def test_nothing_is_ever_being_reassigned(autojump_clock, peer):
    for topics in (None, [ListPartitionReassignmentsTopics("t", [0])]):
        found = await peer.ask(ListPartitionReassignmentsRequest(topics=topics))
        assert (found.error_code, found.error_message, found.topics) == (0, None, [])
