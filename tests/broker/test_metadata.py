"""Metadata, ApiVersions and InitProducerId: what a client asks before it does anything."""

import pytest

from higgins.server.settings import Listener, ServerSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.api_versions import ApiVersionsRequest
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.init_producer_id import InitProducerIdRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.primitives import ZERO_UUID
from higgins_protocol.registry import decode_response
from tests.broker.peer import batch

NOT_ASKED = -(1 << 31)


def named(*names, **request):
    return MetadataRequest([MetadataRequestTopic(name=name) for name in names], **request)


def rows(answer):
    return [(topic.name, ErrorCode(topic.error_code).name, len(topic.partitions)) for topic in answer.topics]


# ---- Metadata --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(13))
async def test_every_version_names_topics_nodes_and_live_leaders(autojump_clock, peer, version):
    await peer.create("many", 3)
    answer = await peer.ask(named("t", "many"), version)
    assert rows(answer) == [("t", "NONE", 1), ("many", "NONE", 3)]
    (node,) = answer.brokers
    assert (node.host, node.port, node.rack) == ("127.0.0.1", 9092, None)
    for partition in answer.topics[1].partitions:
        assert (partition.error_code, partition.leader_id, partition.offline_replicas) == (0, node.node_id, [])
        assert partition.leader_epoch == (0 if version >= 7 else -1)
        assert list(partition.replica_nodes) == list(partition.isr_nodes) == [node.node_id]
    assert [one.partition_index for one in answer.topics[1].partitions] == [0, 1, 2]
    assert answer.controller_id == (node.node_id if version >= 1 else -1)
    assert bool(answer.cluster_id) == (version >= 2)
    assert (bytes(answer.topics[0].topic_id) != ZERO_UUID) == (version >= 10)


@pytest.mark.parametrize("version", range(13))
async def test_all_topics_and_none(autojump_clock, peer, version):
    await peer.create("u")
    nothing = await peer.ask(MetadataRequest([]), version)
    assert [topic.name for topic in nothing.topics] == (["t", "u"] if version == 0 else [])
    if version >= 1:
        assert [topic.name for topic in (await peer.ask(MetadataRequest(None), version)).topics] == ["t", "u"]


@pytest.mark.parametrize("version", range(13))
async def test_a_topic_asked_for_is_made_and_there_at_once(autojump_clock, peer, version):
    answer = await peer.ask(named("new", "new"), version)
    assert set(rows(answer)) == {("new", "NONE", 4)}
    assert (await peer.produce("new", batch(b"a"), partition=3)).error_code == 0


@pytest.mark.parametrize("version", range(4, 13))
async def test_a_client_may_say_that_nothing_is_to_be_made(autojump_clock, peer, version):
    answer = await peer.ask(named("t", "new", allow_auto_topic_creation=False), version)
    assert rows(answer) == [("t", "NONE", 1), ("new", "UNKNOWN_TOPIC_OR_PARTITION", 0)]
    assert [topic.name for topic in (await peer.ask(MetadataRequest(None))).topics] == ["t"]


async def test_a_broker_may_be_told_to_make_nothing(autojump_clock, start):
    peer = (await start(auto_create_topics=False)).connect()
    for version in (0, 4, 12):
        assert rows(await peer.ask(named("new"), version)) == [("new", "UNKNOWN_TOPIC_OR_PARTITION", 0)]


@pytest.mark.parametrize("makes", [False, True])
async def test_the_topic_of_offsets_is_there_for_who_asks_for_it_and_is_nobodys(autojump_clock, start, makes):
    peer = (await start(auto_create_topics=makes)).connect()
    await peer.create("t")
    offsets = "__consumer_offsets"
    assert [topic.name for topic in (await peer.ask(MetadataRequest(None))).topics] == ["t"], "until it is asked for"
    answer = await peer.ask(named(offsets, allow_auto_topic_creation=False))
    assert rows(answer) == [(offsets, "NONE", 1)] and answer.topics[0].is_internal
    everything = (await peer.ask(MetadataRequest(None))).topics
    assert [(topic.name, topic.is_internal) for topic in everything] == [("t", False), (offsets, True)]
    refused = await peer.produce(offsets, batch(b"a"))
    assert ErrorCode(refused.error_code) is ErrorCode.INVALID_TOPIC_EXCEPTION
    assert (await peer.fetch(offsets, 0)).high_watermark == 0


