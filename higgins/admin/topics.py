"""Topics: create, delete, add partitions, describe.

Every method that changes topics handles each topic by itself: the others are changed even if one is refused. All
changes of one call go in one commit where possible, and the method returns after the commit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from higgins.admin.configs.live import LiveConfigs
from higgins.admin.configs.without_effect import EffectNotes
from higgins.admin.proposals import propose_all
from higgins.config.entries.changes import new_topic_configs
from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.partitions import AddPartitions
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import PARTITIONS_MAX, CreateTopic, DeleteTopic, Topic
from higgins.model.errors import Refused
from higgins.model.future import Future, completed
from higgins.model.names import INTERNAL_PARTITIONS, INTERNAL_TOPICS, OFFSETS_TOPIC, TopicId, error_in_topic_name
from higgins.model.words import counted
from higgins.operators.growth import growth_of
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

REPLICATION_MAX = 32


class Assignment(msgspec.Struct, frozen=True):
    """The nodes that a client wants for a partition. No node holds a partition, so this is only validated."""

    partition: int
    node_ids: tuple[int, ...]


class NewTopic(msgspec.Struct, frozen=True):
    """A topic to be created. None stands for the broker's default; assignments exclude the two numbers."""

    name: str
    partitions: int | None = None
    replication: int | None = None
    configs: Mapping[str, str | None] = {}
    assignments: tuple[Assignment, ...] = ()


class CreatedTopic(msgspec.Struct, frozen=True):
    """A topic as it was created; `configs` are its own."""

    name: str
    topic_id: TopicId
    partitions: int
    replication: int
    configs: Mapping[str, str]


class PartitionIncrease(msgspec.Struct, frozen=True):
    """A topic that is to have more partitions. `partitions` counts all of them, `assignments` only the new ones."""

    name: str
    partitions: int
    assignments: tuple[tuple[int, ...], ...] | None = None


