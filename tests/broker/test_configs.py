"""Config entries: described with where they come from, changed singly or all at once, in effect without a restart."""

import pytest
import trio

from higgins.config.entries.entry import ConfigType, SourceKind
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from higgins_protocol.messages.create_topics import CreateTopicsRequest
from higgins_protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from higgins_protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalConfig,
    IncrementalResource,
)
from higgins_protocol.messages.list_config_resources import ListConfigResourcesRequest
from higgins_protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker.peer import EPOCH_MS, batch

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
DYNAMIC_TOPIC, DEFAULT_BROKER, STATIC, DEFAULT = (
    SourceKind.DYNAMIC_TOPIC,
    SourceKind.DYNAMIC_DEFAULT_BROKER,
    SourceKind.STATIC_BROKER,
    SourceKind.DEFAULT,
)


def error(row):
    return ErrorCode(row.error_code).name


async def describe(peer, kind, name, keys=None, *, version=4, documented=False):
    request = DescribeConfigsRequest([DescribeConfigsResource(kind, name, keys)], True, documented)
    (row,) = (await peer.ask(request, version)).results
    assert (row.resource_type, row.resource_name) == (kind, name)
    return row


async def entry(peer, kind, name, key, **more):
    """One entry of a resource: (value, source, synonyms)."""
    (row,) = (await describe(peer, kind, name, [key], **more)).configs
    assert row.name == key
    return row.value, row.config_source, [(one.name, one.value, one.source) for one in row.synonyms]


def incremental(kind, name, *changes):
    return IncrementalResource(kind, name, [IncrementalConfig(*change) for change in changes])


async def change(peer, kind, name, *changes, version=1, validate_only=False):
    """Change one resource; its row."""
    request = IncrementalAlterConfigsRequest([incremental(kind, name, *changes)], validate_only)
    (row,) = (await peer.ask(request, version)).responses
    assert (row.resource_type, row.resource_name) == (kind, name)
    assert bool(row.error_message) == bool(row.error_code), row
    return row


async def changed(peer, kind, name, *changes):
    assert error(await change(peer, kind, name, *changes)) == "NONE"


async def replace(peer, kind, name, configs, *, version=2, validate_only=False):
    resource = AlterConfigsResource(kind, name, [AlterableConfig(*one) for one in configs])
    (row,) = (await peer.ask(AlterConfigsRequest([resource], validate_only), version)).responses
    return row


# ---- DescribeConfigs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, 5))
async def test_every_version_describes_a_topic(autojump_clock, peer, version):
    await peer.create("a", 1, {"retention.ms": "1000"})
    row = await describe(peer, TOPIC, "a", version=version, documented=version >= 3)
    assert (error(row), row.error_message) == ("NONE", "")
    found = {one.name: one for one in row.configs}
    assert {"cleanup.policy", "max.message.bytes", "segment.bytes", "higgins.linger.ms"} <= found.keys()
    own, other = found["retention.ms"], found["cleanup.policy"]
    assert (own.value, own.config_source, own.read_only, own.is_sensitive) == ("1000", DYNAMIC_TOPIC, False, False)
    assert [(one.name, one.value, one.source) for one in own.synonyms] == [("retention.ms", "1000", DYNAMIC_TOPIC)]
    assert (other.value, other.config_source) == ("delete", DEFAULT)
    assert [(one.name, one.value, one.source) for one in other.synonyms] == [("log.cleanup.policy", "delete", DEFAULT)]
    if version >= 3:
        assert (own.config_type, other.config_type) == (ConfigType.LONG, ConfigType.LIST)
        assert "without effect because" in own.documentation


@pytest.mark.parametrize("keys", [None, []])
async def test_no_keys_mean_all(autojump_clock, peer, keys):
    assert len((await describe(peer, TOPIC, "t", keys)).configs) > 30


