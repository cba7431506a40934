"""Topics are created, deleted and given partitions, each by itself; a refusal says why and changes nothing."""

import pytest
import trio

from higgins.admin.topics import Assignment, NewTopic, PartitionIncrease
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode

TOPOGRAPHY = """
[streams.orders]
format = "json"
[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
[streams.huge]
base = "large"
type = "filter"
where = "qty > 50"
"""


def codes(results):
    return [result.code.name if isinstance(result, Refused) else "NONE" for result in results]


def partitions(admin):
    return {topic.name: topic.partitions for topic in admin.topics.list_topics()}


def assigned(*replicas, **more):
    return NewTopic("new", assignments=tuple(Assignment(index, tuple(nodes)) for index, nodes in replicas), **more)


# ---- create ----------------------------------------------------------------------------------------------------------


UNCREATABLE = {
    "exists": (NewTopic("t"), "TOPIC_ALREADY_EXISTS"),
    "no name": (NewTopic(""), "INVALID_TOPIC_EXCEPTION"),
    "invalid name": (NewTopic("a/b"), "INVALID_TOPIC_EXCEPTION"),
    "no partitions": (NewTopic("new", 0), "INVALID_PARTITIONS"),
    "negative partitions": (NewTopic("new", -2), "INVALID_PARTITIONS"),
    "too many partitions": (NewTopic("new", 100_001), "POLICY_VIOLATION"),
    "far too many partitions": (NewTopic("new", 2_000_000_000), "POLICY_VIOLATION"),
    "no replicas": (NewTopic("new", 1, 0), "INVALID_REPLICATION_FACTOR"),
    "too many replicas": (NewTopic("new", 1, 33), "INVALID_REPLICATION_FACTOR"),
    "unknown config": (NewTopic("new", configs={"no.such": "1"}), "INVALID_CONFIG"),
    "not a number": (NewTopic("new", configs={"retention.ms": "soon"}), "INVALID_CONFIG"),
    "out of bounds": (NewTopic("new", configs={"min.cleanable.dirty.ratio": "1.5"}), "INVALID_CONFIG"),
    "not one of the words": (NewTopic("new", configs={"cleanup.policy": "burn"}), "INVALID_CONFIG"),
    "list with an empty item": (NewTopic("new", configs={"cleanup.policy": "compact,"}), "INVALID_CONFIG"),
    "config before partitions": (NewTopic("new", 0, configs={"no.such": "1"}), "INVALID_CONFIG"),
    "config without a value": (NewTopic("new", configs={"retention.ms": None}), "INVALID_CONFIG"),
    "assignments and a count": (assigned((0, [1]), partitions=1, replication=1), "INVALID_REQUEST"),
    "assignments with a gap": (assigned((0, [1]), (2, [1])), "INVALID_REPLICA_ASSIGNMENT"),
    "partition assigned twice": (assigned((0, [1]), (0, [1])), "INVALID_REPLICA_ASSIGNMENT"),
    "uneven assignments": (assigned((0, [1]), (1, [1, 2])), "INVALID_REPLICA_ASSIGNMENT"),
    "assigned to nobody": (assigned((0, [])), "INVALID_REPLICA_ASSIGNMENT"),
    "node assigned twice": (assigned((0, [1, 1])), "INVALID_REPLICA_ASSIGNMENT"),
    "unknown node": (assigned((0, [7])), "INVALID_REPLICA_ASSIGNMENT"),
    "negative node": (assigned((0, [-1])), "INVALID_REPLICA_ASSIGNMENT"),
}


async def test_a_name_that_differs_only_in_dots_and_underscores_is_free_after_deletion(autojump_clock, admin):
    await admin.topics.create([NewTopic("metrics.cpu_load", 1)])
    alike = NewTopic("metrics_cpu.load", 1)
    for validate_only in (True, False):
        (refusal,) = await admin.topics.create([alike], validate_only=validate_only)
        assert refusal.code is ErrorCode.INVALID_TOPIC_EXCEPTION and "'metrics.cpu_load'" in refusal.message
    refusals = await admin.topics.auto_create([alike.name], is_allowed=True)
    assert refusals[alike.name].code is ErrorCode.INVALID_TOPIC_EXCEPTION
    await admin.topics.delete([admin.topics.find("metrics.cpu_load")])
    assert codes(await admin.topics.create([alike])) == ["NONE"]


@pytest.mark.parametrize("topic, expected", UNCREATABLE.values(), ids=UNCREATABLE.keys())
@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_topic_that_cannot_be_created_is_refused_and_others_are_created(
    autojump_clock, admin, topic, expected, validate_only
):
    results = await admin.topics.create([topic, NewTopic("good", 1)], validate_only=validate_only)
    assert codes(results) == [expected, "NONE"]
    assert results[0].message.endswith((".", "?")), "a refusal says why"
    assert partitions(admin) == ({"t": 1} if validate_only else {"t": 1, "good": 1})


async def test_a_topic_can_have_as_many_partitions_as_the_limit_says(autojump_clock, admin):
    (created,) = await admin.topics.create([NewTopic("new", 100_000)], validate_only=True)
    assert created.partitions == 100_000


async def test_a_topic_has_the_brokers_defaults_where_it_says_nothing(autojump_clock, admin):
    (created,) = await admin.topics.create([NewTopic("new")])
    assert (created.partitions, created.replication, created.configs) == (4, 1, {})
    assert admin.topics.find("new").id == created.topic_id


async def test_assignments_say_how_many_partitions_and_replicas_there_are(autojump_clock, admin):
    (created,) = await admin.topics.create([assigned((1, [1]), (0, [1]))])
    assert (created.partitions, created.replication) == (2, 1)


