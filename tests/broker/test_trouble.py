"""The broker over a store that is slow, or away: what clients are told meanwhile, and what is true afterwards."""

from collections.abc import Sequence

import pytest
import structlog.testing
import trio

from higgins.broker import Broker
from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import Buffer, ObjectKey
from higgins.server.settings import Listener, ServerSettings
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.storage.store import ListedObject, Store, StoreTraits
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from higgins_protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.list_groups import ListGroupsRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker.peer import Peer, StoryRuntime, batch, fetch_request, produce_many, produce_request, records_of


class Balky:
    """A store whose writes can be held, whose reads can be slow, and that can be away altogether."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_held = False
        self.is_away = False
        self.refusal: StorageUnavailable | None = None
        """What every write is refused with."""
        self.read_s = 0.0
        self.range_s = 0.0
        self._freed = trio.Event()

    def free(self) -> None:
        self.is_held = False
        self._freed.set()

    @property
    def traits(self) -> StoreTraits:
        return self._store.traits

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await self._pause()
        await self._store.create(key, pieces)

    def create_nowait(self, key: ObjectKey, pieces: Sequence[Buffer]) -> bool:
        return not self.is_held and not self.is_away and self.refusal is None and self._store.create_nowait(key, pieces)

    async def put(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await self._pause()
        await self._store.put(key, pieces)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        await self._fail_if_away()
        await trio.sleep(self.read_s)
        return await self._store.get(key, durable=durable)

    async def get_range(self, key: ObjectKey, position: int, length: int) -> memoryview:
        await self._fail_if_away()
        await trio.sleep(self.range_s)
        return await self._store.get_range(key, position, length)

    def get_range_nowait(self, key: ObjectKey, position: int, length: int) -> list[memoryview] | None:
        return None if self.is_away or self.range_s else self._store.get_range_nowait(key, position, length)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[ListedObject]:
        await self._fail_if_away()
        return await self._store.list(prefix, after=after, limit=limit)

    async def delete(self, key: ObjectKey) -> None:
        await self._fail_if_away()
        await self._store.delete(key)

    async def _pause(self) -> None:
        await self._fail_if_away()
        if self.refusal is not None:
            raise self.refusal
        while self.is_held:
            await self._freed.wait()

    async def _fail_if_away(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise StorageUnavailable("The store is away.")


@pytest.fixture
def store() -> Balky:
    return Balky(memory_store(StoryRuntime(), StoreSettings(url="memory://")))


def code(row):
    return ErrorCode(row.error_code).name


SIZES = pytest.mark.parametrize("size", [10, 500_000], ids=["inline", "as an object"])


@SIZES
async def test_a_commit_that_takes_too_long_is_answered_in_time_and_happens_all_the_same(
    autojump_clock, peer, store, size
):
    store.is_held = True
    begun = trio.current_time()
    answer = await peer.ask(produce_request("t", batch(bytes(size)), timeout_ms=2_000))
    assert code(answer.responses[0].partition_responses[0]) == "REQUEST_TIMED_OUT"
    assert 2 <= trio.current_time() - begun < 3
    assert await peer.values("t") == [], "nothing is seen before its commit"
    store.free()
    await trio.sleep(1)
    assert await peer.values("t") == [bytes(size)]


@SIZES
async def test_an_answer_never_comes_before_the_commit(autojump_clock, peer, store, size):
    store.is_held = True
    await peer.send(produce_request("t", batch(bytes(size)), timeout_ms=60_000))
    assert await peer.is_silent(20)
    store.free()
    (row,) = (await peer.receive()).responses[0].partition_responses
    assert (row.error_code, row.base_offset) == (0, 0)


@SIZES
async def test_a_repeat_of_what_is_still_under_way_is_stored_once(autojump_clock, start, store, size):
    house = await start()
    first, second = house.connect(), house.connect()
    await first.create("t")
    producer = (await first.ask(InitProducerIdRequest(transactional_id=None))).producer_id
    data = batch(bytes(size), producer_id=producer, producer_epoch=0, base_sequence=0)
    store.is_held = True
    for peer in (first, second):
        await peer.send(produce_request("t", data))
        await trio.sleep(1)
    store.free()
    for peer in (first, second):
        (row,) = (await peer.receive()).responses[0].partition_responses
        assert (row.error_code, row.base_offset) == (0, 0)
    assert await first.values("t") == [bytes(size)]


@SIZES
async def test_a_store_that_refuses_writes_is_told_to_clients_soon_and_in_the_log_once(
    autojump_clock, start, store, size
):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    assert (await peer.produce("t", batch(b"before"))).error_code == 0
    with structlog.testing.capture_logs() as logs:
        store.refusal = StorageUnavailable("The disk is full.", certain=True)
        for attempt in range(5):
            begun = trio.current_time()
            row = await peer.produce("t", batch(bytes(size)))
            assert code(row) == "KAFKA_STORAGE_ERROR"
            assert trio.current_time() - begun < (5 if attempt == 0 else 4.5)
        (topic,) = (await peer.ask(CreateTopicsRequest([CreatableTopic("u", 1)], 30_000))).topics
        assert code(topic) not in {"NONE", "REQUEST_TIMED_OUT"}
        assert await peer.values("t") == [b"before"], "it still reads"
        store.refusal = None
        assert (await peer.produce("t", batch(b"after"))).error_code == 0
        await trio.sleep(10)
    assert await peer.values("t") == [b"before", b"after"], "what was refused has no effect later"
    told = [(line["event"], line["log_level"]) for line in logs if line["log_level"] in {"warning", "error"}]
    assert told == [("store.failing", "warning"), ("store.works_again", "warning")]
    assert "The disk is full." in str([line for line in logs if line["event"] == "store.failing"])


@SIZES
async def test_refused_batches_of_an_idempotent_producer_are_sent_again_in_order(autojump_clock, start, store, size):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    producer = (await peer.ask(InitProducerIdRequest(transactional_id=None))).producer_id
    batches = [
        batch(b"%d" % n + bytes(size), producer_id=producer, producer_epoch=0, base_sequence=n) for n in range(4)
    ]
    store.refusal = StorageUnavailable("The disk is full.", certain=True)
    for data in batches:
        await peer.send(produce_request("t", data))
    for _ in batches:
        assert code((await peer.receive()).responses[0].partition_responses[0]) == "KAFKA_STORAGE_ERROR"
    store.refusal = None
    for n, data in enumerate(batches):
        assert (await peer.produce("t", data)).base_offset == n


async def test_the_end_of_a_failure_is_noticed_without_a_client(autojump_clock, start, store):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    store.refusal = StorageUnavailable("The disk is full.", certain=True)
    await peer.produce("t", batch(b"x"))
    assert house.broker._counts.store.writes.since_ms
    store.refusal = None
    await trio.sleep(5)
    assert not house.broker._counts.store.writes.since_ms


@SIZES
async def test_records_outlast_a_store_that_was_away(autojump_clock, peer, store, size):
    store.is_away = True
    await peer.send(produce_request("t", batch(b"a" + bytes(size)), timeout_ms=60_000))
    await trio.sleep(5)
    store.is_away = False
    (row,) = (await peer.receive()).responses[0].partition_responses
    assert (row.error_code, row.base_offset) == (0, 0)
    assert (await peer.produce("t", batch(b"b"))).base_offset == 1
    assert await peer.values("t") == [b"a" + bytes(size), b"b"]


@pytest.mark.parametrize("asked", [[("u", 0, 0), ("t", 0, 0)], [("t", 0, 0)]], ids=["while another", "while it"])
async def test_what_is_deleted_while_a_partition_is_read_is_out_of_range(autojump_clock, start, store, asked):
    # The batch that holds the new start holds a deleted record too; served for the old offset, it would be handed out.
    house = await start()
    reader, other = house.connect(), house.connect()
    for topic in ("t", "u"):
        await other.create(topic)
        await other.produce(topic, batch(bytes(500_000)))
    await other.produce("t", batch(b"deleted", b"stays"))
    store.range_s = 1.0
    await reader.send(fetch_request(asked))
    await trio.sleep(0.5)
    deletion = DeleteRecordsTopic("t", [DeleteRecordsPartition(0, 2)])
    (topic,) = (await other.ask(DeleteRecordsRequest([deletion]))).topics
    assert (code(topic.partitions[0]), topic.partitions[0].low_watermark) == ("NONE", 2)
    assert reader.is_due
    row = (await reader.receive()).responses[-1].partitions[0]
    assert (code(row), row.records) == ("OFFSET_OUT_OF_RANGE", b"")
    row = await reader.fetch("t", 2)
    assert [record.value for record in records_of(row) if record.offset >= 2] == [b"stays"]


async def test_a_refusal_under_way_does_not_let_the_next_request_overtake(autojump_clock, peer, store):
    store.read_s = 0.1
    await peer.send(produce_many([("nowhere", 0, batch(b"x")), ("t", 0, batch(b"first"))]))
    await peer.send(produce_request("t", batch(b"second")))
    answers = [await peer.receive() for _ in range(2)]
    assert [code(topic.partition_responses[0]) for one in answers for topic in one.responses] == [
        "UNKNOWN_TOPIC_OR_PARTITION",
        "NONE",
        "NONE",
    ]
    assert await peer.values("t") == [b"first", b"second"]


async def test_at_the_end_the_idle_are_closed_at_once_and_the_others_answered_first(autojump_clock, start, store):
    house = await start()
    idle, busy = house.connect(), house.connect()
    await busy.create("t")
    store.is_held = True
    await busy.send(produce_request("t", batch(b"a")))
    await trio.sleep(1)
    house.broker.stop()
    begun = trio.current_time()
    assert await idle.is_closed()
    assert trio.current_time() - begun < 1
    await busy.send(produce_request("t", batch(b"too late")), answered=False)
    await trio.sleep(1)
    store.free()
    assert (await busy.receive()).responses[0].partition_responses[0].error_code == 0
    assert await busy.is_closed()
    assert await (await start()).connect().values("t") == [b"a"]


async def test_what_is_taken_in_the_last_moment_does_not_linger(autojump_clock, start, store):
    house = await start()
    peer = house.connect()
    await peer.create("t", configs={"higgins.linger.ms": "60000"})
    await peer.produce("t", batch(b"a"))
    store.read_s = 0.15
    await peer.send(produce_many([("nowhere", 0, batch(b"x")), ("t", 0, batch(b"b"))]))
    await trio.sleep(0.1)
    house.broker.stop()
    answer = await peer.receive()
    assert [code(topic.partition_responses[0]) for topic in answer.responses] == ["UNKNOWN_TOPIC_OR_PARTITION", "NONE"]


async def test_refusals_are_not_given_from_memory(autojump_clock, peer, store):
    await peer.produce("t", batch(b"a"))
    store.is_away = True
    # Each of these would be a lie if another node had just made the topic.
    assert code(await peer.produce("nowhere", batch(b"a"))) == "KAFKA_STORAGE_ERROR"
    assert code(await peer.fetch("nowhere", 0)) == "NOT_LEADER_OR_FOLLOWER"
    assert code(await peer.fetch("t", 99)) == "NOT_LEADER_OR_FOLLOWER"
    assert ErrorCode((await peer.offset_at("t", -1))[0]).name == "NOT_LEADER_OR_FOLLOWER"
    asked = MetadataRequest([MetadataRequestTopic(name="nowhere")])
    assert code((await peer.ask(asked)).topics[0]) == "LEADER_NOT_AVAILABLE"
    assert code((await peer.ask(CreateTopicsRequest([CreatableTopic("new", 1, 1)]))).topics[0]) == "NOT_CONTROLLER"
    assert code((await peer.ask(DeleteTopicsRequest([DeleteTopicState("t")]))).responses[0]) == "NOT_CONTROLLER"
    store.is_away = False
    assert code(await peer.fetch("nowhere", 0)) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert await peer.values("t") == [b"a"]


async def test_lists_are_not_given_from_memory(autojump_clock, peer, store):
    lists = [ListGroupsRequest(), DescribeLogDirsRequest(None)]
    store.is_away = True
    groups, folders = [await peer.ask(each) for each in lists]
    assert code(groups) == "COORDINATOR_NOT_AVAILABLE" and not groups.groups
    assert code(folders.results[0]) == "KAFKA_STORAGE_ERROR" and not folders.results[0].topics
    store.is_away = False
    groups, folders = [await peer.ask(each) for each in lists]
    assert code(groups) == "NONE" and [code(one) for one in folders.results] == ["NONE"]


async def test_what_needs_no_store_is_served_without_it(autojump_clock, peer, store):
    await peer.produce("t", batch(b"a"))
    store.is_away = True
    found = (await peer.ask(MetadataRequest([MetadataRequestTopic(name="t")]))).topics
    assert [(topic.name, len(topic.partitions)) for topic in found] == [("t", 1)]
    assert (await peer.fetch("t", 1)).error_code == 0, "the end of the log is known"


async def test_a_node_beside_another_stops_in_time_though_the_store_takes_nothing(autojump_clock, store):
    def node(port):
        door = Listener(f"d{port}", "h", port, "h", port)
        return Broker(StoryRuntime(), Settings(server=ServerSettings(listeners=(door,))), store=store)

    first = node(9001)
    async with trio.open_nursery() as others:
        second = node(9002)
        async with trio.open_nursery() as own:
            await own.start(first.run)
            await others.start(second.run)
            peer = Peer(first.connect())
            await peer.create("t")
            store.is_held = True
            await peer.send(produce_request("t", batch(b"never to be taken")), answered=False)
            await trio.sleep(1)
            begun = trio.current_time()
            first.stop()
        assert trio.current_time() - begun <= 10
        assert await peer.is_closed()
        others.cancel_scope.cancel()
