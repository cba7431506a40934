"""The client against the real broker, on streams in memory and a virtual clock."""

import random
from collections.abc import Awaitable, Callable

import pytest
import trio

from higgins.broker import Broker
from higgins.client import (
    Admin,
    BrokerRefused,
    Consumer,
    GroupMember,
    MemberSettings,
    ProducerSettings,
    Rebalancing,
    Stored,
    open_cluster,
    open_group_consumer,
    open_producer,
)
from higgins.client.offsets import EARLIEST
from higgins.config.broker import BrokerConfig
from higgins.groups.settings import GroupSettings
from higgins.runtime import Runtime
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins_protocol.records.compression import Codec

QUICK = MemberSettings(session_timeout_ms=6_000, heartbeat_interval_ms=500)


class InPlace(Runtime):
    """Runs offloaded functions at once: with threads, the virtual clock would jump ahead while they run."""

    async def offload(self, limiter, function, *args):
        await trio.lowlevel.checkpoint()
        return function(*args)


class BreakingStream(trio.abc.Stream):
    """A stream that breaks after a number of operations."""

    def __init__(self, stream, operations):
        self.stream = stream
        self.remaining = operations

    async def _use(self):
        self.remaining -= 1
        if self.remaining < 0:
            await self.aclose()
            raise trio.BrokenResourceError("cut")

    async def send_all(self, data):
        await self._use()
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes=None):
        await self._use()
        return await self.stream.receive_some(max_bytes)

    async def aclose(self):
        await self.stream.aclose()


@pytest.fixture
def with_broker() -> Callable[..., Awaitable[None]]:
    """Run a test's `story(cluster)` with a broker on an empty memory store. With `random_cuts`, connections break."""

    async def run(story, random_cuts=None):
        runtime = InPlace()
        settings = Settings(
            groups=GroupSettings(initial_rebalance_delay_ms=0),
            broker=BrokerConfig(partitions_default=4),
        )
        broker = Broker(runtime, settings, store=memory_store(runtime, StoreSettings(url="memory://")))

        streams = []

        async def connect(host, port):
            await trio.lowlevel.checkpoint()
            if random_cuts is None:
                return broker.connect()
            streams.append(BreakingStream(broker.connect(), random_cuts.randrange(4, 40)))
            return streams[-1]

        with trio.fail_after(300):
            async with trio.open_nursery() as nursery:
                await nursery.start(broker.run)
                async with open_cluster(connect, runtime, [("127.0.0.1", 9092)]) as cluster:
                    await story(cluster)
                broker.stop()
        if random_cuts is not None:
            broken = sum(stream.remaining < 0 for stream in streams)
            assert broken >= 3, "too few connections broke for a meaningful test"

    return run


async def read_all(consumer, count):
    records = []
    while len(records) < count:
        records.extend(await consumer.poll(5))
    return records


@pytest.mark.parametrize("codec", list(Codec))
async def test_produced_records_are_consumed(with_broker, autojump_clock, codec):
    async def story(cluster):
        await Admin(cluster).create_topic("t", partitions=3)
        headers = (("trace", b"1"), ("none", None))
        async with open_producer(cluster, ProducerSettings(codec=codec)) as producer:
            for n in range(300):
                await producer.send("t", b"v%d" % n, key=b"k%d" % (n % 7), headers=headers, timestamp_ms=1000 + n)
            await producer.send("t", None, key=b"gone")
        consumer = Consumer(cluster)
        consumer.assign({("t", one): EARLIEST for one in range(3)})
        records = await read_all(consumer, 301)
        by_key = {}
        for one in records:
            by_key.setdefault(one.key, []).append(one.value)
        assert by_key == {
            b"gone": [None],
            **{b"k%d" % k: [b"v%d" % n for n in range(300) if n % 7 == k] for k in range(7)},
        }
        assert {one.headers for one in records} == {headers, ()}

    await with_broker(story)


