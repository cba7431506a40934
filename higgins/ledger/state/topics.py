"""Topics: their names, ids, partition counts and configs, and which operator alone may write each."""

from collections.abc import Iterator, MutableMapping, Sequence

import msgspec

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.overlay import Overlay
from higgins.model.errors import Refused
from higgins.model.names import TopicId, error_in_topic_name
from higgins.model.words import counted
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
    """The replication factor that was requested. It is echoed to clients; durability is the store's."""


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
    """The configs that a topic overrides, replacing the earlier ones."""

    topic_id: TopicId
    configs: dict[str, str]


class PartitionsAdded(Fact, frozen=True, tag=14):
    """The new partition count of a topic, never lower than before."""

    topic_id: TopicId
    partitions: int


class CreateTopic(Proposal[None], frozen=True, tag=10):
    """Create a topic under a fresh id.

    Refused with TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION or INVALID_PARTITIONS.
    """

    name: str
    topic_id: TopicId
    partitions: int
    configs: dict[str, str] = {}
    owner: str = ""
    replication: int = 1

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        return [self.created(draft[Topics])], None

    def created(self, topics: "Topics") -> TopicCreated:
        """The fact of the creation. Raises: Refused."""
        error_message = error_in_topic_name(self.name)
        if error_message:
            raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, error_message)
        if self.name in topics.by_name or self.topic_id in topics.by_id:
            raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{self.name}' already exists.")
        topics.check_collision(self.name)
        if not 1 <= self.partitions <= PARTITIONS_MAX:
            raise Refused(
                ErrorCode.INVALID_PARTITIONS,
                f"Topic '{self.name}' cannot have {counted(self.partitions, 'partition')}; use 1 to {PARTITIONS_MAX}.",
            )
        return TopicCreated(
            topic_id=self.topic_id,
            name=self.name,
            partitions=self.partitions,
            configs=self.configs,
            owner=self.owner,
            replication=self.replication,
        )


class DeleteTopic(Proposal[None], frozen=True, tag=11):
    """Delete a topic, its records and the offsets committed for it.

    Refused with UNKNOWN_TOPIC_ID, or with POLICY_VIOLATION while an operator reads or writes the topic.
    """

    topic_id: TopicId

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        topic = draft[Topics].by_id.get(self.topic_id)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_ID, "This topic does not exist.")
        users = (facet.user_of_topic(self.topic_id) for facet in draft.by_name.values())
        user = next(filter(None, users), "")
        if user:
            raise Refused(
                ErrorCode.POLICY_VIOLATION,
                f"Topic '{topic.name}' is in use by operator '{user}'; first run: higgins operator delete {user}",
            )
        return [TopicDeleted(topic.id)], None


class ConfigureTopic(Proposal[bool], frozen=True, tag=12):
    """Replace a topic's configs, if they are still `before`; the result says whether they were.

    Refused with UNKNOWN_TOPIC_ID.
    """

    topic_id: TopicId
    before: dict[str, str]
    after: dict[str, str]

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], bool]:
        topic = draft[Topics].by_id.get(self.topic_id)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_ID, "This topic does not exist.")
        if topic.configs != self.before:
            return [], False
        return [TopicConfigured(topic.id, self.after)], True


class Topics(Facet, name="topics"):
    """The facet of topics, by id and by name."""

    ROW = Topic

    def __init__(
        self,
        by_id: MutableMapping[TopicId, Topic] | None = None,
        by_name: MutableMapping[str, Topic] | None = None,
        alike: MutableMapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.by_id: MutableMapping[TopicId, Topic] = {} if by_id is None else by_id
        self.by_name: MutableMapping[str, Topic] = {} if by_name is None else by_name
        # The names that are equal once each "." is a "_". Stores that were written before collisions were refused may
        # have several.
        self._alike: MutableMapping[str, tuple[str, ...]] = {} if alike is None else alike

    def draft(self) -> "Topics":
        return Topics(Overlay(self.by_id), Overlay(self.by_name), Overlay(self._alike))

    def colliding(self, name: str) -> str | None:
        """Another topic whose name differs from this one only in "." and "_"."""
        return next((other for other in self._alike.get(metric_name(name), ()) if other != name), None)

    def check_collision(self, name: str) -> None:
        """Raises: Refused(INVALID_TOPIC_EXCEPTION) if the name collides with that of another topic."""
        other = self.colliding(name)
        if other is not None:
            raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, collision_message(name, other))

    @folds(TopicCreated)
    def create(self, fact: TopicCreated, moment: Moment, state: Facets) -> None:
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

    @folds(TopicDeleted)
    def _delete(self, fact: TopicDeleted, moment: Moment, state: Facets) -> None:
        name = self.by_id[fact.topic_id].name
        del self.by_name[name]
        del self.by_id[fact.topic_id]
        key = metric_name(name)
        others = tuple(other for other in self._alike[key] if other != name)
        if others:
            self._alike[key] = others
        else:
            del self._alike[key]

    @folds(TopicOwned)
    def _own(self, fact: TopicOwned, moment: Moment, state: Facets) -> None:
        self._put(msgspec.structs.replace(self.by_id[fact.topic_id], owner=fact.owner))

    @folds(TopicConfigured)
    def _configure(self, fact: TopicConfigured, moment: Moment, state: Facets) -> None:
        self._put(msgspec.structs.replace(self.by_id[fact.topic_id], configs=fact.configs))

    @folds(PartitionsAdded)
    def _add_partitions(self, fact: PartitionsAdded, moment: Moment, state: Facets) -> None:
        self._put(msgspec.structs.replace(self.by_id[fact.topic_id], partitions=fact.partitions))

    def freeze(self) -> Iterator[Sequence[Topic]]:
        return slices(self.by_id.values())

    def restore(self, level: int, rows: Sequence[Topic]) -> None:
        for topic in rows:
            self._put(topic)

    def _put(self, topic: Topic) -> None:
        if topic.name not in self.by_name:
            key = metric_name(topic.name)
            self._alike[key] = (*self._alike.get(key, ()), topic.name)
        self.by_id[topic.id] = topic
        self.by_name[topic.name] = topic


def metric_name(name: str) -> str:
    """A topic's name as metrics systems write it. Kafka refuses a topic whose metrics another topic has already."""
    return name.replace(".", "_")


def collision_message(name: str, other: str) -> str:
    return (
        f"Topic '{name}' collides with topic '{other}': their names differ only in '.' and '_', which metrics do not "
        "tell apart. Choose another name."
    )