async def test_keys_nobody_knows_are_left_out(autojump_clock, peer):
    row = await describe(peer, TOPIC, "t", ["retention.ms", "no.such", "retention.ms"])
    assert [one.name for one in row.configs] == ["retention.ms"]


async def test_synonyms_and_documentation_only_when_asked(autojump_clock, peer):
    request = DescribeConfigsRequest([DescribeConfigsResource(TOPIC, "t", ["cleanup.policy"])])
    (found,) = (await peer.ask(request)).results[0].configs
    assert (found.synonyms, found.documentation) == ([], None)


async def test_a_row_for_each_resource_in_order_even_twice(autojump_clock, peer):
    asked = [(TOPIC, "t"), (TOPIC, "nowhere"), (TOPIC, "t"), (BROKER, "1"), (77, "x")]
    request = DescribeConfigsRequest([DescribeConfigsResource(*one, ["num.partitions"]) for one in asked])
    rows = (await peer.ask(request)).results
    assert [(one.resource_type, one.resource_name) for one in rows] == asked
    wanted = ["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "NONE", "NONE", "INVALID_REQUEST"]
    assert [error(one) for one in rows] == wanted
    assert all(one.configs == [] and one.error_message for one in rows if one.error_code)


UNDESCRIBED = {
    "an odd topic": (TOPIC, "a/b", "INVALID_TOPIC_EXCEPTION"),
    "another broker": (BROKER, "99", "INVALID_REQUEST"),
    "an unknown type": (1, "x", "INVALID_REQUEST"),
}


@pytest.mark.parametrize("kind, name, wanted", UNDESCRIBED.values(), ids=UNDESCRIBED.keys())
async def test_what_cannot_be_described_says_why(autojump_clock, peer, kind, name, wanted):
    row = await describe(peer, kind, name)
    assert (error(row), row.configs) == (wanted, [])
    assert row.error_message


async def test_a_broker_shows_what_it_was_started_with(autojump_clock, peer):
    found = {one.name: one for one in (await describe(peer, BROKER, "1")).configs}
    assert (found["num.partitions"].value, found["num.partitions"].config_source) == ("4", STATIC)
    assert [one.value for one in found["num.partitions"].synonyms] == ["4", "1"]
    assert (found["broker.id"].value, found["broker.id"].read_only) == ("1", True)
    assert found["advertised.listeners"].read_only and "://" in found["advertised.listeners"].value
    assert (found["log.retention.ms"].value, found["log.retention.ms"].synonyms) == (None, [])
    assert found["log.retention.hours"].value == "168"
    assert (await describe(peer, BROKER, "")).configs == [], "nothing was given to all brokers"


async def test_groups_subscriptions_and_loggers_are_described(autojump_clock, peer):
    value, source, _ = await entry(peer, GROUP, "g", "consumer.session.timeout.ms")
    assert (value, source) == ("45000", DEFAULT)
    row = await describe(peer, METRICS, "anything")
    found = [(one.name, one.value, one.config_source) for one in row.configs]
    assert found == [("interval.ms", "300000", DEFAULT), ("match", "", DEFAULT), ("metrics", "", DEFAULT)]
    (root,) = (await describe(peer, LOGGER, "1")).configs
    assert (root.name, root.config_source) == ("root", SourceKind.DYNAMIC_BROKER_LOGGER)
    assert root.value in {"DEBUG", "INFO", "WARN", "ERROR"}


# ---- IncrementalAlterConfigs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(2))
async def test_every_version_sets_and_deletes(autojump_clock, peer, version):
    row = await change(peer, TOPIC, "t", ("retention.ms", SET, " 5 "), ("preallocate", SET, "TRUE"), version=version)
    assert (error(row), row.error_message) == ("NONE", None)
    assert (await entry(peer, TOPIC, "t", "retention.ms"))[:2] == ("5", DYNAMIC_TOPIC)
    assert (await entry(peer, TOPIC, "t", "preallocate"))[:2] == ("true", DYNAMIC_TOPIC)
    await change(peer, TOPIC, "t", ("retention.ms", DELETE, None), ("segment.ms", DELETE, None), version=version)
    assert (await entry(peer, TOPIC, "t", "retention.ms"))[:2] == ("604800000", DEFAULT)
    assert (await entry(peer, TOPIC, "t", "preallocate"))[:2] == ("true", DYNAMIC_TOPIC)


REFUSED = {
    "an unknown entry": (TOPIC, "t", [("no.such", SET, "1")], "INVALID_CONFIG"),
    "no value": (TOPIC, "t", [("retention.ms", SET, None)], "INVALID_REQUEST"),
    "appending to a number": (TOPIC, "t", [("retention.ms", APPEND, "1")], "INVALID_CONFIG"),
    "an unknown operation": (TOPIC, "t", [("retention.ms", 9, "1")], "INVALID_REQUEST"),
    "an unknown type": (77, "x", [("retention.ms", SET, "1")], "INVALID_REQUEST"),
    "what is given at the start": (BROKER, "1", [("socket.request.max.bytes", SET, "1")], "INVALID_CONFIG"),
    "a logger": (LOGGER, "1", [("root", SET, "DEBUG")], "INVALID_REQUEST"),
}


@pytest.mark.parametrize("kind, name, changes, wanted", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("validate_only", [False, True])
async def test_what_may_not_be_is_refused_whole(autojump_clock, peer, kind, name, changes, wanted, validate_only):
    row = await change(peer, kind, name, *changes, validate_only=validate_only)
    assert error(row) == wanted
    assert row.error_message.strip()[-1] in ".?'" or "higgins up" in row.error_message, row.error_message
    assert (await entry(peer, TOPIC, "t", "retention.ms"))[1] == DEFAULT


async def test_each_resource_by_itself_and_one_named_twice_refused(autojump_clock, peer):
    await peer.create("u")
    resources = [
        incremental(TOPIC, "t", ("retention.ms", SET, "1")),
        incremental(TOPIC, "nope", ("retention.ms", SET, "1")),
        incremental(TOPIC, "u", ("retention.ms", SET, "1")),
        incremental(TOPIC, "u", ("segment.ms", SET, "1")),
        incremental(BROKER, "", ("log.retention.ms", SET, "77")),
    ]
    rows = (await peer.ask(IncrementalAlterConfigsRequest(resources))).responses
    wanted = ["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_REQUEST", "INVALID_REQUEST", "NONE"]
    assert [error(row) for row in rows] == wanted
    assert (await entry(peer, TOPIC, "t", "retention.ms"))[0] == "1"
    assert (await entry(peer, TOPIC, "u", "retention.ms"))[:2] == ("77", DEFAULT_BROKER)
    assert (await peer.ask(IncrementalAlterConfigsRequest([]))).responses == []


async def test_validation_alone_changes_nothing(autojump_clock, peer):
    assert error(await change(peer, TOPIC, "t", ("retention.ms", SET, "1"), validate_only=True)) == "NONE"
    assert (await entry(peer, TOPIC, "t", "retention.ms"))[1] == DEFAULT


# ---- AlterConfigs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(3))
async def test_every_version_replaces_all_there_was(autojump_clock, peer, version):
    await peer.create("a", 1, {"retention.ms": "1000", "segment.ms": "5"})
    row = await replace(peer, TOPIC, "a", [("flush.ms", "5"), ("segment.ms", "6")], version=version)
    assert (error(row), row.error_message) == ("NONE", None)
    row = await describe(peer, TOPIC, "a")
    own = {one.name: one.value for one in row.configs if one.config_source == DYNAMIC_TOPIC}
    assert own == {"flush.ms": "5", "segment.ms": "6"}
    assert error(await replace(peer, TOPIC, "a", [], version=version)) == "NONE"
    assert all(one.config_source == DEFAULT for one in (await describe(peer, TOPIC, "a")).configs)


UNREPLACED = {
    "an unknown entry": (TOPIC, "t", [("no.such", "1")], "INVALID_CONFIG"),
    "no value": (TOPIC, "t", [("flush.ms", None)], "INVALID_REQUEST"),
    "a topic that is not there": (TOPIC, "nope", [("flush.ms", "1")], "UNKNOWN_TOPIC_OR_PARTITION"),
}


@pytest.mark.parametrize("kind, name, configs, wanted", UNREPLACED.values(), ids=UNREPLACED.keys())
async def test_what_may_not_replace_is_refused(autojump_clock, peer, kind, name, configs, wanted):
    await changed(peer, TOPIC, "t", ("retention.ms", SET, "7"))
    row = await replace(peer, kind, name, configs)
    assert error(row) == wanted and row.error_message
    assert error(await replace(peer, TOPIC, "t", [("flush.ms", "1")], validate_only=True)) == "NONE"
    assert (await entry(peer, TOPIC, "t", "retention.ms"))[:2] == ("7", DYNAMIC_TOPIC)


async def test_the_clusters_default_is_replaced_too(autojump_clock, peer):
    await replace(peer, BROKER, "", [("log.retention.ms", "1")])
    await replace(peer, BROKER, "", [("log.segment.bytes", "2000000")])
    found = [(one.name, one.value, one.config_source) for one in (await describe(peer, BROKER, "")).configs]
    assert found == [("log.segment.bytes", "2000000", DEFAULT_BROKER)]


# ---- ListConfigResources ---------------------------------------------------------------------------------------------


async def resources(peer, *types, version=1):
    answer = await peer.ask(ListConfigResourcesRequest(list(types)), version)
    return error(answer), [(one.resource_name, one.resource_type) for one in answer.config_resources]


async def test_resources_are_listed_by_type(autojump_clock, peer):
    await changed(peer, GROUP, "g", ("consumer.session.timeout.ms", SET, "50000"))
    await changed(peer, METRICS, "s", ("interval.ms", SET, "1000"))
    everything = [("g", GROUP), ("s", METRICS), ("1", LOGGER), ("1", BROKER), ("t", TOPIC)]
    assert await resources(peer) == ("NONE", everything)
    assert await resources(peer, BROKER, GROUP, GROUP) == ("NONE", [("g", GROUP), ("1", BROKER)])
    assert await resources(peer, version=0) == ("NONE", [("s", METRICS)])
    assert await resources(peer, TOPIC, 77) == ("UNSUPPORTED_VERSION", [])
    await changed(peer, GROUP, "g", ("consumer.session.timeout.ms", DELETE, None))
    assert await resources(peer, GROUP) == ("NONE", [])


# ---- effects ---------------------------------------------------------------------------------------------------------


async def code_of_produce(peer, topic, data):
    return ErrorCode((await peer.produce(topic, data)).error_code).name


async def test_a_batchs_bound_takes_effect_at_once(autojump_clock, peer):
    big = batch(bytes(500))
    await changed(peer, TOPIC, "t", ("max.message.bytes", SET, "100"))
    assert await code_of_produce(peer, "t", big) == "MESSAGE_TOO_LARGE"
    await changed(peer, TOPIC, "t", ("max.message.bytes", DELETE, None))
    assert await code_of_produce(peer, "t", big) == "NONE"
    await changed(peer, BROKER, "", ("message.max.bytes", SET, "100"))
    assert await code_of_produce(peer, "t", big) == "MESSAGE_TOO_LARGE"
    assert await entry(peer, TOPIC, "t", "max.message.bytes") == (
        "100",
        DEFAULT_BROKER,
        [("message.max.bytes", "100", DEFAULT_BROKER), ("message.max.bytes", "1048588", DEFAULT)],
    )
    await changed(peer, BROKER, "1", ("message.max.bytes", SET, "2000"))
    assert await code_of_produce(peer, "t", big) == "NONE"
    await changed(peer, TOPIC, "t", ("max.message.bytes", SET, "100"))
    assert await code_of_produce(peer, "t", big) == "MESSAGE_TOO_LARGE"


async def test_timestamps_are_judged_and_stamped_as_configured(autojump_clock, peer):
    old = batch(b"v", timestamp=EPOCH_MS - 10_000)
    await changed(peer, TOPIC, "t", ("message.timestamp.before.max.ms", SET, "5000"))
    assert await code_of_produce(peer, "t", old) == "INVALID_TIMESTAMP"
    await changed(peer, TOPIC, "t", ("message.timestamp.before.max.ms", DELETE, None))
    await changed(peer, BROKER, "", ("log.message.timestamp.type", SET, "LogAppendTime"))
    assert (await peer.produce("t", old)).log_append_time_ms >= EPOCH_MS
    await changed(peer, TOPIC, "t", ("message.timestamp.type", SET, "CreateTime"))
    assert (await peer.produce("t", old)).log_append_time_ms == -1


async def test_records_without_a_key_are_refused_once_a_topic_is_compacted(autojump_clock, peer):
    assert await code_of_produce(peer, "t", batch(b"v")) == "NONE"
    await changed(peer, TOPIC, "t", ("cleanup.policy", APPEND, "compact"))
    assert await code_of_produce(peer, "t", batch(b"v")) == "INVALID_RECORD"


async def partitions_of(peer, name):
    (found,) = (await peer.ask(MetadataRequest([MetadataRequestTopic(name=name)], True))).topics
    return ErrorCode(found.error_code).name, len(found.partitions)


async def test_defaults_of_new_topics_take_effect_without_a_restart(autojump_clock, peer):
    assert await partitions_of(peer, "a") == ("NONE", 4)
    await changed(peer, BROKER, "", ("num.partitions", SET, "7"), ("default.replication.factor", SET, "3"))
    assert await partitions_of(peer, "b") == ("NONE", 7)
    await changed(peer, BROKER, "", ("auto.create.topics.enable", SET, "false"), ("num.partitions", DELETE, None))
    assert await partitions_of(peer, "c") == ("UNKNOWN_TOPIC_OR_PARTITION", 0)
    await changed(peer, BROKER, "", ("auto.create.topics.enable", DELETE, None))
    assert await partitions_of(peer, "c") == ("NONE", 4)


async def test_a_new_topic_is_answered_with_what_stands_for_it(autojump_clock, peer):
    await changed(peer, BROKER, "", ("log.retention.ms", SET, "77"))
    topic = (await peer.ask(CreateTopicsRequest([]))).topics
    assert topic == []
    await peer.create("made", 1, {"segment.ms": " 5 "})
    assert (await entry(peer, TOPIC, "made", "segment.ms"))[:2] == ("5", DYNAMIC_TOPIC)
    assert (await entry(peer, TOPIC, "made", "retention.ms"))[:2] == ("77", DEFAULT_BROKER)


async def test_changes_outlive_the_broker_and_reach_the_other_node(autojump_clock, start):
    first = await start()
    peer = first.connect()
    await peer.create("t")
    await changed(peer, TOPIC, "t", ("retention.ms", SET, "5"))
    await changed(peer, BROKER, "", ("message.max.bytes", SET, "100"))
    first.broker.stop()
    assert await peer.is_closed()
    again = (await start()).connect()
    assert (await entry(again, TOPIC, "t", "retention.ms"))[:2] == ("5", DYNAMIC_TOPIC)
    assert await code_of_produce(again, "t", batch(bytes(500))) == "MESSAGE_TOO_LARGE"
    with trio.fail_after(60):
        assert (await entry(again, BROKER, "", "message.max.bytes"))[:2] == ("100", DEFAULT_BROKER)