@pytest.mark.parametrize("acks", [1, 0])
async def test_records_with_acks_1_and_0_are_stored(with_broker, autojump_clock, acks):
    async def story(cluster):
        await Admin(cluster).create_topic("t", partitions=1)
        async with open_producer(cluster, ProducerSettings(acks=acks, idempotent=False)) as producer:
            results = [await producer.produce("t", b"%d" % n) for n in range(5)]
        assert [one.offset for one in results] == (list(range(5)) if acks else [-1] * 5)
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): 0})
        assert [one.value for one in await read_all(consumer, 5)] == [b"%d" % n for n in range(5)]

    await with_broker(story)


async def test_topics_are_created_listed_and_deleted(with_broker, autojump_clock):
    async def story(cluster):
        admin = Admin(cluster)
        await admin.create_topic("a")
        await admin.create_topic("b", partitions=2, configs={"max.message.bytes": "2000"})
        assert [(one.name, len(one.leaders)) for one in await admin.topics()] == [("a", 4), ("b", 2)]
        with pytest.raises(BrokerRefused, match="TOPIC_ALREADY_EXISTS"):
            await admin.create_topic("a")
        with pytest.raises(BrokerRefused, match="INVALID_TOPIC_EXCEPTION"):
            await admin.create_topic("not/a/name")
        async with open_producer(cluster) as producer:
            refused = await producer.produce("b", bytes(3000), partition=0)
            assert refused.code.name == "MESSAGE_TOO_LARGE"
            assert isinstance(await producer.produce("b", bytes(30), partition=0), Stored)
        await admin.delete_topic("a")
        assert [one.name for one in await admin.topics()] == ["b"]
        with pytest.raises(BrokerRefused):
            await admin.delete_topic("a")

    await with_broker(story)


async def test_groups_without_members_are_reset_and_deleted(with_broker, autojump_clock):
    async def story(cluster):
        admin = Admin(cluster)
        await admin.create_topic("t", partitions=2)
        await admin.reset_offsets("g", {("t", 0): 3, ("t", 1): 0})
        assert await admin.committed("g") == {("t", 0): 3, ("t", 1): 0}
        member = GroupMember(cluster, "g", ["t"], QUICK)
        await member.join()
        for attempt in (admin.reset_offsets("g", {("t", 0): 1}), admin.delete_group("g")):
            with pytest.raises(BrokerRefused, match="has members; stop them first") as refused:
                await attempt
            assert refused.value.code.name == "NON_EMPTY_GROUP"
        await member.leave()
        await admin.delete_group("g")
        assert await admin.committed("g") == {}
        with pytest.raises(BrokerRefused, match="does not exist"):
            await admin.delete_group("g")

    await with_broker(story)


async def test_partitions_are_added_and_records_are_deleted(with_broker, autojump_clock):
    async def story(cluster):
        admin = Admin(cluster)
        await admin.create_topic("t", partitions=1)
        await admin.add_partitions("t", 3)
        async with open_producer(cluster, ProducerSettings()) as producer:
            for n in range(6):
                await producer.produce("t", b"%d" % n, partition=n % 3)
        starts = await admin.delete_records({("t", 0): 1, ("t", 1): -1, ("t", 2): 0})
        assert starts == {("t", 0): 1, ("t", 1): 2, ("t", 2): 0}
        consumer = Consumer(cluster)
        consumer.assign({("t", one): EARLIEST for one in range(3)})
        assert sorted(one.value for one in await read_all(consumer, 3)) == [b"2", b"3", b"5"]
        with pytest.raises(BrokerRefused, match="OFFSET_OUT_OF_RANGE"):
            await admin.delete_records({("t", 0): 9})

    await with_broker(story)


