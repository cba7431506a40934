"""Adding partitions to a topic, and to whatever derives from it, in one commit."""

from higgins.ledger.state.base import Fact, Proposal
from higgins.ledger.state.tasks import Tasks, TasksExtended
from higgins.ledger.state.topics import PARTITIONS_MAX, PartitionsAdded, Topic, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode


class AddPartitions(Proposal, frozen=True):
    """Give a topic this many partitions in all.

    `extensible` names the operators that may take more partitions of their input; what they write grows with it.
    """

    topic_id: TopicId
    partitions: int
    extensible: tuple[str, ...] = ()


def add_partitions(topics: Topics, tasks: Tasks, proposal: AddPartitions) -> list[Fact]:
    """The facts of more partitions, of tasks for them, and of more partitions of what those tasks write.

    Raises: Refused(UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, POLICY_VIOLATION, INVALID_REQUEST).
    """
    topic = topics.by_id.get(proposal.topic_id)
    if topic is None:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This topic does not exist (any more).")
    fault = fault_in_count(topic, proposal.partitions)
    if fault:
        raise Refused(ErrorCode.INVALID_PARTITIONS, fault)
    if topic.owner:
        raise Refused(
            ErrorCode.POLICY_VIOLATION,
            f"Topic '{topic.name}' is written by operator '{topic.owner}' and has the partitions of that operator's "
            "input: add them there.",
        )
    return _grown(topics, tasks, topic, proposal)


def fault_in_count(topic: Topic, partitions: int) -> str | None:
    """A sentence saying why a topic cannot have this many partitions, or None."""
    if partitions == topic.partitions:
        return f"Topic '{topic.name}' already has {partitions} partition(s)."
    if partitions < topic.partitions:
        return (
            f"Topic '{topic.name}' has {topic.partitions} partition(s), and {partitions} would not be an increase; "
            "partitions are never taken away."
        )
    if partitions > PARTITIONS_MAX:
        return f"{partitions} partitions are more than the {PARTITIONS_MAX} that a topic may have."
    return None


def _grown(topics: Topics, tasks: Tasks, topic: Topic, proposal: AddPartitions) -> list[Fact]:
    facts: list[Fact] = [PartitionsAdded(topic.id, proposal.partitions)]
    for reader in tasks.readers_of(topic.id):
        if reader.name not in proposal.extensible:
            raise Refused(
                ErrorCode.INVALID_REQUEST,
                f"Operator '{reader.name}' has begun to read topic '{topic.name}' meanwhile; ask again.",
            )
        facts.append(TasksExtended(reader.name, proposal.partitions))
        output = topics.by_id.get(reader.output)
        if output is not None and output.partitions < proposal.partitions:
            facts += _grown(topics, tasks, output, proposal)
    return facts
