"""Adding partitions to a topic and, in the same commit, to the operators that read it and the topics they write."""

from collections.abc import Sequence

import msgspec

from higgins.ledger.state.base import Draft, Fact, Proposal
from higgins.ledger.state.tasks import InputPosition, Tasks, TasksExtended
from higgins.ledger.state.topics import PARTITIONS_MAX, PartitionsAdded, Topic, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.words import counted
from higgins_protocol.errors import ErrorCode


class TaskGrowth(msgspec.Struct, frozen=True, array_like=True):
    """More tasks for an operator, as its kind has planned them for more partitions of an input."""

    name: str
    generation: int
    outputs: tuple[tuple[TopicId, int], ...]
    """The new partition counts of the topics that it writes, where they grow."""
    positions: tuple[tuple[InputPosition, ...], ...]
    """For each new task, the input partitions it reads and where it begins."""


class AddPartitions(Proposal[None], frozen=True, tag=13):
    """Give a topic this many partitions in all, and let the operators that read it grow.

    `growth` has an entry for every operator that derives from the topic, directly or through others. Refused with
    UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, POLICY_VIOLATION (an operator writes the topic), or
    INVALID_REQUEST (the operators have changed since the growth was planned).
    """

    topic_id: TopicId
    partitions: int
    growth: tuple[TaskGrowth, ...] = ()

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], None]:
        topic = draft[Topics].by_id.get(self.topic_id)
        if topic is None:
            raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This topic does not exist.")
        error_message = error_in_count(topic, self.partitions)
        if error_message:
            raise Refused(ErrorCode.INVALID_PARTITIONS, error_message)
        if topic.owner:
            raise Refused(
                ErrorCode.POLICY_VIOLATION,
                f"Topic '{topic.name}' is written by operator '{topic.owner}' and has as many partitions as that "
                "operator's input: add them there.",
            )
        return self._grown(draft, topic), None

    def _grown(self, draft: Draft, topic: Topic) -> Sequence[Fact]:
        topics, tasks = draft[Topics], draft[Tasks]
        counts = {topic.id: self.partitions}
        facts: list[Fact] = [PartitionsAdded(topic.id, self.partitions)]
        for growth in self.growth:
            existing = tasks.sets.get(growth.name)
            if existing is None or existing.generation != growth.generation:
                raise _changed_meanwhile(topic)
            for topic_id, partitions in growth.outputs:
                output = topics.by_id.get(topic_id)
                if output is None or topic_id not in existing.outputs or partitions <= output.partitions:
                    raise _changed_meanwhile(topic)
                counts[topic_id] = partitions
                facts.append(PartitionsAdded(topic_id, partitions))
            facts.append(TasksExtended(growth.name, growth.positions))
        planned = {growth.name for growth in self.growth}
        if any(reader.name not in planned for topic_id in counts for reader in tasks.readers_of(topic_id)):
            raise _changed_meanwhile(topic)
        return facts


def _changed_meanwhile(topic: Topic) -> Refused:
    message = f"The operators that read topic '{topic.name}' have changed meanwhile; try again."
    return Refused(ErrorCode.INVALID_REQUEST, message)


def error_in_count(topic: Topic, partitions: int) -> str | None:
    """Why a topic cannot have this many partitions, or None."""
    if partitions == topic.partitions:
        return f"Topic '{topic.name}' already has {counted(partitions, 'partition')}."
    if partitions < topic.partitions:
        return (
            f"Topic '{topic.name}' has {counted(topic.partitions, 'partition')}, and {partitions} would not be an "
            "increase; "
            "partitions cannot be removed."
        )
    if partitions > PARTITIONS_MAX:
        return f"Topic '{topic.name}' cannot have {counted(partitions, 'partition')}; the limit is {PARTITIONS_MAX}."
    return None
