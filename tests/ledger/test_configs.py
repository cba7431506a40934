"""Configs as facts: changed from what they were, by one at a time, kept through a snapshot, gone with their owner."""

import pytest

from higgins.ledger.state import configs
from higgins.ledger.state.configs import ConfigureResource
from higgins.ledger.state.topics import ConfigureTopic, CreateTopic, DeleteTopic
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.ledger.chronicle import Chronicle, snapshot_of, state_from

BROKER = 4
OTHER = TopicId(b"o" * 16)


@pytest.fixture
def chronicle() -> Chronicle:
    return Chronicle()


def test_a_topics_configs_are_replaced(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    assert chronicle.one(ConfigureTopic(topic_id, {}, {"a": "1", "b": "2"})) is True
    assert chronicle.one(ConfigureTopic(topic_id, {"a": "1", "b": "2"}, {"b": "3"})) is True
    topics = chronicle.state.topics
    assert topics.by_id[topic_id].configs == {"b": "3"}
    assert topics.by_name["t"] is topics.by_id[topic_id]


def test_of_two_changes_from_the_same_state_one_is_made(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    changes = [ConfigureTopic(topic_id, {}, {"a": "1"}), ConfigureTopic(topic_id, {}, {"b": "2"})]
    assert chronicle.commit(*changes) == [True, False]
    assert chronicle.state.topics.by_id[topic_id].configs == {"a": "1"}
    resources = [ConfigureResource(BROKER, "", {}, {"a": "1"}), ConfigureResource(BROKER, "", {}, {"b": "2"})]
    assert chronicle.commit(*resources) == [True, False]
    assert chronicle.state.configs.get(BROKER, "") == {"a": "1"}


def test_a_topic_that_is_gone_cannot_be_configured(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    chronicle.commit(DeleteTopic(topic_id), CreateTopic("t", OTHER, 1))
    assert chronicle.refusal(ConfigureTopic(topic_id, {}, {"a": "1"})) == ErrorCode.UNKNOWN_TOPIC_ID
    assert chronicle.state.topics.by_name["t"].configs == {}


def test_a_resource_without_configs_is_forgotten(chronicle: Chronicle) -> None:
    chronicle.one(ConfigureResource(BROKER, "1", {}, {"a": "1"}))
    chronicle.one(ConfigureResource(BROKER, "2", {}, {"a": "2"}))
    assert list(chronicle.state.configs.names(BROKER)) == ["1", "2"]
    chronicle.one(ConfigureResource(BROKER, "1", {"a": "1"}, {}))
    assert list(chronicle.state.configs.names(BROKER)) == ["2"]
    assert chronicle.state.configs.get(BROKER, "1") == {}


def test_every_change_moves_the_revision(chronicle: Chronicle) -> None:
    revisions = [chronicle.state.configs.revision]
    for before, after in (({}, {"a": "1"}), ({"a": "1"}, {"a": "2"}), ({"a": "2"}, {})):
        chronicle.one(ConfigureResource(BROKER, "", before, after))
        revisions.append(chronicle.state.configs.revision)
    assert revisions == sorted(set(revisions))


def test_resources_are_bounded_in_number(chronicle: Chronicle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "RESOURCES_MAX", 2)
    for name in ("1", "2"):
        chronicle.one(ConfigureResource(BROKER, name, {}, {"a": "1"}))
    assert chronicle.refusal(ConfigureResource(BROKER, "3", {}, {"a": "1"})) == ErrorCode.POLICY_VIOLATION
    assert chronicle.one(ConfigureResource(BROKER, "2", {"a": "1"}, {"a": "2"})) is True


def test_configs_survive_a_snapshot(chronicle: Chronicle) -> None:
    topic_id = chronicle.topic("t")
    chronicle.one(ConfigureTopic(topic_id, {}, {"a": "1"}))
    chronicle.one(ConfigureResource(BROKER, "", {}, {"b": "2"}))
    again = state_from(snapshot_of(chronicle.state))
    assert again.topics.by_name["t"].configs == {"a": "1"}
    assert (again.configs.get(BROKER, ""), again.configs.revision) == ({"b": "2"}, chronicle.state.configs.revision)
