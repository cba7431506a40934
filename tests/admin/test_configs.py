"""Configs are described with their sources and changed entry by entry or as a whole; a refusal changes nothing."""

import pytest
import trio
from structlog.testing import capture_logs

from higgins.admin.configs.alter import incremental, replacement
from higgins.admin.topics import NewTopic
from higgins.config.entries.changes import Change, Operation
from higgins.config.entries.entry import ConfigType, ResourceType, SourceKind
from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.model.errors import Refused
from higgins_protocol.errors import ErrorCode

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = Operation


def entry(admin, kind, name, key):
    """The value of an entry, and where it comes from."""
    (row,) = admin.configs.describe(kind, name, [key])
    return row.value, row.kind


async def change(admin, kind, name, *changes, validate_only=False):
    alteration = incremental(kind, name, [Change(*one) for one in changes])
    (refusal,) = await admin.configs.alter([alteration], validate_only=validate_only)
    return refusal


async def changed(admin, kind, name, *changes):
    assert await change(admin, kind, name, *changes) is None


# ---- describe --------------------------------------------------------------------------------------------------------


async def test_every_entry_of_a_topic_is_described(autojump_clock, admin):
    rows = {row.name: row for row in admin.configs.describe(TOPIC, "t")}
    assert len(rows) > 30
    policy = rows["cleanup.policy"]
    assert (policy.value, policy.kind, policy.type) == ("delete", SourceKind.DEFAULT, ConfigType.LIST)
    assert [(one.name, one.value) for one in policy.sources] == [("log.cleanup.policy", "delete")]
    assert "In Higgins: enforced in part" in policy.documentation


async def test_unknown_names_are_left_out(autojump_clock, admin):
    assert [row.name for row in admin.configs.describe(TOPIC, "t", ["retention.ms", "no.such"])] == ["retention.ms"]


async def test_the_sources_of_a_value_are_in_order_of_precedence(autojump_clock, admin):
    await changed(admin, BROKER, "", ("message.max.bytes", SET, "100"))
    await changed(admin, BROKER, "1", ("message.max.bytes", SET, "2000"))
    await changed(admin, TOPIC, "t", ("max.message.bytes", SET, "300"))
    (row,) = admin.configs.describe(TOPIC, "t", ["max.message.bytes"])
    assert [(one.name, one.value, one.kind) for one in row.sources] == [
        ("max.message.bytes", "300", SourceKind.DYNAMIC_TOPIC),
        ("message.max.bytes", "2000", SourceKind.DYNAMIC_BROKER),
        ("message.max.bytes", "100", SourceKind.DYNAMIC_DEFAULT_BROKER),
        ("message.max.bytes", "1048588", SourceKind.DEFAULT),
    ]


async def test_a_value_in_another_unit_is_converted(autojump_clock, admin):
    assert entry(admin, TOPIC, "t", "retention.ms") == ("604800000", SourceKind.DEFAULT)
    await changed(admin, BROKER, "", ("log.retention.ms", SET, "77"))
    assert entry(admin, TOPIC, "t", "retention.ms") == ("77", SourceKind.DYNAMIC_DEFAULT_BROKER)


UNDESCRIBED = {
    "invalid topic": (TOPIC, "a/b", "INVALID_TOPIC_EXCEPTION"),
    "topic without a name": (TOPIC, "", "INVALID_TOPIC_EXCEPTION"),
    "unknown topic": (TOPIC, "nowhere", "UNKNOWN_TOPIC_OR_PARTITION"),
    "another broker": (BROKER, "99", "INVALID_REQUEST"),
    "not a broker id": (BROKER, "x", "INVALID_REQUEST"),
    "loggers of all": (LOGGER, "", "INVALID_REQUEST"),
    "loggers of another broker": (LOGGER, "99", "INVALID_REQUEST"),
    "group without a name": (GROUP, "", "INVALID_REQUEST"),
    "subscription without a name": (METRICS, "", "INVALID_REQUEST"),
    "unknown type": (1, "x", "INVALID_REQUEST"),
}


@pytest.mark.parametrize("kind, name, expected", UNDESCRIBED.values(), ids=UNDESCRIBED.keys())
async def test_a_resource_that_cannot_be_described_says_why(autojump_clock, admin, kind, name, expected):
    with pytest.raises(Refused) as refused:
        admin.configs.describe(kind, name)
    assert refused.value.code.name == expected
    assert refused.value.message.endswith(".")


