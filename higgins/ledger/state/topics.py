"""Topics: what is called how, with how many partitions, and who alone may write it."""

from collections.abc import MutableMapping

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.overlay import Overlay
from higgins.model.errors import Refused
from higgins.model.names import TopicId, fault_in_topic_name
from higgins_protocol.errors import ErrorCode

PARTITIONS_MAX = 100_000


class Topic(msgspec.Struct, frozen=True, array_like=True):
    """A topic as committed. `owner` is the operator that alone may write it, or empty."""

    id: TopicId
    name: str
    partitions: int
    configs: dict[str, str]
    owner: str
    created_ms: int
    replication: int = 1
    """The replication factor that was asked for; echoed, since durability is the store's."""


class CreateTopic(Proposal, frozen=True):
    """Make a topic under a fresh id."""

    name: str
    topic_id: TopicId
    partitions: int
    configs: dict[str, str] = {}
    owner: str = ""
    replication: int = 1


class DeleteTopic(Proposal, frozen=True):
    """Forget a topic, its records and the offsets committed for it."""

    topic_id: TopicId


class TopicCreated(Fact, frozen=True, tag=10):
    topic_id: TopicId
    name: str
    partitions: int
    configs: dict[str, str]
    owner: str
    replication: int = 1


class TopicDeleted(Fact, frozen=True, tag=11):
    topic_id: TopicId


class TopicOwned(Fact, frozen=True, tag=12):
    """An operator became a topic's only writer, or (empty) ceased to be."""

    topic_id: TopicId
    owner: str


class TopicConfigured(Fact, frozen=True, tag=13):
    """What a topic has of its own by way of configs, replacing what it had."""

    topic_id: TopicId
    configs: dict[str, str]


class PartitionsAdded(Fact, frozen=True, tag=14):
    """A topic has this many partitions from now on; never fewer than before."""

    topic_id: TopicId
    partitions: int


class ConfigureTopic(Proposal, frozen=True):
    """Give a topic other configs, if it still has those they were made from; the result says whether it had."""

    topic_id: TopicId
    before: dict[str, str]
    after: dict[str, str]


class Topics:
    """The facet of topics, by id and by name."""

    def __init__(self, by_id: MutableMapping[TopicId, Topic], by_name: MutableMapping[str, Topic]) -> None:
        self.by_id = by_id
        self.by_name = by_name

    def draft(self) -> "Topics":
        return Topics(Overlay(self.by_id), Overlay(self.by_name))

    def fold(
        self, fact: TopicCreated | TopicDeleted | TopicOwned | TopicConfigured | PartitionsAdded, moment: Moment
    ) -> None:
        match fact:
            case TopicCreated():
                self._put(
                    Topic(
                        id=fact.topic_id,
                        name=fact.name,
                        partitions=fact.partitions,
                        configs=fact.configs,
                        owner=fact.owner,
                        created_ms=moment.time_ms,
                        replication=fact.replication,
                    )
                )
            case TopicDeleted():
                del self.by_name[self.by_id[fact.topic_id].name]
                del self.by_id[fact.topic_id]
            case TopicOwned():
                self._put(msgspec.structs.replace(self.by_id[fact.topic_id], owner=fact.owner))
            case TopicConfigured():
                self._put(msgspec.structs.replace(self.by_id[fact.topic_id], configs=fact.configs))
            case PartitionsAdded():
                self._put(msgspec.structs.replace(self.by_id[fact.topic_id], partitions=fact.partitions))

    def freeze(self) -> list[Topic]:
        return list(self.by_id.values())

    @staticmethod
    def restore(frozen: list[Topic]) -> "Topics":
        return Topics({topic.id: topic for topic in frozen}, {topic.name: topic for topic in frozen})

    def _put(self, topic: Topic) -> None:
        self.by_id[topic.id] = topic
        self.by_name[topic.name] = topic


def create_topic(topics: Topics, proposal: CreateTopic) -> list[Fact]:
    """The facts of a creation. Raises: Refused(TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS)."""
    fault = fault_in_topic_name(proposal.name)
    if fault:
        raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, fault)
    if proposal.name in topics.by_name or proposal.topic_id in topics.by_id:
        raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{proposal.name}' already exists.")
    if not 1 <= proposal.partitions <= PARTITIONS_MAX:
        raise Refused(
            ErrorCode.INVALID_PARTITIONS,
            f"Topic '{proposal.name}' wants {proposal.partitions} partitions; 1 to {PARTITIONS_MAX} are possible.",
        )
    return [
        TopicCreated(
            topic_id=proposal.topic_id,
            name=proposal.name,
            partitions=proposal.partitions,
            configs=proposal.configs,
            owner=proposal.owner,
            replication=proposal.replication,
        )
    ]


def configure_topic(topics: Topics, proposal: ConfigureTopic) -> tuple[list[Fact], bool]:
    """The fact of a change, and True; no fact and False where somebody else was quicker.

    Raises: Refused(UNKNOWN_TOPIC_ID).
    """
    topic = topics.by_id.get(proposal.topic_id)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_ID, "This topic does not exist (any more).")
    if topic.configs != proposal.before:
        return [], False
    return [TopicConfigured(topic.id, proposal.after)], True


def delete_topic(topics: Topics, proposal: DeleteTopic, *, user: str) -> list[Fact]:
    """The facts of a deletion. `user` is an operator that reads or writes the topic, or empty.

    Raises: Refused(UNKNOWN_TOPIC_ID, POLICY_VIOLATION).
    """
    topic = topics.by_id.get(proposal.topic_id)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_ID, "This topic does not exist (any more).")
    if user:
        raise Refused(
            ErrorCode.POLICY_VIOLATION,
            f"Topic '{topic.name}' is in use by operator '{user}'; first run: higgins operator delete {user}",
        )
    return [TopicDeleted(topic.id)]