async def test_members_share_a_topic_and_take_over_when_one_leaves(with_broker, autojump_clock):
    async def story(cluster):
        await Admin(cluster).create_topic("t", partitions=4)
        seen, owners = [], {}

        async def member(name, leaves_after):
            async with open_group_consumer(cluster, "g", ["t"], member=QUICK, commit_interval_s=0.1) as one:
                with trio.move_on_after(leaves_after):
                    while True:
                        for record in await one.poll(1):
                            seen.append(record.value)
                            owners.setdefault(name, set()).add(record.partition)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(member, "first", 10)
            nursery.start_soon(member, "second", 40)
            async with open_producer(cluster) as producer:
                for n in range(120):
                    await producer.produce("t", b"%d" % n, partition=n % 4)
                    await trio.sleep(0.25)
        assert set(seen) == {b"%d" % n for n in range(120)}
        assert len(owners["first"]) in {2, 4}
        assert owners["second"] == {0, 1, 2, 3}, "the second member takes over when the first leaves"
        assert sum((await Admin(cluster).committed("g")).values()) == 120
        group = await Admin(cluster).describe_group("g")
        assert (group.group_state, group.members) == ("Empty", [])
        assert [one.group_id for one in await Admin(cluster).groups()] == ["g"]

    await with_broker(story)


async def test_a_silent_member_is_replaced_after_its_session_timeout(with_broker, autojump_clock):
    async def story(cluster):
        await Admin(cluster).create_topic("t", partitions=2)
        async with open_producer(cluster) as producer:
            for n in range(20):
                await producer.produce("t", b"%d" % n, partition=n % 2)
        dead = GroupMember(cluster, "g", ["t"], QUICK)
        assert len(await dead.join()) == 2
        await dead.commit({("t", 0): 4})
        dead.close()
        started_at = trio.current_time()
        async with open_group_consumer(cluster, "g", ["t"], member=QUICK) as successor:
            records = []
            while len(records) < 16:
                records.extend(await successor.poll(5))
        assert sorted(int(one.value) for one in records) == sorted([*range(1, 20, 2), *range(8, 20, 2)])
        assert trio.current_time() - started_at <= 2 * QUICK.session_timeout_ms / 1000
        with pytest.raises((Rebalancing, BrokerRefused)):
            await dead.heartbeat()

    await with_broker(story)


@pytest.mark.parametrize("seed", range(8))
async def test_with_breaking_connections_each_record_is_stored_once_and_in_order(
    with_broker, autojump_clock, seed
):
    values = [b"%d" % n for n in range(400)]

    async def story(cluster):
        await cluster.topic("t", create=True)
        async with open_producer(cluster, ProducerSettings(batch_records_max=7, linger_ms=3)) as producer:
            sent = []
            for n, value in enumerate(values):
                sent.append(await producer.send("t", value, partition=n % 2))
                if n % 5 == 0:
                    await trio.sleep(0.01)
        assert [future.result() for future in sent] == [Stored("t", n % 2, n // 2) for n in range(400)]
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST, ("t", 1): EARLIEST})
        records = {0: [], 1: []}
        while sum(map(len, records.values())) < 400:
            for record in await consumer.poll(5):
                records[record.partition].append(record.value)
        assert (records[0], records[1]) == (values[::2], values[1::2])

    await with_broker(story, random.Random(seed))


async def test_an_applied_topography_fills_its_derived_stream(with_broker, autojump_clock):
    text = '[streams.orders]\nformat = "json"\n[streams.large]\nbase = "orders"\ntype = "filter"\nwhere = "qty > 5"\n'

    async def story(cluster):
        admin = Admin(cluster)
        assert (await admin.private("apply", {"document": text}))["changes"]
        assert (await admin.private("apply", {"document": text}))["changes"] == []
        async with open_producer(cluster) as producer:
            for n in range(40):
                await producer.produce("orders", b'{"qty": %d}' % n)
        consumer = Consumer(cluster)
        consumer.assign({("large", one): EARLIEST for one in range(4)})
        records = {one.value for one in await read_all(consumer, 34)}
        assert records == {b'{"qty": %d}' % n for n in range(6, 40)}
        listed = await admin.private("operators.list", {})
        assert [one["name"] for one in listed["operators"]] == ["large"]
        with pytest.raises(BrokerRefused, match="no verb"):
            await admin.private("dance", {})

    await with_broker(story)
