"""Consumer lag: how far each group, or operator, is behind the end of its partitions. Reads only the ledger's state."""

from collections.abc import Iterator

import msgspec

from higgins.groups.operator_groups import operator_groups, operator_of, operator_view
from higgins.groups.registry import PROTOCOLS
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic


class PartitionLag(msgspec.Struct, frozen=True):
    """One partition of a group: the next offset it reads, and how many offsets there are from there on."""

    topic: Topic
    partition: int
    offset: int
    lag: int


def group_names(state: State) -> list[str]:
    """Every group that is on record or has committed offsets, and every operator's group, by name."""
    return sorted({*state.groups.names(), *state.offsets.groups(), *operator_groups(state)})


def member_count(state: State, group_id: str) -> int:
    """How many members a group has on record; for an operator, how many nodes run its tasks."""
    operator = operator_of(group_id)
    if operator is not None:
        view = operator_view(state, operator)
        return len(view.members) if view is not None else 0
    return PROTOCOLS.count_members(state, group_id)


def partition_lags(state: State, group_id: str) -> Iterator[PartitionLag]:
    """A group's partitions. The state may advance between one and the next."""
    operator = operator_of(group_id)
    if operator is not None:
        for position in state.tasks.positions(operator) if operator in state.tasks.sets else ():
            topic = state.topics.by_id.get(position.topic_id)
            if topic is not None:
                yield _partition_lag(state, topic, position.partition, position.next_offset)
        return
    for topic_id, partition, entry in state.offsets.of_group(group_id):
        topic = state.topics.by_id.get(topic_id)
        if topic is not None:
            yield _partition_lag(state, topic, partition, entry.offset)


def _partition_lag(state: State, topic: Topic, partition: int, offset: int) -> PartitionLag:
    # An administrator may have set an offset that is past the end: that is no lag.
    return PartitionLag(topic, partition, offset, max(state.runs.high_watermark(topic.id, partition) - offset, 0))
