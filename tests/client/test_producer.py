"""The producer against a fake broker: moved leaders, lost responses, a full buffer."""

import pytest
import trio

from higgins.client import BrokerRefused, NotStored, ProducerSettings, Stored, Unresolved, open_producer
from higgins.client.partitioner import murmur2, partition_of_key
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.init_producer_id import InitProducerIdResponse
from higgins_protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)

PRODUCE = 0
INIT_PRODUCER_ID = 22


def refusing(code):
    def script(node, request):
        index = request.topic_data[0].partition_data[0].index
        answer = PartitionProduceResponse(index=index, error_code=code, base_offset=-1)
        return ProduceResponse(responses=[TopicProduceResponse(name="t", partition_responses=[answer])])

    return script


@pytest.mark.parametrize("settings", [ProducerSettings(), ProducerSettings(idempotent=False)])
async def test_records_are_stored_in_order_and_get_their_offsets(broker, with_cluster, autojump_clock, settings):
    async def story(cluster):
        async with open_producer(cluster, settings) as producer:
            sent = [await producer.send("t", b"%d" % n, partition=0) for n in range(500)]
        assert [future.result() for future in sent] == [Stored("t", 0, n) for n in range(500)]

    await with_cluster(story)
    assert broker.topics["t"][0].values() == [b"%d" % n for n in range(500)]


async def test_a_lost_response_does_not_store_an_idempotent_record_twice(broker, with_cluster, autojump_clock):
    def store_and_drop(node, request):
        data = bytes(request.topic_data[0].partition_data[0].records)
        broker.topics["t"][0].append(data)
        return "drop"

    broker.script(PRODUCE, store_and_drop, lambda node, request: "drop")

    async def story(cluster):
        async with open_producer(cluster) as producer:
            assert await producer.produce("t", b"once", partition=0) == Stored("t", 0, 0)

    await with_cluster(story)
    assert broker.topics["t"][0].values() == [b"once"]


async def test_without_idempotence_a_lost_response_is_unresolved(broker, with_cluster, autojump_clock):
    broker.script(PRODUCE, lambda node, request: "drop")

    async def story(cluster):
        async with open_producer(cluster, ProducerSettings(idempotent=False)) as producer:
            assert isinstance(await producer.produce("t", b"lost", partition=0), Unresolved)
            assert isinstance(await producer.produce("t", b"next", partition=0), Stored)

    await with_cluster(story)
    assert broker.topics["t"][0].values() == [b"next"]


async def test_a_moved_leader_is_found(broker, with_cluster, autojump_clock):
    broker.add_node(2)

    async def story(cluster):
        async with open_producer(cluster) as producer:
            await producer.produce("t", b"on one", partition=0)
            broker.topics["t"][0].leader = 2
            assert await producer.produce("t", b"on two", partition=0) == Stored("t", 0, 1)

    await with_cluster(story)


async def test_after_an_error_that_is_not_retriable_the_next_record_is_stored(broker, with_cluster, autojump_clock):
    broker.script(PRODUCE, refusing(ErrorCode.MESSAGE_TOO_LARGE))

    async def story(cluster):
        async with open_producer(cluster) as producer:
            refused = await producer.produce("t", b"large", partition=0)
            assert refused == NotStored("t", 0, ErrorCode.MESSAGE_TOO_LARGE, "")
            assert isinstance(await producer.produce("t", b"small", partition=0), Stored)

    await with_cluster(story)
    assert broker.producers == 2


async def test_a_full_buffer_makes_send_wait(broker, with_cluster, autojump_clock):
    gate = []
    broker.script(PRODUCE, lambda node, request: gate.append(trio.current_time()) or "silent")
    settings = ProducerSettings(buffer_bytes_max=1000, request_timeout_ms=20_000)

    async def story(cluster):
        async with open_producer(cluster, settings) as producer:
            await producer.send("t", bytes(2000), partition=0)
            await producer.send("t", b"waits", partition=0)
            assert trio.current_time() - gate[0] >= 20

    await with_cluster(story)


async def test_records_for_an_unreachable_broker_end_as_not_stored(broker, with_cluster, autojump_clock):
    async def story(cluster):
        settings = ProducerSettings(delivery_timeout_ms=5_000)
        async with open_producer(cluster, settings) as producer:
            await producer.produce("t", b"there", partition=0)
            await broker.nodes[1].kill()
            started_at = trio.current_time()
            assert isinstance(await producer.produce("t", b"gone", partition=0), NotStored)
            assert trio.current_time() - started_at < 60

    await with_cluster(story)


async def test_acks_0_waits_for_no_response(broker, with_cluster, autojump_clock):
    async def story(cluster):
        async with open_producer(cluster, ProducerSettings(idempotent=False, acks=0)) as producer:
            assert await producer.produce("t", b"fire", partition=1) == Stored("t", 1, -1)
            assert await producer.produce("t", b"forget", partition=1) == Stored("t", 1, -1)
        await trio.testing.wait_all_tasks_blocked()

    await with_cluster(story)
    assert broker.topics["t"][1].values() == [b"fire", b"forget"]


async def test_a_refused_producer_id_fails_the_record_without_a_retry(broker, with_cluster, autojump_clock):
    refusal = InitProducerIdResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    broker.script(INIT_PRODUCER_ID, lambda node, request: refusal)

    async def story(cluster):
        async with open_producer(cluster) as producer:
            result = await producer.produce("t", b"x", partition=0)
            assert result.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED
            assert await producer.produce("t", b"y", partition=0) == Stored("t", 0, 0)

    await with_cluster(story)


async def test_sending_to_a_missing_topic_or_partition_raises_at_once(broker, with_cluster, autojump_clock):
    async def story(cluster):
        async with open_producer(cluster) as producer:
            with pytest.raises(BrokerRefused, match="'nowhere' does not exist"):
                await producer.send("nowhere", b"x")
            with pytest.raises(BrokerRefused, match="no partition 7; it has 2"):
                await producer.send("t", b"x", partition=7)

    await with_cluster(story)


async def test_a_cancelled_producer_gives_every_record_a_result(broker, with_cluster, autojump_clock):
    broker.script(PRODUCE, lambda node, request: "silent")

    async def story(cluster):
        with trio.move_on_after(1):
            async with open_producer(cluster) as producer:
                future = await producer.send("t", b"x", partition=0)
                await trio.sleep_forever()
        assert isinstance(future.result(), Unresolved)

    await with_cluster(story)


def test_keys_are_partitioned_as_by_the_java_client():
    # The values in Apache Kafka's own tests of murmur2.
    known = {b"21": -973932308, b"foobar": -790332482, b"abc": 479470107}
    for key, expected in known.items():
        assert murmur2(key) == expected & 0xFFFFFFFF
    assert {partition_of_key(b"%d" % n, 8) for n in range(200)} == set(range(8))
