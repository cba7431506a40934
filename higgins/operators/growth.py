"""Whether an operator may be given more partitions of its input while it runs. Pure."""

from higgins.ledger.state.partitions import TaskGrowth
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import InputPosition, TaskSet
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.operators.specification import Filter, decode
from higgins_protocol.errors import ErrorCode


def growth_of(state: State, topic_id: TopicId, partitions: int) -> tuple[TaskGrowth, ...]:
    """How the operators that derive from a topic grow with it, directly or through others.

    Raises: Refused(POLICY_VIOLATION) when one of them cannot; Corrupt for one that this version cannot read.
    """
    growth: dict[str, TaskGrowth] = {}
    topics = [topic_id]
    while topics:
        grown = topics.pop()
        for reader in state.tasks.readers_of(grown):
            if reader.name in growth:
                continue
            _check(reader)
            outputs = [
                state.topics.by_id[output]
                for output in reader.outputs
                if output in state.topics.by_id and state.topics.by_id[output].partitions < partitions
            ]
            growth[reader.name] = TaskGrowth(
                reader.name,
                reader.generation,
                tuple((output.id, partitions) for output in outputs),
                tuple((InputPosition(grown, partition, 0),) for partition in range(reader.tasks, partitions)),
            )
            topics += [output.id for output in outputs]
    return tuple(growth.values())


def _check(reader: TaskSet) -> None:
    # Record by record it makes no difference which partition a record lies in; state by key would stay behind.
    if not isinstance(decode(reader.specification), Filter):
        raise Refused(
            ErrorCode.POLICY_VIOLATION,
            f"Operator '{reader.name}' keeps state by key, and with more partitions keys would move away from it; "
            f"first run: higgins operator delete {reader.name}",
        )
