"""Connections of the whole broker: order, bounds, garbage, and an end in good order."""

import pytest
import trio

from higgins.server.settings import ServerSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.registry import encode_request
from tests.broker.peer import batch, fetch_request, produce_request, records_of

LONG_MS = 30_000


def waiting(wait_ms=LONG_MS):
    return fetch_request([("t", 0, 0)], max_wait_ms=wait_ms, min_bytes=1 << 20)


# ---- order -----------------------------------------------------------------------------------------------------------


async def test_answers_leave_in_the_order_of_the_requests_with_a_long_poll_in_front(autojump_clock, peer):
    await peer.send(waiting(5_000))
    await peer.send(MetadataRequest(None), 4)
    await peer.send(produce_request("t", batch(b"a")))
    await peer.send(ApiVersionsRequest("a", "1"))
    begun = trio.current_time()
    answers = [await peer.receive() for _ in range(4)]
    assert 5 <= trio.current_time() - begun < 6, "everything waits for the first answer"
    assert [type(one).__name__.removesuffix("Response") for one in answers] == [
        "Fetch",
        "Metadata",
        "Produce",
        "ApiVersions",
    ]


async def test_what_stands_behind_a_long_poll_is_done_meanwhile(autojump_clock, start):
    house = await start()
    peer, other = house.connect(), house.connect()
    await other.create("t")
    await peer.send(waiting())
    await peer.send(produce_request("t", batch(b"a")))
    begun = trio.current_time()
    row = await other.fetch("t", 0, max_wait_ms=LONG_MS, min_bytes=1)
    assert [one.value for one in records_of(row)] == [b"a"]
    assert trio.current_time() - begun < 1