async def test_the_resources_of_each_type_are_listed(autojump_clock, admin):
    await changed(admin, GROUP, "g", ("consumer.session.timeout.ms", SET, "50000"))
    listed = {kind: list(admin.configs.resources(kind)) for kind in ResourceType}
    assert listed == {
        ResourceType.TOPIC: ["t"],
        ResourceType.BROKER: ["1"],
        ResourceType.BROKER_LOGGER: ["1"],
        ResourceType.CLIENT_METRICS: [],
        ResourceType.GROUP: ["g"],
    }


# ---- change single entries -------------------------------------------------------------------------------------------


async def test_an_entry_is_set_in_its_only_spelling_and_deleted(autojump_clock, admin):
    await changed(admin, TOPIC, "t", ("retention.ms", SET, " 5 "), ("preallocate", SET, "TRUE"))
    assert entry(admin, TOPIC, "t", "retention.ms") == ("5", SourceKind.DYNAMIC_TOPIC)
    assert entry(admin, TOPIC, "t", "preallocate") == ("true", SourceKind.DYNAMIC_TOPIC)
    await changed(admin, TOPIC, "t", ("retention.ms", DELETE, None), ("segment.ms", DELETE, None))
    assert entry(admin, TOPIC, "t", "retention.ms") == ("604800000", SourceKind.DEFAULT)


async def test_lists_grow_and_shrink_from_the_effective_value(autojump_clock, admin):
    for operation, word, expected in (
        (APPEND, "compact", "delete,compact"),
        (APPEND, "compact", "delete,compact"),
        (SUBTRACT, "delete", "compact"),
        (SUBTRACT, "delete", "compact"),
        (SUBTRACT, "compact", ""),
    ):
        await changed(admin, TOPIC, "t", ("cleanup.policy", operation, word))
        assert entry(admin, TOPIC, "t", "cleanup.policy") == (expected, SourceKind.DYNAMIC_TOPIC)
    await changed(admin, BROKER, "", ("log.cleanup.policy", SET, "compact"))
    await admin.topics.create([NewTopic("u")])
    await changed(admin, TOPIC, "u", ("cleanup.policy", APPEND, "delete"))
    assert entry(admin, TOPIC, "u", "cleanup.policy")[0] == "compact,delete"


