"""Two whole brokers over one bucket whose reads take time: what one has done is true on the other at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from higgins.broker import Broker
from higgins.server.settings import Listener, ServerSettings
from higgins.settings import Settings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker.peer import Peer, StoryRuntime, batch, batches_of, fetch_request, produce_many
from tests.ledger.nodes import beside
from tests.storage.fakes import FakeStore

LARGE = 500_000


@asynccontextmanager
async def node(store: FakeStore, port: int) -> AsyncIterator[Peer]:
    """A connection to a broker over the store, which is killed in the end."""
    listener = Listener(name="PLAIN", host="h", port=port, advertised_host="h", advertised_port=port)
    settings = Settings(server=ServerSettings(listeners=(listener,)))
    broker = Broker(StoryRuntime(), settings, store=store)
    async with trio.open_nursery() as nursery:
        await nursery.start(broker.run)
        yield Peer(broker.connect())
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Peer, Peer, FakeStore]]:
    """Both nodes, and the bucket as the second sees it. The second looks for commits once a second."""
    store = FakeStore()
    other = beside(store)
    async with node(store, 9092) as one, node(other, 9093) as two:
        await trio.sleep(3)
        yield one, two, other


def codes(answer) -> list[str]:
    return [ErrorCode(row.error_code).name for topic in answer.responses for row in topic.partitions]


async def test_the_bound_of_a_fetch_holds_over_all_partitions_that_are_read_from_the_store(autojump_clock) -> None:
    async with two_nodes() as (one, two, bucket):
        await one.create("t", 3)
        for partition in range(3):
            await one.produce("t", batch(bytes(LARGE)), partition=partition)
        await two.offset_at("t", -1)

        async def slow(key: str) -> None:
            await trio.sleep(0.2)

        bucket.before_read = slow
        everything = [("t", partition, 0) for partition in range(3)]
        # Read from the store first, then from the cache: the answers are the same.
        for _ in range(2):
            for most, expected in ((600_000, [1, 0, 0]), (1, [1, 0, 0]), (1_100_000, [1, 1, 0]), (1 << 21, [1, 1, 1])):
                answer = await two.ask(fetch_request(everything, max_bytes=most))
                rows = answer.responses[0].partitions
                assert [len(batches_of(row)) for row in rows] == expected, most
        answer = await two.ask(fetch_request(everything, partition_bytes=10, max_bytes=2_000_000))
        assert [len(batches_of(row)) for row in answer.responses[0].partitions] == [1, 0, 0]


async def test_records_go_to_a_partition_that_another_node_has_just_added(autojump_clock) -> None:
    async with two_nodes() as (one, two, _):
        await one.create("t", 1)
        assert (await two.produce("t", batch(b"a"))).error_code == ErrorCode.NONE
        request = CreatePartitionsRequest([CreatePartitionsTopic("t", 3, assignments=None)], timeout_ms=1000)
        answer = await one.ask(request)
        assert answer.results[0].error_code == ErrorCode.NONE
        rows = (await two.ask(produce_many([("t", i, batch(b"b")) for i in range(4)]))).responses[0]
        found = [ErrorCode(row.error_code).name for row in rows.partition_responses]
        assert found == ["NONE", "NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION"]


@pytest.mark.parametrize("what", ["produce", "fetch", "list offsets", "metadata"])
async def test_a_topic_that_another_node_has_just_created_is_known(autojump_clock, what: str) -> None:
    async with two_nodes() as (one, two, _):
        await one.create("t")
        if what == "produce":
            assert (await two.produce("t", batch(b"a"))).error_code == ErrorCode.NONE
        elif what == "fetch":
            assert (await two.fetch("t", 0)).error_code == ErrorCode.NONE
        elif what == "list offsets":
            assert await two.offset_at("t", -1) == (ErrorCode.NONE, 0, -1)
        else:
            (row,) = (await two.ask(MetadataRequest([MetadataRequestTopic(name="t")]))).topics
            assert (row.error_code, len(row.partitions)) == (ErrorCode.NONE, 1)


async def test_what_another_node_has_committed_is_counted_and_read(autojump_clock) -> None:
    async with two_nodes() as (one, two, _):
        await one.create("t")
        await one.produce("t", batch(b"a", b"b"))
        assert await two.offset_at("t", -1) == (ErrorCode.NONE, 2, -1)
        await one.produce("t", batch(b"c"))
        # The node does not know the offset 3 yet, so it looks before it says that there is none.
        assert (await two.fetch("t", 3)).error_code == ErrorCode.NONE
        assert (await two.fetch("t", 4)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert await two.values("t") == [b"a", b"b", b"c"]
        deletion = DeleteRecordsRequest([DeleteRecordsTopic("t", [DeleteRecordsPartition(0, 2)])], timeout_ms=1000)
        await one.ask(deletion)
        assert await two.offset_at("t", -2) == (ErrorCode.NONE, 2, -1)


async def test_a_topic_that_another_node_has_deleted_takes_nothing(autojump_clock) -> None:
    async with two_nodes() as (one, two, _):
        await one.create("t")
        await two.produce("t", batch(b"a"))
        await one.ask(DeleteTopicsRequest(topics=[DeleteTopicState("t")], timeout_ms=1000))
        assert (await two.produce("t", batch(b"b"))).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (await two.fetch("t", 0)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_fetch_on_another_node_is_woken_by_a_commit(autojump_clock) -> None:
    async with two_nodes() as (one, two, _):
        await one.create("t")
        await two.fetch("t", 0)
        await two.send(fetch_request([("t", 0, 0)], max_wait_ms=30_000, min_bytes=1))
        await trio.sleep(5)
        await one.produce("t", batch(b"a"))
        produced_s = trio.current_time()
        answer = await two.receive()
        assert len(batches_of(answer.responses[0].partitions[0])) == 1
        assert trio.current_time() - produced_s < 0.1


async def test_an_object_that_cannot_be_read_fails_only_its_partition(autojump_clock) -> None:
    async with two_nodes() as (one, two, bucket):
        await one.create("t", 4)
        for partition in range(4):
            await one.produce("t", batch(bytes(200_000)), partition=partition)
        first, second, *_ = sorted(key for key in bucket.objects if key.startswith("data/"))
        bucket.objects[first] = bytes(len(bucket.objects[first]))
        del bucket.objects[second]
        await two.offset_at("t", -1)
        answer = await two.ask(fetch_request([("t", partition, 0) for partition in range(4)]))
        assert codes(answer) == ["CORRUPT_MESSAGE", "KAFKA_STORAGE_ERROR", "NONE", "NONE"]
        assert [len(batches_of(row)) for row in answer.responses[0].partitions[2:]] == [1, 1]


async def test_small_commits_of_both_nodes_are_read_in_one_order(autojump_clock) -> None:
    async with two_nodes() as (one, two, _):
        await one.create("t")
        for i in range(10):
            row = await (one if i % 2 else two).produce("t", batch(b"%d" % i))
            assert (row.error_code, row.base_offset) == (ErrorCode.NONE, i)
        expected = [b"%d" % i for i in range(10)]
        await one.offset_at("t", -1)
        await two.offset_at("t", -1)
        assert await one.values("t") == await two.values("t") == expected
