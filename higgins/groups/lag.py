"""Lag: how far each group, or operator, is behind what there is to read. A read of the ledger's state alone."""

from collections.abc import Iterator

import msgspec

from higgins.groups.progress import operator_groups, operator_of, operator_view
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic


class Standing(msgspec.Struct, frozen=True):
    """Where a group stands in one partition: the next offset it reads, and how many there are behind that."""

    topic: Topic
    partition: int
    offset: int
    lag: int


def group_names(state: State) -> list[str]:
    """Every group that has members on record or has committed anything, and every operator's, by name."""
    return sorted({*state.groups.names(), *state.offsets.groups(), *operator_groups(state)})


def members_of(state: State, group_id: str) -> int:
    """How many members a group's newest generation has; of an operator, the nodes that run its tasks."""
    operator = operator_of(group_id)
    if operator is not None:
        view = operator_view(state, operator)
        return len(view.members) if view is not None else 0
    record = state.groups.get(group_id)
    return len(record.members) if isinstance(record, ClassicGroupRecord) else len(state.groups.members(group_id))


def standings(state: State, group_id: str) -> Iterator[Standing]:
    """A group's partitions. Commits may be folded between one and the next."""
    operator = operator_of(group_id)
    if operator is not None:
        for position in state.tasks.positions(operator) if operator in state.tasks.sets else ():
            topic = state.topics.by_id.get(position.topic_id)
            if topic is not None:
                yield _standing(state, topic, position.partition, position.next_offset)
        return
    for topic_id, partition, entry in state.offsets.of_group(group_id):
        topic = state.topics.by_id.get(topic_id)
        if topic is not None:
            yield _standing(state, topic, partition, entry.offset)


def _standing(state: State, topic: Topic, partition: int, offset: int) -> Standing:
    # A topic made anew under an old name, or an offset set by hand, may lie past the end: that is no lag.
    return Standing(topic, partition, offset, max(state.runs.high_watermark(topic.id, partition) - offset, 0))
