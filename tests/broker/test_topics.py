"""CreateTopics and DeleteTopics: what is made, what is refused, what goes with a topic."""

import msgspec
import pytest

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from higgins_protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from higgins_protocol.messages.private import PrivateRequest
from higgins_protocol.primitives import ZERO_UUID
from tests.broker.peer import batch


def topic(name, partitions=1, replication=1, configs=None, **more):
    given = [CreatableTopicConfig(key, value) for key, value in (configs or {}).items()]
    return CreatableTopic(name, partitions, replication, configs=given, **more)


def assigned(*replicas, partitions=-1, replication=-1):
    rows = [CreatableReplicaAssignment(index, brokers) for index, brokers in replicas]
    return CreatableTopic("new", partitions, replication, assignments=rows)


async def create(peer, *topics, version=7, **request):
    return (await peer.ask(CreateTopicsRequest(list(topics), **request), version)).topics


async def delete(peer, *names, version=6):
    request = (
        DeleteTopicsRequest(topics=[DeleteTopicState(name) for name in names])
        if version >= 6
        else DeleteTopicsRequest(topic_names=list(names))
    )
    return (await peer.ask(request, version)).responses


def codes(rows):
    return [(row.name, ErrorCode(row.error_code).name) for row in rows]


async def there(peer):
    return [(one.name, len(one.partitions)) for one in (await peer.ask(MetadataRequest(None))).topics]


# ---- CreateTopics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(2, 8))
async def test_every_version_makes_topics(autojump_clock, peer, version):
    rows = await create(peer, topic("a", 3, 2), topic("b", configs={"retention.ms": "1000"}), version=version)
    assert codes(rows) == [("a", "NONE"), ("b", "NONE")]
    assert all(row.error_message is None for row in rows)
    assert await there(peer) == [("t", 1), ("a", 3), ("b", 1)]
    if version >= 5:
        assert [(row.num_partitions, row.replication_factor) for row in rows] == [(3, 2), (1, 1)]
        configs = {one.name: one for one in rows[1].configs}
        assert (configs["retention.ms"].value, configs["retention.ms"].config_source) == ("1000", 1)
        assert (configs["cleanup.policy"].value, configs["cleanup.policy"].config_source) == ("delete", 5)
    assert (bytes(rows[0].topic_id) != ZERO_UUID) == (version >= 7)


@pytest.mark.parametrize("version", range(2, 8))
async def test_the_brokers_defaults_in_every_version(autojump_clock, peer, version):
    assert codes(await create(peer, topic("a", -1, -1), version=version)) == [("a", "NONE")]
    assert await there(peer) == [("t", 1), ("a", 4)]


REFUSED = {
    "exists": (topic("t"), "TOPIC_ALREADY_EXISTS"),
    "no partitions": (topic("new", 0), "INVALID_PARTITIONS"),
    "an unknown config": (topic("new", configs={"no.such": "1"}), "INVALID_CONFIG"),
    "a config without a value": (topic("new", configs={"retention.ms": None}), "INVALID_CONFIG"),
    "assignments and a count": (assigned((0, [1]), partitions=1, replication=1), "INVALID_REQUEST"),
    "assigned to an unknown node": (assigned((0, [7])), "INVALID_REPLICA_ASSIGNMENT"),
}


