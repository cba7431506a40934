"""The consumer against a fake broker: positions, seeks, resets, moved leaders, cancelled polls."""

import pytest
import trio

from higgins.client import BrokerRefused, Consumer, ConsumerSettings, IncompatibleBroker
from higgins.client.offsets import EARLIEST, LATEST
from higgins_protocol.messages.list_offsets import ListOffsetsRequest
from higgins_protocol.records.control import Ending, Marker, encode_marker
from higgins_protocol.records.record import Record, encode_batch

FETCH = 1
LIST_OFFSETS = 2


def batch(*values, timestamp_ms=0, codec=0):
    records = [Record(n, timestamp_ms + n, b"k", value, (("h", b"1"),)) for n, value in enumerate(values)]
    return bytes(encode_batch(records, codec=codec))


def values(records):
    return [record.value for record in records]


async def read(consumer, count, timeout_s=60):
    records = []
    with trio.fail_after(timeout_s):
        while len(records) < count:
            records.extend(await consumer.poll(5))
    return records


async def test_records_of_all_partitions_are_read_in_order_with_keys_and_headers(
    broker, with_cluster, autojump_clock
):
    for partition, log in enumerate(broker.topics["t"]):
        for n in range(0, 30, 3):
            log.append(batch(*(b"%d-%d" % (partition, n + i) for i in range(3)), timestamp_ms=n, codec=n % 5))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST, ("t", 1): 4})
        records = await read(consumer, 56)
        assert values([record for record in records if record.partition == 0]) == [b"0-%d" % n for n in range(30)]
        assert values([record for record in records if record.partition == 1]) == [b"1-%d" % n for n in range(4, 30)]
        assert (records[0].key, records[0].headers) == (b"k", (("h", b"1"),))
        assert consumer.positions() == {("t", 0): 30, ("t", 1): 30}
        assert await consumer.poll(1) == []

    await with_cluster(story)


async def test_latest_is_resolved_once(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]
    log.append(batch(b"old"))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): LATEST})
        await consumer.resolve_positions()
        log.append(batch(b"new"))
        assert values(await read(consumer, 1)) == [b"new"]

    await with_cluster(story)


async def test_seek_to_time_continues_at_the_first_record_at_or_after_it(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]
    log.append(batch(b"a", b"b", b"c", timestamp_ms=100))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        await consumer.seek_to_time(101)
        assert values(await read(consumer, 2)) == [b"b", b"c"]
        await consumer.seek_to_time(10_000)
        assert await consumer.poll(1) == []
        assert consumer.position("t", 0) == 3

    await with_cluster(story)


async def test_control_batches_are_skipped(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]
    log.append(batch(b"before"))
    log.append(encode_marker(Marker(Ending.COMMIT, producer_id=-1, producer_epoch=-1, timestamp=0)))
    log.append(batch(b"after"))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        assert values(await read(consumer, 2)) == [b"before", b"after"]
        assert consumer.position("t", 0) == 3

    await with_cluster(story)


async def test_a_position_out_of_range_is_reset_or_raises(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]
    for value in (b"0", b"1", b"2"):
        log.append(batch(value))
    log.start = 1

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): 0})
        assert values(await read(consumer, 2)) == [b"1", b"2"]
        strict = Consumer(cluster, ConsumerSettings(reset="error"))
        strict.assign({("t", 0): 0})
        with pytest.raises(BrokerRefused, match=r"Offset 0 is not in t \[0\]"):
            await strict.poll(5)

    await with_cluster(story)


async def test_the_leader_is_records_again_after_it_moves_or_dies(broker, with_cluster, autojump_clock):
    second = broker.add_node(2)
    log = broker.topics["t"][0]
    log.append(batch(b"a"))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        assert values(await read(consumer, 1)) == [b"a"]
        log.leader = 2
        log.append(batch(b"b"))
        assert values(await read(consumer, 1)) == [b"b"]
        log.leader = 1
        await second.kill()
        log.append(batch(b"c"))
        assert values(await read(consumer, 1)) == [b"c"]

    await with_cluster(story)


async def test_a_poll_cancelled_anywhere_loses_no_records(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        records = []
        for n in range(100):
            log.append(batch(b"%d" % n))
            with trio.move_on_after(n / 1000):
                records.extend(await consumer.poll(5))
        records.extend(await read(consumer, 100 - len(records)))
        assert values(records) == [b"%d" % n for n in range(100)]

    await with_cluster(story)


async def test_a_seek_drops_fetched_records(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]
    for n in range(10):
        log.append(batch(b"%d" % n))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        assert values(await consumer.poll(5, records_max=2)) == [b"0", b"1"]
        consumer.seek("t", 0, 8)
        assert values(await read(consumer, 2)) == [b"8", b"9"]

    await with_cluster(story)


async def test_a_damaged_batch_raises_and_is_not_skipped(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]
    damaged = bytearray(batch(b"value"))
    damaged[-2] ^= 1
    log.append(bytes(damaged))

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        with pytest.raises(IncompatibleBroker, match="checksum"):
            await consumer.poll(5)

    await with_cluster(story)


async def test_reading_continues_when_an_unreachable_broker_returns(broker, with_cluster, autojump_clock):
    log = broker.topics["t"][0]

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): 0})
        assert await consumer.poll(1) == []
        await broker.nodes[1].kill()
        assert await consumer.poll(10) == []
        broker.nodes[1].up = True
        log.append(batch(b"back"))
        assert values(await read(consumer, 1)) == [b"back"]

    await with_cluster(story)


async def test_short_polls_resolve_positions_with_a_slow_broker(broker, with_cluster, autojump_clock):
    broker.topics["t"][0].append(batch(b"a"))

    respond = broker.respond

    async def slowly(node, request):
        if isinstance(request, ListOffsetsRequest):
            await trio.sleep(2)
        return await respond(node, request)

    broker.respond = slowly

    async def story(cluster):
        consumer = Consumer(cluster)
        consumer.assign({("t", 0): EARLIEST})
        records = []
        with trio.fail_after(10):
            while not records:
                records = await consumer.poll(0.5)
        assert values(records) == [b"a"]
        assert len(broker.requests(LIST_OFFSETS)) == 1

    await with_cluster(story)
