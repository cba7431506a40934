"""One connection: pipelining, order, deadlines, and what is known when it breaks."""

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


def answer_named(name):
    return lambda node, request: MetadataResponse(cluster_id=name)


async def test_requests_are_pipelined_and_answered_in_order(broker, autojump_clock):
    broker.script(METADATA, *(answer_named(f"c{n}") for n in range(8)))
    order = []
    async with open_connection(broker.connect, "fake", 9001) as connection:
        for _ in range(8):
            connection.submit(METADATA, 9, MetadataRequest(), done=lambda answer: order.append(answer.cluster_id))
        await trio.testing.wait_all_tasks_blocked()
    assert order == [f"c{n}" for n in range(8)]


async def test_the_newest_version_both_sides_speak_is_chosen(broker, autojump_clock):
    old = ApiVersionsResponse(api_keys=[ApiVersion(api_key=METADATA, min_version=0, max_version=5)])
    broker.script(API_VERSIONS, lambda node, request: old)
    async with open_connection(broker.connect, "fake", 9001) as connection:
        assert connection.version(METADATA) == 5
        with pytest.raises(IncompatibleBroker, match="serves Metadata 0 to 5"):
            connection.version(METADATA, at_least=6)


async def test_a_broker_that_knows_only_old_api_versions_is_asked_again_in_version_0(broker, autojump_clock):
    refusal = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    broker.script(API_VERSIONS, lambda node, request: refusal)
    async with open_connection(broker.connect, "fake", 9001) as connection:
        assert connection.version(METADATA) == 12
    assert len(broker.requests(API_VERSIONS)) == 2


async def test_a_lost_connection_makes_everything_in_flight_unknown(broker, autojump_clock):
    answers = []
    broker.script(METADATA, lambda node, request: "silent", lambda node, request: "drop")
    async with open_connection(broker.connect, "fake", 9001) as connection:
        for _ in range(2):
            connection.submit(METADATA, 9, MetadataRequest(), done=answers.append)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(one) for one in answers] == [OutcomeUnknown, OutcomeUnknown]
        assert connection.closed
        with pytest.raises(Unreachable):
            await connection.request(METADATA, 9, MetadataRequest())


async def test_a_request_without_an_answer_ends_at_its_deadline(broker, autojump_clock):
    broker.script(METADATA, lambda node, request: "silent")
    async with open_connection(broker.connect, "fake", 9001) as connection:
        begun = trio.current_time()
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            await connection.request(METADATA, 9, MetadataRequest(), timeout_s=7)
        assert trio.current_time() - begun == pytest.approx(7)


async def test_a_cancelled_request_leaves_the_connection_good(broker, autojump_clock):
    broker.script(METADATA, answer_named("for nobody"), answer_named("for us"))
    async with open_connection(broker.connect, "fake", 9001) as connection:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.request, METADATA, 9, MetadataRequest())
            nursery.cancel_scope.cancel()
        answer = await connection.request(METADATA, 9, MetadataRequest())
        assert answer.cluster_id == "for us"


async def test_more_than_the_bound_of_requests_waits_for_room(broker, autojump_clock):
    settings = ClientSettings(in_flight_max=2)
    async with open_connection(broker.connect, "fake", 9001, settings) as connection:
        done = []

        async def ask():
            await connection.request(METADATA, 9, MetadataRequest())
            done.append(connection.has_room)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask)
        assert len(done) == 10
    assert len(broker.requests(METADATA)) == 10


async def test_an_answer_nobody_asked_for_ends_the_connection(broker, autojump_clock):
    async with open_connection(broker.connect, "fake", 9001) as connection:
        await broker.nodes[1].streams[0].send_all(b"\x00\x00\x00\x04\x00\x00\x00\x63")
        await trio.testing.wait_all_tasks_blocked()
        assert connection.closed


async def test_nobody_there_is_said_in_a_sentence(broker, autojump_clock):
    broker.nodes[1].up = False
    with pytest.raises(Unreachable, match="Nobody answers at fake:9001"):
        async with open_connection(broker.connect, "fake", 9001):
            pass


async def test_a_peer_that_takes_the_connection_and_says_nothing_is_given_up(broker, autojump_clock):
    broker.script(API_VERSIONS, lambda node, request: "silent")
    with pytest.raises(Unreachable, match="did not answer in time"):
        async with open_connection(broker.connect, "fake", 9001):
            pass
