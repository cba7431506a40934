"""The input partitions of one task: how far each has been processed, and which of them has records to read."""

from collections.abc import Sequence

from higgins.ledger.ledger import Ledger
from higgins.ledger.state.runs import TopicPartition
from higgins.ledger.state.tasks import InputPosition
from higgins.model.names import TopicId
from higgins.operators.operator import InputPartition


class TaskInputs:
    """Positions in memory: they are ahead of the committed ones by the epochs that are not committed yet."""

    def __init__(self, ledger: Ledger, topic_ids: Sequence[TopicId], positions: Sequence[InputPosition]) -> None:
        """`topic_ids` are the operator's inputs in order; `positions` are the committed ones of the task."""
        self._ledger = ledger
        self._indexes = {topic_id: index for index, topic_id in reversed(list(enumerate(topic_ids)))}
        self._next = {(each.topic_id, each.partition): each.next_offset for each in positions}
        self.keys: tuple[TopicPartition, ...] = tuple(self._next)
        self._turn = 0

    def __repr__(self) -> str:
        return f"<TaskInputs {sorted(self._next.values())}>"

    def index(self, key: TopicPartition) -> int:
        """Which input of the operator a partition belongs to."""
        return self._indexes[key[0]]

    def position(self, key: TopicPartition) -> int:
        """The next offset to process."""
        return self._next[key]

    def advance(self, key: TopicPartition, to_offset: int) -> None:
        """Everything below `to_offset` has been processed."""
        self._next[key] = to_offset

    def is_readable(self, key: TopicPartition) -> bool:
        """Whether there are records to process, below the last stable offset."""
        return self._next[key] < self._ledger.state.runs.last_stable_offset(*key)

    def next_readable(self) -> TopicPartition | None:
        """A partition with records to process, each in turn, so that a busy input does not hold up the others."""
        count = len(self.keys)
        for step in range(count):
            turn = (self._turn + step) % count
            if self.is_readable(self.keys[turn]):
                self._turn = turn + 1
                return self.keys[turn]
        return None

    def unread(self) -> list[InputPartition]:
        """All partitions with records to process."""
        return [(self.index(key), key[1]) for key in self.keys if self.is_readable(key)]
