"""What one client sends or does not read costs other clients little, and the node a bounded amount of memory."""

from typing import Any

import trio
import trio.testing

from higgins.broker import Broker
from higgins.config.broker import BrokerConfig
from higgins.server.settings import ServerSettings
from higgins.server.transport import StreamTransport
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.heartbeat import HeartbeatRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.registry import encode_request
from tests.broker.conftest import House
from tests.broker.peer import KEYS, Peer, StoryRuntime, batch, fetch_request, produce_request

LARGE = MetadataRequest([MetadataRequestTopic(name="large")])
PARTITIONS = 5_000


class CountedRuntime(StoryRuntime):
    """Its stopwatch runs by a tenth of a millisecond whenever it is read: work is counted, not measured."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def stopwatch(self) -> float:  # type: ignore[override]
        self._now += 0.0001
        return self._now


async def house_of(nursery: trio.Nursery, *, server: ServerSettings | None = None, **config: Any) -> House:
    settings = Settings(server=server or ServerSettings(), broker=BrokerConfig(**config))
    broker = Broker(CountedRuntime(), settings, store=memory_store(StoryRuntime(), StoreSettings(url="memory://")))
    await nursery.start(broker.run)
    return House(broker)


def frame(request, version: int) -> bytes:
    return b"".join(encode_request(KEYS[type(request)], version, 1, "c", request))


async def drained(peer: Peer, count: int, received: list[int]) -> None:
    for _ in range(count):
        received.append(len(await peer.receive_frame()))


# ---- time ------------------------------------------------------------------------------------------------------------


async def test_a_burst_of_expensive_requests_does_not_hold_up_others(autojump_clock, nursery):
    house = await house_of(nursery)
    hostile, other = house.connect(), house.connect()
    await other.create("large", PARTITIONS)
    received: list[int] = []
    await hostile.send_bytes(frame(LARGE, 1) * 300)
    nursery.start_soon(drained, hostile, 300, received)
    for _ in range(20):
        before = len(received)
        await other.ask(ApiVersionsRequest("a", "1"))
        assert len(received) - before <= 3
    assert len(received) < 100, "the burst is not over"


async def test_many_bursts_do_not_hold_up_others(autojump_clock, nursery):
    house = await house_of(nursery)
    other = house.connect()
    await other.create("large", PARTITIONS)
    received: list[int] = []
    for _ in range(30):
        hostile = house.connect()
        await hostile.send_bytes(frame(LARGE, 1) * 20)
        nursery.start_soon(drained, hostile, 20, received)
    for _ in range(20):
        await trio.lowlevel.checkpoint()
    for _ in range(20):
        before = len(received)
        await other.ask(ApiVersionsRequest("a", "1"))
        assert len(received) - before <= 40


async def test_small_requests_without_end_do_not_hold_up_others(autojump_clock, nursery):
    house = await house_of(nursery)
    hostile, other = house.connect(), house.connect()
    await other.ask(ApiVersionsRequest("a", "1"))
    received: list[int] = []
    await hostile.send_bytes(frame(HeartbeatRequest("g", 1, "m"), 3) * 2_000)
    nursery.start_soon(drained, hostile, 2_000, received)
    for _ in range(10):
        before = len(received)
        await other.ask(ApiVersionsRequest("a", "1"))
        assert len(received) - before <= 60


# ---- memory ----------------------------------------------------------------------------------------------------------


async def test_responses_that_nobody_reads_are_bounded_and_make_way(autojump_clock, nursery):
    """Sixty connections ask for much more than there may be, and read nothing."""
    house = await house_of(nursery, unsent_bytes_max=2 << 20)
    other = house.connect()
    await other.create("large", PARTITIONS)
    unsent = house.broker.node.unsent
    deaf = [house.connect_in_lockstep() for _ in range(60)]

    async def send(peer: Peer) -> None:
        try:
            await peer.send_bytes(frame(LARGE, 1) * 20)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    for peer in deaf:
        nursery.start_soon(send, peer)
    most = 0
    for _ in range(200):
        await trio.sleep(0.5)
        most = max(most, unsent.bytes)
        await other.ask(ApiVersionsRequest("a", "1"))
    answer = len(frame(LARGE, 1)) + PARTITIONS * 40
    # Beside the bound, each connection has the beginning of one, and a few are being built.
    assert most <= (2 << 20) + 60 * 40_000 + 4 * answer
    assert unsent.gave_way > 0
    (row,) = (await other.ask(LARGE, 1)).topics
    assert len(row.partitions) == PARTITIONS, "a client that reads gets its response"
    await trio.sleep(120)
    assert unsent.bytes == 0 and not unsent.sending


async def test_a_response_that_becomes_ready_after_its_connection_closed_does_not_count(autojump_clock, nursery):
    house = await house_of(nursery)
    peer = house.connect_in_lockstep()
    await house.connect().create("large", PARTITIONS)
    long_poll = frame(fetch_request([("large", 0, 0)], max_wait_ms=5_000, min_bytes=1), 4)
    nursery.start_soon(peer.send_bytes, frame(LARGE, 1) + long_poll)
    await trio.sleep(1)
    unsent = house.broker.node.unsent
    (connection,) = unsent.sending
    assert unsent.bytes > 0
    (waiting,) = connection._exchanges
    # The same pass of the loop: the task that sends has not ended yet.
    connection.give_way("the test says so")
    waiting.answer([bytes(1_000)])
    await trio.sleep(1)
    assert unsent.bytes == 0 and not unsent.sending


async def test_a_response_behind_a_long_poll_counts_as_unsent(autojump_clock, nursery):
    house = await house_of(nursery)
    peer = house.connect()
    await peer.create("t")
    await peer.create("large", PARTITIONS)
    unsent = house.broker.node.unsent
    assert unsent.bytes == 0
    await peer.send(fetch_request([("t", 0, 0)], max_wait_ms=5_000, min_bytes=1))
    await peer.send(LARGE, 1)
    await trio.sleep(1)
    assert unsent.bytes > PARTITIONS * 20
    await peer.receive()
    await peer.receive()
    assert unsent.bytes == 0


async def test_closed_connections_leave_nothing_that_is_counted(autojump_clock, nursery):
    house = await house_of(nursery)
    peer = house.connect()
    await peer.create("t")
    await peer.create("large", PARTITIONS)
    for waits in (False, True):
        deaf = house.connect_in_lockstep()
        if waits:
            await deaf.send(fetch_request([("t", 0, 0)], max_wait_ms=50_000, min_bytes=1))
        for _ in range(3):
            await deaf.send(LARGE, 1)
        await trio.sleep(1)
        assert house.broker.node.unsent.bytes > 0
        await deaf.close()
        await trio.sleep(60)
        assert house.broker.node.unsent.bytes == 0


async def test_a_request_without_records_has_a_lower_limit(autojump_clock, nursery):
    house = await house_of(nursery, server=ServerSettings(other_frame_bytes_max=50_000, frame_bytes_max=200_000))
    peer = house.connect()
    await peer.create("t")
    assert (await peer.produce("t", batch(bytes(90_000)), version=9)).error_code == 0
    hostile = house.connect()
    await hostile.send_bytes((150_000).to_bytes(4, "big") + frame(LARGE, 1)[4:])
    assert await hostile.is_closed()


async def test_a_request_that_arrives_for_long_gives_way_to_others(autojump_clock, nursery):
    house = await house_of(nursery, server=ServerSettings(arriving_bytes_max=400_000))
    slow = [house.connect() for _ in range(3)]
    peer = house.connect()
    await peer.create("t")
    whole = frame(produce_request("t", batch(bytes(700_000))), 9)
    for one in slow:
        await one.send_bytes(whole[:150_000])
    begun = trio.current_time()
    assert (await peer.produce("t", batch(bytes(700_000)))).error_code == 0
    assert trio.current_time() - begun < 10
    assert house.broker._server is not None
    assert house.broker._server._arrivals.gave_way > 0


# ---- places ----------------------------------------------------------------------------------------------------------


def connect_from(house: House, host: str) -> tuple[Peer, bool]:
    """A connection from an address, and whether it was admitted."""
    server = house.broker._server
    assert server is not None and house.broker._clients is not None
    ours, theirs = trio.testing.memory_stream_pair()
    admitted = server._admits(host)
    if admitted:
        house.broker._clients.start_soon(server.serve, StreamTransport(theirs, host), house.broker.listeners[0])
    return Peer(ours), admitted


async def test_an_address_gives_places_back_as_others_need_them(autojump_clock, nursery):
    house = await house_of(nursery, server=ServerSettings(connections_max=20))
    greedy = []
    for _ in range(20):
        peer, admitted = connect_from(house, "10.0.0.1")
        assert admitted
        await peer.ask(ApiVersionsRequest("a", "1"))
        await trio.sleep(1)
        greedy.append(peer)
    assert not connect_from(house, "10.0.0.1")[1], "full"
    others = []
    for _ in range(10):
        peer, admitted = connect_from(house, "10.0.0.2")
        assert admitted
        await peer.ask(ApiVersionsRequest("a", "1"))
        await trio.sleep(0.1)
        others.append(peer)
    assert not connect_from(house, "10.0.0.2")[1], "it has as many as the other"
    assert await greedy[0].is_closed(), "the one that was idle for longest"
    await greedy[-1].ask(ApiVersionsRequest("a", "1"))
    for peer in others:
        await peer.ask(ApiVersionsRequest("a", "1"))


async def test_a_limit_for_each_address_is_kept(autojump_clock, nursery):
    house = await house_of(nursery, server=ServerSettings(connections_per_address_max=2))
    assert [connect_from(house, "10.0.0.1")[1] for _ in range(1)] == [True]
    await trio.sleep(1)
    assert connect_from(house, "10.0.0.1")[1]
    await trio.sleep(1)
    assert not connect_from(house, "10.0.0.1")[1]
    assert connect_from(house, "10.0.0.2")[1]


async def test_connections_that_wait_hold_no_buffers(autojump_clock, nursery):
    house = await house_of(nursery)
    peers = [house.connect() for _ in range(50)]
    for peer in peers:
        await peer.ask(ApiVersionsRequest("a", "1"))
        await peer.send_bytes(frame(LARGE, 1)[:20])
    await trio.sleep(1)
    assert house.broker._server is not None
    assert house.broker._server._heads._lent == 0