@pytest.mark.parametrize("asked, wanted", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("validate_only", [False, True])
async def test_what_cannot_be_made_is_refused_and_the_rest_made(autojump_clock, peer, asked, wanted, validate_only):
    rows = await create(peer, asked, topic("good"), validate_only=validate_only)
    assert codes(rows) == [(asked.name, wanted), ("good", "NONE")]
    assert rows[0].error_message, "a refusal says why"
    assert rows[0].configs == [], "Java reads a null here as a fault"
    assert await there(peer) == ([("t", 1)] if validate_only else [("t", 1), ("good", 1)])


async def test_a_name_asked_for_twice_is_refused_once_and_not_made(autojump_clock, peer):
    rows = await create(peer, topic("twice", 1), topic("good"), topic("twice", 2))
    assert codes(rows) == [("twice", "INVALID_REQUEST"), ("good", "NONE")]
    assert await there(peer) == [("t", 1), ("good", 1)]


async def test_topics_and_their_configs_outlive_the_broker(autojump_clock, start):
    house = await start()
    peer = house.connect()
    topic_id = await peer.create("kept", 2, {"max.message.bytes": "100"})
    house.broker.stop()
    assert await peer.is_closed()
    again = (await start()).connect()
    (found,) = (await again.ask(MetadataRequest([MetadataRequestTopic(name="kept")]))).topics
    assert (bytes(found.topic_id), len(found.partitions)) == (topic_id, 2)
    assert ErrorCode((await again.produce("kept", batch(bytes(200)))).error_code).name == "MESSAGE_TOO_LARGE"


# ---- DeleteTopics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, 7))
async def test_every_version_deletes_by_name(autojump_clock, peer, version):
    await peer.create("u")
    rows = await delete(peer, "u", "nowhere", version=version)
    assert codes(rows) == [("u", "NONE"), ("nowhere", "UNKNOWN_TOPIC_OR_PARTITION")]
    assert bool(rows[1].error_message) == (version >= 5)
    assert await there(peer) == [("t", 1)]
    assert codes(await delete(peer, "u", version=version)) == [("u", "UNKNOWN_TOPIC_OR_PARTITION")]


async def test_a_topic_is_deleted_by_its_id(autojump_clock, peer):
    topic_id = await peer.create("u")
    states = [DeleteTopicState(topic_id=topic_id), DeleteTopicState(topic_id=b"\1" * 16)]
    rows = (await peer.ask(DeleteTopicsRequest(topics=states))).responses
    assert codes(rows) == [("u", "NONE"), (None, "UNKNOWN_TOPIC_ID")]
    assert [bytes(row.topic_id) for row in rows] == [topic_id, b"\1" * 16]


async def test_a_topic_asked_for_twice_is_refused_once_and_stays(autojump_clock, peer):
    rows = await delete(peer, "t", "nowhere", "t", version=5)
    assert sorted(codes(rows)) == [("nowhere", "UNKNOWN_TOPIC_OR_PARTITION"), ("t", "INVALID_REQUEST")]
    topic_id = await peer.create("u")
    both = [DeleteTopicState("u"), DeleteTopicState(topic_id=topic_id)]
    rows = (await peer.ask(DeleteTopicsRequest(topics=both))).responses
    assert [(row.name, bytes(row.topic_id), ErrorCode(row.error_code).name) for row in rows] == [
        ("u", topic_id, "INVALID_REQUEST")
    ]
    rows = (await peer.ask(DeleteTopicsRequest(topics=[DeleteTopicState()] * 2))).responses
    assert [ErrorCode(row.error_code).name for row in rows] == ["INVALID_REQUEST"] * 2
    assert await there(peer) == [("t", 1), ("u", 1)]


async def test_a_row_names_a_topic_or_its_id(autojump_clock, peer):
    topic_id = await peer.create("u")
    for odd in (DeleteTopicState("u", topic_id), DeleteTopicState()):
        (row,) = (await peer.ask(DeleteTopicsRequest(topics=[odd]))).responses
        assert ErrorCode(row.error_code).name == "INVALID_REQUEST"
    assert await there(peer) == [("t", 1), ("u", 1)]


async def test_what_is_deleted_answers_no_more(autojump_clock, peer):
    await peer.produce("t", batch(b"a"))
    await delete(peer, "t")
    assert ErrorCode((await peer.produce("t", batch(b"b"))).error_code).name == "UNKNOWN_TOPIC_OR_PARTITION"
    assert ErrorCode((await peer.fetch("t", 0)).error_code).name == "UNKNOWN_TOPIC_OR_PARTITION"
    assert ErrorCode((await peer.offset_at("t", -1))[0]).name == "UNKNOWN_TOPIC_OR_PARTITION"


async def test_a_topic_made_again_is_empty_and_has_another_id(autojump_clock, peer):
    first = await peer.create("again", 2)
    await peer.produce("again", batch(b"old", b"old"))
    await delete(peer, "again")
    assert await peer.create("again", 1) != first
    assert await peer.offset_at("again", -1) == (0, 0, -1)
    assert ErrorCode((await peer.fetch("again", 1)).error_code).name == "OFFSET_OUT_OF_RANGE"
    await peer.produce("again", batch(b"new"))
    assert await peer.values("again") == [b"new"]
    rows = (await peer.ask(DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=first)]))).responses
    assert codes(rows) == [(None, "UNKNOWN_TOPIC_ID")], "the old id does not reach its namesake"


async def test_a_topic_that_an_operator_reads_or_writes_stays(autojump_clock, peer):
    await peer.create("orders")
    text = '[streams.orders]\nformat = "json"\n[streams.large]\nbase = "orders"\ntype = "filter"\nwhere = "qty > 5"\n'
    await peer.ask(PrivateRequest(verb="apply", document=msgspec.json.encode({"document": text})))
    rows = await delete(peer, "orders", "large", "t")
    assert codes(rows) == [("orders", "POLICY_VIOLATION"), ("large", "POLICY_VIOLATION"), ("t", "NONE")]
    assert all("higgins operator delete large" in row.error_message for row in rows[:2])