class TopicAdmin:
    """Use cases of topics."""

    def __init__(self, runtime: Runtime, ledger: Ledger, configs: LiveConfigs, notes: EffectNotes) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self._configs = configs
        self._notes = notes

    @property
    def _state(self) -> State:
        return self._ledger.state

    def list_topics(self) -> list[Topic]:
        """Every topic, as this node knows them, in no particular order."""
        return list(self._state.topics.by_id.values())

    def find(self, name: str) -> Topic:
        """A topic by its name, as this node knows it. Raises: Refused(UNKNOWN_TOPIC_OR_PARTITION)."""
        topic = self._state.topics.by_name.get(name)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist.")
        return topic

    def find_by_id(self, topic_id: TopicId) -> Topic:
        """A topic by its id, as this node knows it. Raises: Refused(UNKNOWN_TOPIC_ID)."""
        topic = self._state.topics.by_id.get(topic_id)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_ID, "No topic has this id.")
        return topic

    # ---- create -------------------------------------------------------------------------------------------------

    async def create(
        self, topics: Sequence[NewTopic], *, validate_only: bool = False
    ) -> list[CreatedTopic | Refused]:
        """Create topics; for each, in order, what was created, or the refusal. A repeated name is refused each time.

        With `validate_only` nothing is created, and the returned topic ids are not used.

        Raises: StorageUnavailable (nothing was created).
        """
        await self._ledger.barrier()
        counts = Counter(topic.name for topic in topics)
        plans = [self._plan_creation(topic, counts[topic.name]) for topic in topics]
        proposals = [plan for plan in plans if isinstance(plan, CreateTopic)]
        results = iter([None] * len(proposals) if validate_only else await propose_all(self._ledger, proposals))
        outcomes: list[CreatedTopic | Refused] = []
        for plan in plans:
            if isinstance(plan, Refused):
                outcomes.append(plan)
            else:
                result = next(results)
                outcomes.append(result if isinstance(result, Refused) else _created(plan))
                if not isinstance(result, Refused) and not validate_only:
                    self._notes.note(f"topic {plan.name}", TOPIC_ENTRIES, plan.configs)
        return outcomes

    def _plan_creation(self, topic: NewTopic, count: int) -> CreateTopic | Refused:
        try:
            if count > 1:
                raise _repeated(topic.name, count)
            error_message = error_in_topic_name(topic.name)
            if error_message:
                raise Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, error_message)
            if topic.name in self._state.topics.by_name:
                raise Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
            self._state.topics.check_collision(topic.name)
            configs = new_topic_configs(topic.configs)
            partitions, replication = self._shape(topic)
        except Refused as refusal:
            return refusal
        return CreateTopic(
            name=topic.name,
            topic_id=self._new_id(),
            partitions=partitions,
            configs=configs,
            replication=replication,
        )

    def _shape(self, topic: NewTopic) -> tuple[int, int]:
        """Partitions and replication factor. Raises: Refused."""
        if topic.assignments:
            return self._assigned_shape(topic)
        broker = self._configs.broker
        partitions = broker.partitions_default if topic.partitions is None else topic.partitions
        replication = broker.replication_factor_default if topic.replication is None else topic.replication
        if not 1 <= partitions <= PARTITIONS_MAX:
            # Kafka, too, answers a number above the limit with POLICY_VIOLATION.
            raise Refused(
                ErrorCode.INVALID_PARTITIONS if partitions < 1 else ErrorCode.POLICY_VIOLATION,
                f"A topic cannot have {counted(partitions, 'partition')}; choose 1 to {PARTITIONS_MAX}.",
            )
        if not 1 <= replication <= REPLICATION_MAX:
            raise Refused(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                f"A topic cannot have a replication factor of {replication}; choose 1 to {REPLICATION_MAX}.",
            )
        return partitions, replication

    def _assigned_shape(self, topic: NewTopic) -> tuple[int, int]:
        if topic.partitions is not None or topic.replication is not None:
            raise Refused(
                ErrorCode.INVALID_REQUEST,
                "Assignments already say how many partitions and replicas there are; "
                "pass -1 for the number of partitions and for the replication factor.",
            )
        indexes = sorted(assignment.partition for assignment in topic.assignments)
        sizes = {len(assignment.node_ids) for assignment in topic.assignments}
        repeats = any(len(set(each.node_ids)) != len(each.node_ids) for each in topic.assignments)
        if indexes != list(range(len(indexes))) or len(sizes) != 1 or not min(sizes) or repeats:
            raise Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                "The assignments are not valid: name partitions 0, 1, 2 … once each, "
                "all with the same number of nodes, and no node twice for a partition.",
            )
        for assignment in topic.assignments:
            self._check_nodes(assignment.node_ids)
        return len(indexes), min(sizes)

    def _check_nodes(self, node_ids: Sequence[int]) -> None:
        """Raises: Refused(INVALID_REPLICA_ASSIGNMENT) for a node that is not running."""
        live = sorted(session.node_id for session in self._state.sessions.live.values())
        unknown = [node_id for node_id in node_ids if node_id not in live]
        if unknown:
            raise Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Node {unknown[0]} is not running, so no partition can be assigned to it; "
                f"running are {', '.join(map(str, live))}.",
            )

    def _new_id(self) -> TopicId:
        return TopicId(self._runtime.token(16))

    # ---- create without a client's request ----------------------------------------------------------------------

    async def auto_create(self, names: Sequence[str], *, is_allowed: bool) -> dict[str, Refused]:
        """Create the topics that do not exist and may be created; the refusals by name.

        `is_allowed` says whether the client wants it; the broker's config `auto.create.topics.enable` must want it too.
        The offsets topic is always created: clients look for it by name, although nothing is stored in it. A topic that
        another client creates at the same time is refused here and exists afterwards, so the caller looks it up again.
        """
        is_allowed = is_allowed and self._configs.broker.auto_create_topics
        missing = [name for name in dict.fromkeys(names) if name and name not in self._state.topics.by_name]
        creatable = [
            name for name in missing if name == OFFSETS_TOPIC or (is_allowed and error_in_topic_name(name) is None)
        ]
        results = await propose_all(self._ledger, [self._default_topic(name) for name in creatable])
        return {
            name: result for name, result in zip(creatable, results, strict=True) if isinstance(result, Refused)
        }

    def create_offsets_topic(self) -> Future[None]:
        """Create the offsets topic if it does not exist; the future is done once that has succeeded or failed.

        Some clients expect it in the list of topics once a group has been used. Groups do not need it here, so a
        failure has no consequence: the next call tries again.
        """
        if OFFSETS_TOPIC in self._state.topics.by_name:
            return completed(None)
        finished: Future[None] = Future()
        self._ledger.submit(self._default_topic(OFFSETS_TOPIC), lambda outcome: finished.set_result(None))
        return finished

    def _default_topic(self, name: str) -> CreateTopic:
        broker = self._configs.broker
        return CreateTopic(
            name=name,
            topic_id=self._new_id(),
            partitions=INTERNAL_PARTITIONS if name in INTERNAL_TOPICS else broker.partitions_default,
            replication=broker.replication_factor_default,
        )

    # ---- delete -------------------------------------------------------------------------------------------------

    async def delete(self, topics: Sequence[Topic]) -> list[Refused | None]:
        """Delete topics with their records and committed offsets; for each, in order, the refusal, or None.

        A topic that an operator reads or writes is refused. The caller has found the topics after a barrier.
        """
        results = await propose_all(self._ledger, [DeleteTopic(topic.id) for topic in topics])
        return [result if isinstance(result, Refused) else None for result in results]

    # ---- add partitions -----------------------------------------------------------------------------------------

    async def add_partitions(
        self, increases: Sequence[PartitionIncrease], *, validate_only: bool = False
    ) -> list[Refused | None]:
        """Give topics more partitions; for each, in order, the refusal, or None. A repeated name is refused each time.

        Operators that read a topic get tasks for its new partitions, and the topics they write grow with it, in the
        same commit. An operator that cannot grow refuses the change.

        Raises: StorageUnavailable (nothing was changed).
        """
        await self._ledger.barrier()
        counts = Counter(increase.name for increase in increases)
        plans = [self._plan_increase(increase, counts[increase.name]) for increase in increases]
        proposals = [plan for plan in plans if isinstance(plan, AddPartitions)]
        results = iter([None] * len(proposals) if validate_only else await propose_all(self._ledger, proposals))
        refusals: list[Refused | None] = []
        for plan in plans:
            result = plan if isinstance(plan, Refused) else next(results)
            refusals.append(result if isinstance(result, Refused) else None)
        return refusals

    def _plan_increase(self, increase: PartitionIncrease, count: int) -> AddPartitions | Refused:
        try:
            if count > 1:
                raise _repeated(increase.name, count)
            topic = self.find(increase.name)
            growth = growth_of(self._state, topic.id, increase.partitions)
            proposal = AddPartitions(topic.id, increase.partitions, growth)
            # The validation of the commit, so that `validate_only` gives the same answer as the commit would.
            self._state.draft(self._state.time_ms).validate(proposal, 0)
            self._check_assignments(increase, topic)
        except Refused as refusal:
            return refusal
        return proposal

    def _check_assignments(self, increase: PartitionIncrease, topic: Topic) -> None:
        if increase.assignments is None:
            return
        added = increase.partitions - topic.partitions
        if len(increase.assignments) != added:
            raise Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Partitions to add: {added}; assignments: {len(increase.assignments)}; "
                "pass one for each added partition.",
            )
        for node_ids in increase.assignments:
            self._check_nodes(node_ids)
            if len(node_ids) != topic.replication or len(set(node_ids)) != len(node_ids):
                raise Refused(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"The assignment {list(node_ids)} is not valid: name {counted(topic.replication, 'node')}, "
                    "the replication factor of the topic, and no node twice.",
                )


def _created(topic: CreateTopic) -> CreatedTopic:
    return CreatedTopic(topic.name, topic.topic_id, topic.partitions, topic.replication, topic.configs)


def _repeated(name: str, count: int) -> Refused:
    return Refused(ErrorCode.INVALID_REQUEST, f"Topic '{name}' occurs {count} times in the request; pass it once.")
