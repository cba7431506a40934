"""One connection: pipelining, order, deadlines, and the outcome of requests when it breaks."""

import pytest
import trio

from higgins.client import (
    ClientSettings,
    IncompatibleBroker,
    OutcomeUnknown,
    Unreachable,
    open_connection,
)
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from higgins_protocol.messages.metadata import MetadataRequest, MetadataResponse

METADATA = 3
API_VERSIONS = 18


def response_named(name):
    return lambda node, request: MetadataResponse(cluster_id=name)


async def test_requests_are_pipelined_and_answered_in_order(broker, autojump_clock):
    broker.script(METADATA, *(response_named(f"c{n}") for n in range(8)))
    order = []
    async with open_connection(broker.connect, "fake", 9001) as connection:
        for _ in range(8):
            response = connection.submit(METADATA, 9, MetadataRequest())
            response.add_done_callback(lambda response: order.append(response.result().cluster_id))
        await trio.testing.wait_all_tasks_blocked()
    assert order == [f"c{n}" for n in range(8)]


async def test_the_highest_common_version_is_used(broker, autojump_clock):
    old = ApiVersionsResponse(api_keys=[ApiVersion(api_key=METADATA, min_version=0, max_version=5)])
    broker.script(API_VERSIONS, lambda node, request: old)
    async with open_connection(broker.connect, "fake", 9001) as connection:
        assert connection.version(METADATA) == 5
        with pytest.raises(IncompatibleBroker, match="serves Metadata 0 to 5"):
            connection.version(METADATA, at_least=6)


async def test_api_versions_is_repeated_in_version_0_for_an_old_broker(broker, autojump_clock):
    refusal = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    broker.script(API_VERSIONS, lambda node, request: refusal)
    async with open_connection(broker.connect, "fake", 9001) as connection:
        assert connection.version(METADATA) == 12
    assert len(broker.requests(API_VERSIONS)) == 2


async def test_the_outcome_of_requests_in_flight_is_unknown_when_the_connection_breaks(broker, autojump_clock):
    broker.script(METADATA, lambda node, request: "silent", lambda node, request: "drop")
    async with open_connection(broker.connect, "fake", 9001) as connection:
        responses = [connection.submit(METADATA, 9, MetadataRequest()) for _ in range(2)]
        await trio.testing.wait_all_tasks_blocked()
        assert [type(response.error) for response in responses] == [OutcomeUnknown, OutcomeUnknown]
        assert connection.closed
        with pytest.raises(Unreachable):
            await connection.request(METADATA, 9, MetadataRequest())


async def test_a_request_without_a_response_fails_at_its_deadline(broker, autojump_clock):
    broker.script(METADATA, lambda node, request: "silent")
    async with open_connection(broker.connect, "fake", 9001) as connection:
        started_at = trio.current_time()
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            await connection.request(METADATA, 9, MetadataRequest(), timeout_s=7)
        assert trio.current_time() - started_at == pytest.approx(7)


async def test_a_cancelled_request_leaves_the_connection_usable(broker, autojump_clock):
    broker.script(METADATA, response_named("cancelled"), response_named("second"))
    async with open_connection(broker.connect, "fake", 9001) as connection:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.request, METADATA, 9, MetadataRequest())
            nursery.cancel_scope.cancel()
        response = await connection.request(METADATA, 9, MetadataRequest())
        assert response.cluster_id == "second"


async def test_requests_beyond_the_limit_wait_for_room(broker, autojump_clock):
    settings = ClientSettings(in_flight_max=2)
    async with open_connection(broker.connect, "fake", 9001, settings) as connection:
        completed = []

        async def request():
            await connection.request(METADATA, 9, MetadataRequest())
            completed.append(connection.has_room)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(request)
        assert len(completed) == 10
    assert len(broker.requests(METADATA)) == 10


async def test_an_unexpected_response_closes_the_connection(broker, autojump_clock):
    async with open_connection(broker.connect, "fake", 9001) as connection:
        await broker.nodes[1].streams[0].send_all(b"\x00\x00\x00\x04\x00\x00\x00\x63")
        await trio.testing.wait_all_tasks_blocked()
        assert connection.closed


async def test_a_refused_connection_raises_unreachable_with_the_address(broker, autojump_clock):
    broker.nodes[1].up = False
    with pytest.raises(Unreachable, match="Cannot connect to fake:9001"):
        async with open_connection(broker.connect, "fake", 9001):
            pass


async def test_a_peer_that_accepts_and_never_answers_times_out(broker, autojump_clock):
    broker.script(API_VERSIONS, lambda node, request: "silent")
    with pytest.raises(Unreachable, match="did not answer in time"):
        async with open_connection(broker.connect, "fake", 9001):
            pass
