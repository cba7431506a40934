"""How operators grow when partitions are added to their input: each by the rule of its kind. Pure."""

from higgins.ledger.state.partitions import TaskGrowth
from higgins.ledger.state.state import State
from higgins.model.names import TopicId
from higgins.operators.kind import Growth
from higgins.operators.kinds import decode_specification


def growth_of(state: State, topic_id: TopicId, partitions: int) -> tuple[TaskGrowth, ...]:
    """How the operators that derive from a topic grow with it, directly or through others.

    Raises: Refused(POLICY_VIOLATION) when one of them cannot; Corrupt for one that this version cannot read.
    """
    growth: dict[str, TaskGrowth] = {}
    counts = {topic_id: partitions}
    changed = [topic_id]
    # An operator may read several topics that grow, one of them through other operators. It is planned again whenever
    # another of its inputs turns out to grow; operators have no cycles and counts only rise, so that this ends.
    while changed:
        for reader in state.tasks.readers_of(changed.pop()):
            before = {
                each: state.topics.by_id[each].partitions
                for each in (*reader.inputs, *reader.outputs)
                if each in state.topics.by_id
            }
            after = {each: counts[each] for each in reader.inputs if each in counts}
            planned = decode_specification(reader.specification).grow(Growth(reader, before, after))
            growth[reader.name] = planned
            for output, count in planned.outputs:
                if counts.get(output, 0) < count:
                    counts[output] = count
                    changed.append(output)
    return tuple(growth.values())
