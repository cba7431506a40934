"""What a connection remembers of its client: who it is, and until when no request of it is read."""

import trio

from higgins.server.session import ANONYMOUS, Authentication
from higgins.server.settings import SecurityProtocol, ServerSettings
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from tests.broker.peer import batch, fetch_request, produce_request


def only_session(house):
    (connection,) = house.broker._server.connections
    return connection.session


async def test_a_client_of_a_plain_listener_is_anonymous(autojump_clock, start):
    house = await start()
    await house.connect().ask(ApiVersionsRequest("a", "1"))
    session = only_session(house)
    assert session.principal == ANONYMOUS and str(session.principal) == "User:ANONYMOUS"
    assert session.authentication is Authentication.NOT_REQUIRED
    assert session.security_protocol is SecurityProtocol.PLAINTEXT


async def test_a_muted_connection_is_not_read_until_its_time_is_over(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    session = only_session(house)
    other = house.connect()
    session.mute(trio.current_time() + 5)
    begun = trio.current_time()
    await peer.send(produce_request("t", batch(b"a")))
    await trio.sleep(4)
    assert await other.values("t") == [], "the request lies in the socket"
    assert (await peer.receive()).responses[0].partition_responses[0].error_code == 0
    assert 5 <= trio.current_time() - begun < 5.5
    assert session.muted_until is None
    await peer.ask(ApiVersionsRequest("a", "1"))
    assert trio.current_time() - begun < 6, "nothing is held back afterwards"


async def test_the_longest_mute_counts(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.ask(ApiVersionsRequest("a", "1"))
    begun = trio.current_time()
    session = only_session(house)
    session.mute(begun + 5)
    session.mute(begun + 2)
    await peer.send(ApiVersionsRequest("a", "1"))
    await trio.sleep(4)
    session.mute(begun + 8)
    await peer.receive()
    assert 8 <= trio.current_time() - begun < 8.5


async def test_a_mute_holds_back_no_response_that_is_due(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    session = only_session(house)
    other = house.connect()
    await peer.send(fetch_request([("t", 0, 0)], max_wait_ms=60_000, min_bytes=1))
    await trio.sleep(1)
    session.mute(trio.current_time() + 30)
    begun = trio.current_time()
    await other.produce("t", batch(b"a"))
    assert (await peer.receive()).responses[0].partitions[0].high_watermark == 1
    assert trio.current_time() - begun < 1


async def test_a_frame_that_a_mute_has_cut_in_two_is_not_late(autojump_clock, start):
    house = await start(server=ServerSettings(frame_patience_ms=20_000))
    peer = house.connect()
    await peer.create("t")
    await peer.send_bytes(b"\0\0\0\x20\0")
    await trio.sleep(10)
    only_session(house).mute(trio.current_time() + 60)
    await peer.send_bytes(b"\0")
    await trio.sleep(50)
    assert house.broker._server.connections
    assert await peer.is_closed(), "after the mute its time begins anew"


async def test_a_stop_ends_a_muted_connection(autojump_clock, start):
    house = await start()
    peer = house.connect()
    await peer.create("t")
    only_session(house).mute(trio.current_time() + 600)
    await peer.send(ApiVersionsRequest("a", "1"))
    await trio.sleep(1)
    house.broker.stop()
    assert await peer.is_closed()
    assert trio.current_time() < 20