REFUSED = {
    "an unknown entry": (TOPIC, "t", [("no.such", SET, "1")], "INVALID_CONFIG"),
    "a value that is no number": (TOPIC, "t", [("retention.ms", SET, "soon")], "INVALID_CONFIG"),
    "a number in disguise": (TOPIC, "t", [("retention.ms", SET, "1_000")], "INVALID_CONFIG"),
    "a number past 64 bits": (TOPIC, "t", [("retention.ms", SET, str(1 << 63))], "INVALID_CONFIG"),
    "a value below the least": (TOPIC, "t", [("segment.bytes", SET, "14")], "INVALID_CONFIG"),
    "a word that is none of them": (TOPIC, "t", [("cleanup.policy", SET, "burn")], "INVALID_CONFIG"),
    "neither true nor false": (TOPIC, "t", [("preallocate", SET, "yes")], "INVALID_CONFIG"),
    "not even a number": (TOPIC, "t", [("min.cleanable.dirty.ratio", SET, "nan")], "INVALID_CONFIG"),
    "a level between the levels": (TOPIC, "t", [("compression.gzip.level", SET, "0")], "INVALID_CONFIG"),
    "replicas in no form": (TOPIC, "t", [("leader.replication.throttled.replicas", SET, "x")], "INVALID_CONFIG"),
    "a second tier": (TOPIC, "t", [("remote.storage.enable", SET, "true")], "INVALID_CONFIG"),
    "lags that cross": (
        TOPIC,
        "t",
        [("min.compaction.lag.ms", SET, "9"), ("max.compaction.lag.ms", SET, "5")],
        "INVALID_CONFIG",
    ),
    "no value": (TOPIC, "t", [("retention.ms", SET, None)], "INVALID_REQUEST"),
    "appending to a number": (TOPIC, "t", [("retention.ms", APPEND, "1")], "INVALID_CONFIG"),
    "appending to the unknown": (TOPIC, "t", [("no.such", APPEND, "1")], "INVALID_CONFIG"),
    "appending nothing": (TOPIC, "t", [("cleanup.policy", APPEND, None)], "INVALID_REQUEST"),
    "an unknown operation": (TOPIC, "t", [("retention.ms", 9, "1")], "INVALID_REQUEST"),
    "an entry twice": (TOPIC, "t", [("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], "INVALID_REQUEST"),
    "good beside bad": (TOPIC, "t", [("retention.ms", SET, "1"), ("no.such", SET, "1")], "INVALID_CONFIG"),
    "a topic that is not there": (TOPIC, "nope", [("retention.ms", SET, "1")], "UNKNOWN_TOPIC_OR_PARTITION"),
    "an odd topic": (TOPIC, "a/b", [("retention.ms", SET, "1")], "INVALID_TOPIC_EXCEPTION"),
    "all topics": (TOPIC, "", [("retention.ms", SET, "1")], "INVALID_REQUEST"),
    "an unknown type": (77, "x", [("retention.ms", SET, "1")], "INVALID_REQUEST"),
    "what is given at the start": (BROKER, "1", [("socket.request.max.bytes", SET, "1")], "INVALID_CONFIG"),
    "the id of a broker": (BROKER, "1", [("broker.id", SET, "7")], "INVALID_REQUEST"),
    "a number of threads": (BROKER, "", [("offsets.retention.minutes", SET, "7")], "INVALID_REQUEST"),
    "a broker nobody knows": (BROKER, "99", [("message.max.bytes", SET, "7000")], "INVALID_REQUEST"),
    "a broker that is no number": (BROKER, "x", [("message.max.bytes", SET, "7000")], "INVALID_REQUEST"),
    "a broker's unknown entry": (BROKER, "", [("no.such", SET, "1")], "INVALID_CONFIG"),
    "a broker's malformed value": (BROKER, "", [("message.max.bytes", SET, "x")], "INVALID_CONFIG"),
    "timeouts that cross": (BROKER, "", [("group.min.session.timeout.ms", SET, "9999999")], "INVALID_CONFIG"),
    "a batch no request carries": (BROKER, "", [("message.max.bytes", SET, "2000000000")], "INVALID_CONFIG"),
    "a group's unknown entry": (GROUP, "g", [("no.such", SET, "1")], "INVALID_CONFIG"),
    "a group below its broker's least": (GROUP, "g", [("consumer.session.timeout.ms", SET, "10")], "INVALID_CONFIG"),
    "a group without a name": (GROUP, "", [("consumer.session.timeout.ms", SET, "50000")], "INVALID_REQUEST"),
    "a logger": (LOGGER, "1", [("root", SET, "DEBUG")], "INVALID_REQUEST"),
    "an odd selector": (METRICS, "s", [("match", SET, "hm=a")], "INVALID_CONFIG"),
    "too short an interval": (METRICS, "s", [("interval.ms", SET, "1")], "INVALID_CONFIG"),
}


@pytest.mark.parametrize("kind, name, changes, expected", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_change_that_is_refused_changes_nothing(
    autojump_clock, admin, kind, name, changes, expected, validate_only
):
    refusal = await change(admin, kind, name, *changes, validate_only=validate_only)
    assert refusal.code.name == expected
    assert refusal.message.strip()[-1] in ".?'" or "higgins up" in refusal.message, refusal.message
    assert entry(admin, TOPIC, "t", "retention.ms")[1] is SourceKind.DEFAULT


async def test_each_resource_by_itself_and_a_repeated_one_refused(autojump_clock, admin):
    await admin.topics.create([NewTopic("u")])
    refusals = await admin.configs.alter(
        [
            incremental(kind, name, [Change(key, SET, value)])
            for kind, name, key, value in (
                (TOPIC, "t", "retention.ms", "1"),
                (TOPIC, "nowhere", "retention.ms", "1"),
                (TOPIC, "u", "retention.ms", "1"),
                (TOPIC, "u", "segment.ms", "1"),
                (BROKER, "", "log.retention.ms", "77"),
            )
        ]
    )
    codes = [refusal.code.name if refusal else "NONE" for refusal in refusals]
    assert codes == ["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_REQUEST", "INVALID_REQUEST", "NONE"]
    assert entry(admin, TOPIC, "t", "retention.ms")[0] == "1"
    assert entry(admin, TOPIC, "u", "retention.ms") == ("77", SourceKind.DYNAMIC_DEFAULT_BROKER)
    assert await admin.configs.alter([]) == []


async def test_concurrent_changes_of_different_entries_all_succeed(autojump_clock, admin):
    names = ["retention.ms", "segment.ms", "flush.ms", "flush.messages", "file.delete.delay.ms", "segment.jitter.ms"]
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(changed, admin, TOPIC, "t", (name, SET, "77"))
    own = {row.name for row in admin.configs.describe(TOPIC, "t") if row.kind is SourceKind.DYNAMIC_TOPIC}
    assert own == set(names)


# ---- replace all entries ---------------------------------------------------------------------------------------------


async def replace(admin, kind, name, configs, **options):
    (refusal,) = await admin.configs.alter([replacement(kind, name, configs)], **options)
    return refusal


async def test_a_replacement_removes_what_it_does_not_name(autojump_clock, admin):
    await changed(admin, TOPIC, "t", ("retention.ms", SET, "1000"), ("segment.ms", SET, "5"))
    assert await replace(admin, TOPIC, "t", [("flush.ms", "5"), ("segment.ms", "6")]) is None
    rows = admin.configs.describe(TOPIC, "t")
    assert {row.name: row.value for row in rows if row.kind is SourceKind.DYNAMIC_TOPIC} == {
        "flush.ms": "5", "segment.ms": "6",
    }  # fmt: skip


UNREPLACED = {
    "unknown entry": (TOPIC, "t", [("no.such", "1")], "INVALID_CONFIG"),
    "malformed value": (TOPIC, "t", [("flush.ms", "x")], "INVALID_CONFIG"),
    "no value": (TOPIC, "t", [("flush.ms", None)], "INVALID_REQUEST"),
    "repeated entry": (TOPIC, "t", [("flush.ms", "1"), ("flush.ms", "2")], "INVALID_REQUEST"),
    "unknown topic": (TOPIC, "nope", [("flush.ms", "1")], "UNKNOWN_TOPIC_OR_PARTITION"),
    "logger": (LOGGER, "1", [("root", "INFO")], "INVALID_REQUEST"),
}


@pytest.mark.parametrize("kind, name, configs, expected", UNREPLACED.values(), ids=UNREPLACED.keys())
async def test_a_replacement_that_is_refused_changes_nothing(autojump_clock, admin, kind, name, configs, expected):
    await changed(admin, TOPIC, "t", ("retention.ms", SET, "7"))
    refusal = await replace(admin, kind, name, configs)
    assert refusal.code is ErrorCode[expected] and refusal.message
    assert await replace(admin, TOPIC, "t", [("flush.ms", "1")], validate_only=True) is None
    assert entry(admin, TOPIC, "t", "retention.ms") == ("7", SourceKind.DYNAMIC_TOPIC)


# ---- entries without effect ------------------------------------------------------------------------------------------


async def test_an_entry_without_effect_is_logged_once_whoever_sets_it(autojump_clock, admin):
    """Every entry of a topic, set at creation, by a change and by a replacement."""
    values = {key: one.default for key, one in TOPIC_ENTRIES.items() if one.default}
    values["cleanup.policy"] = "compact"
    without = sorted(key for key in values if TOPIC_ENTRIES[key].is_worth_a_note)
    assert {"cleanup.policy", "retention.ms"} <= set(without)
    with capture_logs() as logs:
        await admin.topics.create([NewTopic("dry", configs=values)], validate_only=True)
        assert logs == []
        await admin.topics.create([NewTopic("noted", configs={"retention.ms": "5", "max.message.bytes": "5"})])
        assert [(one["entry"], one["resource"]) for one in logs] == [("retention.ms", "topic noted")]
        assert await replace(admin, TOPIC, "t", [*{**values, "retention.ms": "7"}.items()]) is None
        await changed(admin, TOPIC, "noted", ("retention.ms", SET, "6"), ("segment.ms", SET, "7"))
        await changed(admin, TOPIC, "noted", ("max.message.bytes", SET, "7"))
    assert all(one["event"] == "config.without_effect" and one["log_level"] == "warning" for one in logs)
    found = [one["entry"] for one in logs]
    assert len(found) == len(set(found)) and set(found) <= set(without)
    assert "cleanup.policy" in found and "segment.ms" in found
