"""`higgins topic config`: shown, changed, refused with the fix, and listed without a broker."""

import json
import subprocess

import pytest

from higgins.config.entries.topics import TOPIC_ENTRIES
from tests.cli.test_commands import HIGGINS, PATIENCE_S, Up, environment


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    up = Up(tmp_path_factory.mktemp("broker"), "--store", "memory://", "--set", "log.retention.hours=1")
    up.run("topic", "create", "t")
    yield up
    assert up.stop() == 0


def test_what_is_set_is_shown_and_what_is_deleted_is_the_default_again(broker):
    told = broker.run("topic", "config", "set", "t", "retention.ms=5", "max.message.bytes=1000")
    assert "Changed topic t." in told
    assert "retention.ms: accepted, without effect because" in told and "max.message.bytes:" not in told
    assert broker.run("topic", "config", "get", "t", "retention.ms") == "5\n"
    shown = broker.run("topic", "config", "get", "t").splitlines()
    assert ["retention.ms", "5", "topic"] in [line.split() for line in shown]
    broker.run("topic", "config", "set", "t", "--delete", "retention.ms", "segment.ms=7")
    assert broker.run("topic", "config", "get", "t", "retention.ms") == "3600000\n", "an hour, as the broker was told"
    assert broker.run("topic", "config", "get", "t", "segment.ms") == "7\n"


def test_json_carries_source_and_documentation(broker):
    (found,) = json.loads(broker.run("topic", "config", "get", "t", "preallocate", "--json"))
    assert (found["name"], found["value"], found["source"]) == ("preallocate", "false", "default")
    assert found["documentation"]
    entry = "max.message.bytes=9999"
    changed = json.loads(broker.run("topic", "config", "set", "t", entry, "--delete", "segment.ms", "--json"))
    assert changed == {"topic": "t", "set": {"max.message.bytes": "9999"}, "deleted": ["segment.ms"]}


def test_what_has_no_effect_is_said_wherever_a_topic_entry_is_accepted(broker):
    """All entries, in the two commands that take them, as text and as JSON."""
    without = sorted(key for key, entry in TOPIC_ENTRIES.items() if entry.is_worth_a_note)
    assert {"retention.ms", "cleanup.policy"} <= set(without)
    values = {key: "compact" if key == "cleanup.policy" else TOPIC_ENTRIES[key].default for key in TOPIC_ENTRIES}
    pairs = [f"{key}={value}" for key, value in values.items() if value]
    printed = [
        broker.run("topic", "create", "noted", *(part for pair in pairs for part in ("-c", pair))),
        broker.run("topic", "config", "set", "noted", *pairs),
    ]
    for text in printed:
        noted = [line.split(":")[0].strip() for line in text.splitlines()[1:]]
        assert sorted(noted) == sorted(key for key in without if values[key])
    told = json.loads(broker.run("topic", "config", "set", "noted", "retention.ms=1", "--json"))
    assert told["notes"] == ["retention.ms: " + TOPIC_ENTRIES["retention.ms"].effect + "."]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("set", "t", "retenton.ms=5"), "Did you mean 'retention.ms'?"),
        (("set", "t", "retention.ms=soon"), "'soon' is not a whole number"),
        (("set", "t", "retention.ms"), "write KEY=VALUE"),
        (("set", "t"), "Nothing to change"),
        (("set", "nowhere", "retention.ms=5"), "Topic 'nowhere' does not exist."),
        (("get", "nowhere"), "Topic 'nowhere' does not exist."),
        (("get", "t", "no.such"), "higgins topic config list"),
    ],
)
def test_what_cannot_be_is_told_with_the_fix(broker, arguments, told):
    assert told in broker.run("topic", "config", *arguments, code=1)


def test_all_entries_are_listed_without_a_broker(tmp_path):
    def listed(*arguments):
        command = [*HIGGINS, "topic", "config", "list", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=True
        ).stdout

    table = listed("retention.ms").splitlines()
    assert table[0].split()[:4] == ["SCOPE", "NAME", "TYPE", "DEFAULT"]
    assert ["topic", "retention.ms", "long", "604800000"] in [line.split()[:4] for line in table]
    assert all("retention.ms" in line for line in table[1:])
    page = listed("--markdown")
    assert "| `retention.ms` | long | `604800000` |" in page and "| `num.partitions` | int | `1` |" in page