async def test_batches_sent_without_waiting_keep_their_order(autojump_clock, peer):
    await peer.create("many", 4)
    for n in range(200):
        await peer.send(produce_request("many", batch(b"%d" % n), partition=n % 4))
    for n in range(200):
        (row,) = (await peer.receive()).responses[0].partition_responses
        assert (row.index, row.error_code, row.base_offset) == (n % 4, 0, n // 4)
    for partition in range(4):
        assert await peer.values("many", partition=partition) == [b"%d" % n for n in range(partition, 200, 4)]


async def test_a_batch_for_a_topic_nobody_knows_does_not_overtake_or_hold_up_the_next(autojump_clock, peer):
    await peer.send(produce_request("nowhere", batch(b"x")))
    await peer.send(MetadataRequest([MetadataRequestTopic(name="nowhere")]))
    await peer.send(produce_request("nowhere", batch(b"a")))
    await peer.send(produce_request("nowhere", batch(b"b")))
    first, made, *rest = [await peer.receive() for _ in range(4)]
    assert ErrorCode(first.responses[0].partition_responses[0].error_code).name == "UNKNOWN_TOPIC_OR_PARTITION"
    assert made.topics[0].error_code == 0
    # Which of the two came before the creation was visible is the broker's affair; their order is not.
    stored = await peer.values("nowhere")
    assert stored in ([b"a", b"b"], [b"b"], [])
    assert len(stored) == sum(not one.responses[0].partition_responses[0].error_code for one in rest)


async def test_many_requests_in_one_write_and_one_request_in_many(autojump_clock, peer):
    frame = b"".join(encode_request(18, 0, 7, "c", ApiVersionsRequest()))
    await peer.send_bytes(frame * 50)
    frames = {await peer.receive_frame() for _ in range(50)}
    assert len(frames) == 1
    for at in range(len(frame)):
        await peer.send_bytes(frame[at : at + 1])
        await trio.sleep(0.01)
    assert await peer.receive_frame() in frames


async def test_a_large_frame_in_small_pieces_is_whole(autojump_clock, peer):
    await peer.create("wide", configs={"max.message.bytes": "3000000"})
    data = batch(bytes(range(256)) * 8_000)
    frame = b"".join(encode_request(0, 9, 7, "c", produce_request("wide", data)))
    small = b"".join(encode_request(18, 0, 8, "c", ApiVersionsRequest()))
    for at in range(0, len(frame), 70_001):
        piece = frame[at : at + 70_001]
        await peer.send_bytes(piece if at + 70_001 < len(frame) else piece + small)
    answers = [await peer.receive_frame() for _ in range(2)]
    assert [int.from_bytes(one[:4], "big") for one in answers] == [7, 8]
    assert await peer.values("wide") == [bytes(range(256)) * 8_000]


# ---- bounds ----------------------------------------------------------------------------------------------------------


async def test_no_more_requests_are_read_than_may_be_under_way(autojump_clock, start):
    house = await start(server=ServerSettings(requests_in_flight_max=2))
    peer, other = house.connect(), house.connect()
    await other.create("t")
    await peer.send(waiting(5_000))
    await peer.send(waiting(5_000))
    await peer.send(produce_request("t", batch(b"a")))
    await trio.sleep(4)
    assert await other.values("t") == [], "the third request has not been looked at"
    await trio.sleep(2)
    assert await other.values("t") == [b"a"]
    assert len([await peer.receive() for _ in range(3)]) == 3


async def test_no_more_request_bytes_are_read_than_may_be_under_way(autojump_clock, start):
    house = await start(server=ServerSettings(request_bytes_in_flight_max=1))
    peer, other = house.connect(), house.connect()
    await other.create("t")
    await peer.send(waiting(5_000))
    await peer.send(produce_request("t", batch(b"a")))
    await trio.sleep(4)
    assert await other.values("t") == []
    await trio.sleep(2)
    assert await other.values("t") == [b"a"]


@pytest.mark.parametrize("length", [-1, 10_001, 2**31 - 1])
async def test_a_frame_of_an_impossible_length_closes(autojump_clock, start, length):
    peer = (await start(server=ServerSettings(frame_bytes_max=10_000))).connect()
    await peer.send_bytes(length.to_bytes(4, "big", signed=True))
    assert await peer.is_closed()


async def test_a_frame_of_the_greatest_length_is_taken(autojump_clock, start):
    peer = (await start(server=ServerSettings(frame_bytes_max=200_000))).connect()
    await peer.create("t")
    rest = 200_000 - len(b"".join(encode_request(0, 3, 1, "c", produce_request("t", batch(bytes(100_000)))))) + 4
    assert (await peer.produce("t", batch(bytes(100_000 + rest)), version=3)).error_code == 0
    await peer.send(produce_request("t", batch(bytes(100_001 + rest))), 3)
    assert await peer.is_closed()


async def test_a_frame_begun_and_not_finished_closes_in_time(autojump_clock, start):
    house = await start(server=ServerSettings(frame_patience_ms=20_000))
    slow, quiet = house.connect(), house.connect()
    await slow.send_bytes(b"\0\0\0\x20\0")
    assert await slow.is_silent(15)
    assert await slow.is_closed()
    assert trio.current_time() < 40
    assert await quiet.is_silent(1), "who has begun nothing is left alone"


async def test_an_idle_connection_is_closed_and_a_waiting_one_is_not(autojump_clock, start):
    house = await start(server=ServerSettings(connection_idle_ms=60_000))
    idle, busy = house.connect(), house.connect()
    await busy.create("t")
    await busy.send(waiting(200_000))
    assert await idle.is_closed()
    assert 60 <= trio.current_time() < 70
    assert (await busy.receive()).responses[0].partitions[0].error_code == 0
    assert trio.current_time() >= 200


async def test_who_asks_and_does_not_listen_is_not_read_any_further(autojump_clock, start, nursery):
    house = await start()
    writer = house.connect()
    await writer.create("t")
    await writer.produce("t", batch(bytes(100_000)))
    slow = house.connect_in_lockstep()
    asked = 0

    async def ask():
        nonlocal asked
        for _ in range(100):
            await slow.send(fetch_request([("t", 0, 0)]))
            asked += 1

    nursery.start_soon(ask)
    await trio.sleep(5)
    unsent = house.broker.node.unsent
    assert asked < 20
    assert 1 << 20 <= unsent.bytes < 2 << 20
    while asked < 100:
        assert len(records_of((await slow.receive()).responses[0].partitions[0])) == 1
        await trio.sleep(0.01)
    while slow.is_due:
        await slow.receive()
    await trio.sleep(0.01)
    assert unsent.bytes == 0


async def test_who_takes_no_answer_for_long_is_closed(autojump_clock, start):
    house = await start(server=ServerSettings(write_patience_ms=20_000))
    slow = house.connect_in_lockstep()
    await slow.send(ApiVersionsRequest("a", "1"))
    await trio.sleep(15)
    assert len(house.broker._server.connections) == 1
    await trio.sleep(15)
    assert not house.broker._server.connections
    assert house.broker.node.unsent.bytes == 0


# ---- garbage ---------------------------------------------------------------------------------------------------------

GARBAGE = {
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(100),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an unknown API": bytes.fromhex("0000000a 03e7 0000 00000001 ffff"),
    "an unknown version": bytes.fromhex("0000000a 0003 0063 00000001 ffff"),
    "nothing in a frame": bytes(4),
    "less than a header": bytes.fromhex("00000003 000300"),
    "a body cut off": bytes.fromhex("0000000c 0003 0001 00000001 ffff 0000"),
    "an array longer than its frame": bytes.fromhex("0000000e 0003 0001 00000001 ffff 7fffffff"),
    "a negative array": bytes.fromhex("0000000e 0003 0001 00000001 ffff 80000000"),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_cannot_be_understood_closes_its_connection_and_no_other(autojump_clock, start, garbage):
    house = await start()
    good, bad = house.connect(), house.connect()
    await bad.send_bytes(garbage)
    assert await bad.is_closed()
    assert (await good.ask(ApiVersionsRequest("a", "1"))).error_code == 0


async def test_a_request_without_a_client_id_is_served(autojump_clock, peer):
    for version in (0, 12):
        frame = b"".join(encode_request(3, version, 9, None, MetadataRequest([])))
        await peer.send_bytes(frame)
        assert (await peer.receive_frame())[:4] == (9).to_bytes(4, "big")


async def test_who_leaves_in_the_middle_of_a_frame_leaves_the_broker_well(autojump_clock, start):
    house = await start()
    for length in (10, 100_000):
        leaver = house.connect()
        await leaver.send_bytes(length.to_bytes(4, "big") + b"\0\0")
        await leaver.close()
    peer = house.connect()
    await trio.sleep(1)
    assert (await peer.ask(ApiVersionsRequest("a", "1"))).error_code == 0
    assert len(house.broker._server.connections) == 1


async def test_what_a_client_that_left_has_sent_is_stored(autojump_clock, start):
    house = await start()
    peer, leaver = house.connect(), house.connect()
    await peer.create("t")
    await leaver.send(produce_request("t", batch(b"a")))
    await leaver.close()
    await trio.sleep(1)
    assert await peer.values("t") == [b"a"]


# ---- the end ---------------------------------------------------------------------------------------------------------


async def test_what_was_taken_before_the_end_is_committed_and_answered(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t", configs={"higgins.linger.ms": "60000"})
    await peer.produce("t", batch(b"first"))
    await peer.send(produce_request("t", batch(b"lingers")))
    await trio.sleep(0.1)
    house.broker.stop()
    answer = await peer.receive()
    assert answer.responses[0].partition_responses[0].error_code == 0
    assert await peer.is_closed()
    assert trio.current_time() < 10
    again = (await start()).connect()
    assert await again.values("t") == [b"first", b"lingers"]


async def test_who_waits_for_news_is_let_go_at_the_end(autojump_clock, start):
    house = await start()
    peer, idle = house.connect(), house.connect()
    await peer.create("t")
    await peer.send(waiting())
    await trio.sleep(1)
    house.broker.stop()
    assert await peer.is_closed()
    assert await idle.is_closed()
    assert trio.current_time() < 10


async def test_the_node_after_this_one_takes_over_at_once(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    house.broker.stop()
    assert await peer.is_closed()
    again = await start()
    (node,) = (await again.connect().ask(MetadataRequest([]))).brokers
    assert node.node_id == again.broker.node.ledger.session.node_id