@pytest.mark.parametrize("version", range(5))
async def test_once_a_group_is_looked_for_the_topic_of_offsets_is_listed(autojump_clock, start, version):
    peer = (await start(auto_create_topics=False)).connect()
    await peer.create("t")
    key = {"coordinator_keys": ["g"]} if version >= 4 else {"key": "g"}
    for _ in range(2):
        found = await peer.ask(FindCoordinatorRequest(**key), version)
        assert (found.coordinators[0] if version >= 4 else found).error_code == 0
        everything = (await peer.ask(MetadataRequest(None))).topics
        listed = [(topic.name, topic.is_internal, len(topic.partitions)) for topic in everything]
        assert listed == [("t", False, 1), ("__consumer_offsets", True, 1)]


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "x" * 250, "ä"])
async def test_a_name_that_cannot_be_is_not_made(autojump_clock, peer, name):
    assert rows(await peer.ask(named(name))) == [(name, "INVALID_TOPIC_EXCEPTION", 0)]
    assert rows(await peer.ask(named("x" * 249)))[0][1] == "NONE"


async def test_a_topic_may_be_looked_up_by_its_id(autojump_clock, peer):
    topic_id = await peer.create("found")
    by_id = MetadataRequest([MetadataRequestTopic(topic_id=topic_id, name=None)])
    assert rows(await peer.ask(by_id, 12)) == [("found", "NONE", 1)]
    unknown = MetadataRequest([MetadataRequestTopic(topic_id=b"\1" * 16, name=None)])
    answer = await peer.ask(unknown, 12)
    assert rows(answer) == [(None, "UNKNOWN_TOPIC_ID", 0)]
    assert bytes(answer.topics[0].topic_id) == b"\1" * 16
    for version in (10, 11):
        assert rows(await peer.ask(by_id, version))[0][1] == "INVALID_REQUEST"


async def test_the_same_id_is_told_by_creation_and_metadata(autojump_clock, peer):
    topic_id = await peer.create("told")
    for version in (10, 11, 12):
        assert bytes((await peer.ask(named("told"), version)).topics[0].topic_id) == topic_id


@pytest.mark.parametrize("version", range(8, 13))
async def test_authorized_operations_are_told_only_when_asked_for(autojump_clock, peer, version):
    silent = await peer.ask(named("t"), version)
    assert silent.cluster_authorized_operations == silent.topics[0].topic_authorized_operations == NOT_ASKED
    request = named(
        "t", include_topic_authorized_operations=True, include_cluster_authorized_operations=version <= 10
    )
    told = await peer.ask(request, version)
    read, write, describe = 1 << 3, 1 << 4, 1 << 8
    assert told.topics[0].topic_authorized_operations & (read | write | describe) == read | write | describe
    assert (told.cluster_authorized_operations == NOT_ASKED) == (version > 10)


async def test_any_replication_factor_is_taken_and_echoed(autojump_clock, start):
    peer = (await start(replication_factor_default=3)).connect()
    (topic,) = (await peer.ask(named("made"))).topics
    assert all(len(one.replica_nodes) == len(one.isr_nodes) == 3 for one in topic.partitions)


async def test_each_listener_tells_its_own_address(autojump_clock, start):
    inside = Listener("inside", "10.0.0.1", 9092, "broker.internal", 19092)
    outside = Listener("outside", "0.0.0.0", 9093, "kafka.example.com", 443)
    house = await start(server=ServerSettings(listeners=(inside, outside)))
    for name, wanted in (("inside", ("broker.internal", 19092)), ("outside", ("kafka.example.com", 443))):
        (node,) = (await house.connect(name).ask(named())).brokers
        assert (node.host, node.port) == wanted


async def test_the_cluster_has_one_id_for_ever(autojump_clock, start):
    house = await start()
    peer = house.connect()
    before = (await peer.ask(named())).cluster_id
    house.broker.stop()
    assert await peer.is_closed()
    assert (await (await start()).connect().ask(named())).cluster_id == before


# ---- ApiVersions -----------------------------------------------------------------------------------------------------