async def test_a_repeated_name_is_refused_each_time(autojump_clock, admin):
    results = await admin.topics.create([NewTopic("twice", 1), NewTopic("good", 1), NewTopic("twice", 2)])
    assert codes(results) == ["INVALID_REQUEST", "NONE", "INVALID_REQUEST"]
    assert partitions(admin) == {"t": 1, "good": 1}


async def test_of_two_concurrent_creations_of_one_topic_one_succeeds(autojump_clock, admin):
    results = []

    async def create():
        results.extend(codes(await admin.topics.create([NewTopic("a")])))

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(create)
    assert sorted(results) == ["NONE", "TOPIC_ALREADY_EXISTS"]


async def test_missing_topics_are_created_automatically_where_client_and_broker_allow_it(autojump_clock, start):
    house = await start()
    admin = house.broker.node.admin
    assert await admin.topics.auto_create(["a", "a/b", "a", ""], is_allowed=True) == {}
    assert await admin.topics.auto_create(["b", "__consumer_offsets"], is_allowed=False) == {}
    assert partitions(admin) == {"a": 4, "__consumer_offsets": 1}


async def test_a_broker_that_forbids_automatic_creation_still_creates_the_offsets_topic(autojump_clock, start):
    house = await start(auto_create_topics=False)
    admin = house.broker.node.admin
    await admin.topics.auto_create(["a", "__consumer_offsets"], is_allowed=True)
    assert partitions(admin) == {"__consumer_offsets": 1}


# ---- delete ----------------------------------------------------------------------------------------------------------


async def test_a_topic_is_found_by_name_and_id_until_it_is_deleted(autojump_clock, admin):
    topic = admin.topics.find("t")
    assert admin.topics.find_by_id(topic.id) is topic
    assert await admin.topics.delete([topic]) == [None]
    for find, key in ((admin.topics.find, "t"), (admin.topics.find_by_id, topic.id)):
        with pytest.raises(Refused):
            find(key)
    (refusal,) = await admin.topics.delete([topic])
    assert refusal.code is ErrorCode.UNKNOWN_TOPIC_ID


async def test_a_topic_that_an_operator_reads_or_writes_is_not_deleted(autojump_clock, admin):
    await admin.operators.apply(TOPOGRAPHY)
    refusals = await admin.topics.delete([admin.topics.find(name) for name in ("orders", "large", "t")])
    assert codes(refusals) == ["POLICY_VIOLATION", "POLICY_VIOLATION", "NONE"]
    assert all("higgins operator delete large" in refusal.message for refusal in refusals[:2])


async def test_an_unknown_id_is_not_the_code_of_an_unknown_name(autojump_clock, admin):
    with pytest.raises(Refused) as by_id:
        admin.topics.find_by_id(TopicId(bytes(16)))
    with pytest.raises(Refused) as by_name:
        admin.topics.find("nowhere")
    assert (by_id.value.code, by_name.value.code) == (
        ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    )  # fmt: skip


# ---- add partitions --------------------------------------------------------------------------------------------------


REFUSED_INCREASES = {
    "unknown topic": (PartitionIncrease("nowhere", 3), "UNKNOWN_TOPIC_OR_PARTITION"),
    "no increase": (PartitionIncrease("two", 2), "INVALID_PARTITIONS"),
    "fewer": (PartitionIncrease("two", 1), "INVALID_PARTITIONS"),
    "negative": (PartitionIncrease("two", -1), "INVALID_PARTITIONS"),
    "too many": (PartitionIncrease("two", 2_000_000_000), "INVALID_PARTITIONS"),
    "too few assignments": (PartitionIncrease("two", 4, ((1,),)), "INVALID_REPLICA_ASSIGNMENT"),
    "assigned to nobody": (PartitionIncrease("two", 3, ((),)), "INVALID_REPLICA_ASSIGNMENT"),
    "too many nodes": (PartitionIncrease("two", 3, ((1, 2),)), "INVALID_REPLICA_ASSIGNMENT"),
    "unknown node": (PartitionIncrease("two", 3, ((7,),)), "INVALID_REPLICA_ASSIGNMENT"),
}


@pytest.mark.parametrize("increase, expected", REFUSED_INCREASES.values(), ids=REFUSED_INCREASES.keys())
@pytest.mark.parametrize("validate_only", [False, True])
async def test_an_increase_that_is_refused_leaves_the_others(autojump_clock, admin, increase, expected, validate_only):
    await admin.topics.create([NewTopic("two", 2)])
    refusals = await admin.topics.add_partitions([increase, PartitionIncrease("t", 2)], validate_only=validate_only)
    assert codes(refusals) == [expected, "NONE"]
    assert refusals[0].message.endswith(".")
    assert partitions(admin) == {"two": 2, "t": 1 if validate_only else 2}


async def test_assignments_of_the_added_partitions_are_accepted(autojump_clock, admin):
    assert await admin.topics.add_partitions([PartitionIncrease("t", 3, ((1,), (1,)))]) == [None]
    assert partitions(admin) == {"t": 3}


async def test_a_repeated_increase_is_refused_each_time(autojump_clock, admin):
    increases = [PartitionIncrease("t", 2), PartitionIncrease("t", 3)]
    assert codes(await admin.topics.add_partitions(increases)) == ["INVALID_REQUEST"] * 2
    assert partitions(admin) == {"t": 1}


async def test_derived_topics_grow_with_their_input_and_not_by_themselves(autojump_clock, admin):
    await admin.topics.create([NewTopic("orders", 2)])
    await admin.operators.apply(TOPOGRAPHY)
    increases = [PartitionIncrease("large", 4), PartitionIncrease("orders", 4)]
    assert codes(await admin.topics.add_partitions(increases)) == ["POLICY_VIOLATION", "NONE"]
    assert partitions(admin) == {"t": 1, "orders": 4, "large": 4, "huge": 4}
