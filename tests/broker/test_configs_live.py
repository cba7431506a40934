"""Dynamic configs of brokers: in effect on every node, on one alone where it is named, and for groups and doors too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

import higgins.testing
from higgins.broker import Broker
from higgins.groups.settings import GroupSettings
from higgins.server.settings import Listener, ServerSettings
from higgins.settings import Settings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.metadata import MetadataRequest
from tests.broker.peer import Peer, StoryRuntime, batch
from tests.broker.test_configs import BROKER, DELETE, SET, TOPIC, change, changed, code_of_produce, describe, error

SOON_S = 5.0
"""A node that is not asked learns of a commit within so long."""


@asynccontextmanager
async def node(store, port) -> AsyncIterator[Broker]:
    listener = Listener(name="PLAIN", host="h", port=port, advertised_host="h", advertised_port=port)
    settings = Settings(
        server=ServerSettings(listeners=(listener,)), groups=GroupSettings(initial_rebalance_delay_ms=0)
    )
    broker = Broker(StoryRuntime(), settings, store=store)
    async with trio.open_nursery() as nursery:
        await nursery.start(broker.run)
        yield broker
        broker.stop()


def join(group_id: str, session_timeout_ms: int) -> JoinGroupRequest:
    protocol = JoinGroupRequestProtocol(name="range", metadata=b"topics")
    return JoinGroupRequest(
        group_id=group_id, session_timeout_ms=session_timeout_ms, protocol_type="consumer", protocols=[protocol]
    )


async def join_error(peer, group_id, session_timeout_ms):
    return error(await peer.ask(join(group_id, session_timeout_ms), 0))


async def test_a_change_made_on_one_node_holds_on_the_other(autojump_clock, store):
    async with node(store, 9001) as first, node(store, 9002) as second:
        one, other = Peer(first.connect()), Peer(second.connect())
        await one.create("t")
        big = batch(bytes(500))
        assert await code_of_produce(other, "t", big) == "NONE"
        await changed(one, BROKER, "", ("message.max.bytes", SET, "100"))
        await trio.sleep(SOON_S)
        assert [await code_of_produce(peer, "t", big) for peer in (one, other)] == ["MESSAGE_TOO_LARGE"] * 2
        await changed(other, TOPIC, "t", ("max.message.bytes", SET, "1000"))
        await trio.sleep(SOON_S)
        assert [await code_of_produce(peer, "t", big) for peer in (one, other)] == ["NONE"] * 2


async def test_what_one_node_is_given_holds_on_that_one_alone(autojump_clock, store):
    async with node(store, 9001) as first, node(store, 9002) as second:
        one, other = Peer(first.connect()), Peer(second.connect())
        await one.create("t")
        await changed(one, BROKER, "2", ("message.max.bytes", SET, "100"))
        await trio.sleep(SOON_S)
        big = batch(bytes(500))
        assert [await code_of_produce(peer, "t", big) for peer in (one, other)] == ["NONE", "MESSAGE_TOO_LARGE"]
        (found,) = (await describe(other, BROKER, "2", ["message.max.bytes"])).configs
        assert found.value == "100"
        assert error(await describe(one, BROKER, "2")) == "INVALID_REQUEST", "only it knows what it was started with"


async def test_a_described_change_is_never_an_old_one(autojump_clock, store):
    async with node(store, 9001) as first, node(store, 9002) as second:
        one, other = Peer(first.connect()), Peer(second.connect())
        await one.create("t")
        for value in ("1", "2", "3"):
            await changed(one, TOPIC, "t", ("retention.ms", SET, value))
            (found,) = (await describe(other, TOPIC, "t", ["retention.ms"])).configs
            assert found.value == value


async def test_timeouts_of_groups_change_while_groups_run(autojump_clock, start):
    peer = (await start()).connect()
    assert (await peer.ask(FindCoordinatorRequest(key="g"), 2)).error_code == 0
    assert await join_error(peer, "g", 1_000) == "INVALID_SESSION_TIMEOUT"
    await changed(peer, BROKER, "", ("group.min.session.timeout.ms", SET, "500"))
    assert await join_error(peer, "g", 1_000) == "NONE"
    await changed(peer, BROKER, "", ("group.min.session.timeout.ms", SET, "5000"))
    assert await join_error(peer, "g", 1_000) == "INVALID_SESSION_TIMEOUT", "of a group that is there"
    assert await join_error(peer, "new", 1_000) == "INVALID_SESSION_TIMEOUT"


async def test_the_first_rebalance_waits_as_long_as_was_said_last(autojump_clock, start):
    peer = (await start()).connect()
    await changed(peer, BROKER, "", ("group.initial.rebalance.delay.ms", SET, "60000"))
    began = trio.current_time()
    answer = await peer.ask(join("g", 300_000), 0)
    assert (answer.error_code, trio.current_time() - began) == (0, pytest.approx(60, abs=1))


async def test_a_full_group_takes_nobody_more(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await changed(peer, BROKER, "", ("group.max.size", SET, "1"), ("group.initial.rebalance.delay.ms", SET, "0"))
    assert await join_error(peer, "g", 10_000) == "NONE"
    assert await join_error(house.connect(), "g", 10_000) == "GROUP_MAX_SIZE_REACHED"


async def seconds_of_second_produce(peer):
    """How long a produce takes right after another one."""
    await code_of_produce(peer, "t", batch(b"first"))
    began = trio.current_time()
    assert await code_of_produce(peer, "t", batch(b"second")) == "NONE"
    return trio.current_time() - began


async def test_a_topics_linger_takes_effect_and_goes_again(autojump_clock, peer):
    assert await seconds_of_second_produce(peer) == pytest.approx(0, abs=0.1)
    await changed(peer, TOPIC, "t", ("higgins.linger.ms", SET, "3000"))
    assert await seconds_of_second_produce(peer) == pytest.approx(3, abs=0.5)
    await changed(peer, TOPIC, "t", ("higgins.linger.ms", DELETE, None))
    assert await seconds_of_second_produce(peer) == pytest.approx(0, abs=0.1)


async def test_what_one_node_was_given_holds_when_it_comes_back(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await changed(peer, BROKER, "1", ("group.max.size", SET, "1"), ("group.initial.rebalance.delay.ms", SET, "0"))
    house.broker.stop()
    assert await peer.is_closed()
    again = await start()
    assert await join_error(again.connect(), "g", 10_000) == "NONE"
    assert await join_error(again.connect(), "g", 10_000) == "GROUP_MAX_SIZE_REACHED"


async def test_the_bound_of_connections_holds_from_now_on():
    # Only who comes through a socket is counted.
    with higgins.testing.broker() as broker:
        host, _, port = broker.bootstrap_servers.partition(":")

        async def connect() -> Peer:
            return Peer(await trio.open_tcp_stream(host, int(port)))

        peer, second = await connect(), await connect()
        await changed(peer, BROKER, "", ("max.connections", SET, "2"))
        assert (await second.ask(MetadataRequest([]))).topics == []
        assert await (await connect()).is_closed()
        await changed(peer, BROKER, "", ("max.connections", DELETE, None))
        third = await connect()
        assert (await third.ask(MetadataRequest([]))).topics == []
        for one in (peer, second, third):
            await one.close()


async def test_bounds_may_move_together_but_not_across_each_other(autojump_clock, peer):
    name = ("group.min.session.timeout.ms", "group.max.session.timeout.ms")
    await changed(peer, BROKER, "", (name[0], SET, "100"), (name[1], SET, "200"))
    assert error(await change(peer, BROKER, "", (name[1], SET, "50"))) == ErrorCode.INVALID_CONFIG.name
    assert error(await change(peer, BROKER, "", (name[1], DELETE, None))) == ErrorCode.NONE.name