ADVERTISED = {
    0: (0, 10),
    1: (4, 12),
    2: (1, 7),
    3: (0, 12),
    8: (2, 9),
    9: (1, 9),
    10: (0, 4),
    11: (0, 9),
    12: (0, 4),
    13: (0, 5),
    14: (0, 5),
    15: (0, 6),
    16: (0, 5),
    18: (0, 4),
    19: (2, 7),
    20: (1, 6),
    21: (0, 2),
    37: (0, 3),
    42: (0, 2),
    47: (0, 0),
    22: (0, 4),
    23: (2, 4),
    29: (1, 3),
    30: (1, 3),
    31: (1, 3),
    32: (1, 4),
    33: (0, 2),
    34: (1, 2),
    35: (1, 4),
    43: (0, 2),
    44: (0, 1),
    45: (0, 1),
    46: (0, 0),
    48: (0, 1),
    49: (0, 1),
    50: (0, 0),
    51: (0, 0),
    55: (0, 2),
    60: (0, 2),
    61: (0, 0),
    65: (0, 0),
    66: (0, 2),
    74: (0, 1),
    75: (0, 0),
}


@pytest.mark.parametrize("version", range(5))
async def test_what_is_served_is_said_and_nothing_else(autojump_clock, peer, version):
    answer = await peer.ask(ApiVersionsRequest("test-client", "1.0"), version)
    assert {one.api_key: (one.min_version, one.max_version) for one in answer.api_keys} == ADVERTISED
    assert (answer.error_code, answer.throttle_time_ms, answer.finalized_features_epoch) == (0, 0, -1)


async def test_an_unknown_version_is_answered_in_the_oldest_and_the_connection_lives(autojump_clock, peer):
    # The body of a version nobody knows must not be looked at.
    frame = bytes.fromhex("0012 0063 00000007 ffff") + b"\xff" * 9
    await peer.send_bytes(len(frame).to_bytes(4, "big") + frame)
    correlation_id, answer = decode_response(18, 0, memoryview(await peer.receive_frame()))
    assert (correlation_id, ErrorCode(answer.error_code).name) == (7, "UNSUPPORTED_VERSION")
    assert [(one.api_key, one.min_version, one.max_version) for one in answer.api_keys] == [(18, 0, 4)]
    assert (await peer.ask(ApiVersionsRequest("a", "1"), 4)).error_code == 0


@pytest.mark.parametrize("name, version", [("", "1"), ("a", ""), ("-a", "1"), ("a b", "1"), ("a", "1."), ("ä", "1")])
async def test_software_has_to_have_a_plain_name_and_version(autojump_clock, peer, name, version):
    for request_version in (3, 4):
        answer = await peer.ask(ApiVersionsRequest(name, version), request_version)
        assert ErrorCode(answer.error_code).name == "INVALID_REQUEST"
    assert (await peer.ask(ApiVersionsRequest("apache-kafka-java", "4.2.0"), 3)).error_code == 0
    assert (await peer.ask(ApiVersionsRequest(), 2)).error_code == 0, "before version 3 nobody says"


# ---- InitProducerId --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(5))
async def test_every_producer_gets_an_id_of_its_own(autojump_clock, start, version):
    house = await start()
    peers = [house.connect() for _ in range(3)]
    found = []
    for peer in peers * 100:
        answer = await peer.ask(InitProducerIdRequest(transactional_id=None), version)
        assert (answer.error_code, answer.producer_epoch) == (0, 0)
        found.append(answer.producer_id)
    assert len(set(found)) == 300
    assert min(found) >= 0


async def test_a_producer_without_transactions_that_brings_its_id_gets_another(autojump_clock, peer):
    answer = await peer.ask(InitProducerIdRequest(transactional_id=None, producer_id=5, producer_epoch=3))
    assert (answer.error_code, answer.producer_epoch) == (0, 0)
    assert answer.producer_id != 5


@pytest.mark.parametrize("version", range(5))
async def test_a_transactional_id_is_refused(autojump_clock, peer, version):
    answer = await peer.ask(InitProducerIdRequest(transactional_id="tx", transaction_timeout_ms=1_000), version)
    assert ErrorCode(answer.error_code).name == "INVALID_REQUEST"
    assert (answer.producer_id, answer.producer_epoch) == (-1, -1)
