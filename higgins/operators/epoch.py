"""An epoch: the input ranges that a task processes and commits as one, and the output so far. Pure."""

from higgins.ledger.state.runs import TopicPartition
from higgins.ledger.state.tasks import InputRange
from higgins.operators.output import Output


class Epoch:
    """Grows with each read until it is worth a commit."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self.begun_at: float | None = None
        """When its first input was processed, on the monotonic clock; None before that."""
        self.output = Output()
        self._ranges: dict[TopicPartition, tuple[int, int]] = {}

    def __repr__(self) -> str:
        return f"<Epoch partitions={len(self._ranges)} bytes={self.bytes_read} {self.output!r}>"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self._ranges and not self.output.has_rows

    def extend(self, key: TopicPartition, from_offset: int, to_offset: int, bytes_read: int, now: float) -> None:
        """Record that an input partition has been processed from an offset up to another, exclusive."""
        first, last = self._ranges.get(key, (from_offset, from_offset))
        assert last == from_offset < to_offset, f"{self!r} cannot extend {key} from {from_offset} to {to_offset}"
        self._ranges[key] = (first, to_offset)
        self.bytes_read += bytes_read
        if self.begun_at is None:
            self.begun_at = now

    def ranges(self) -> tuple[InputRange, ...]:
        """The input ranges, as they are committed."""
        return tuple(
            InputRange(topic_id, partition, first, last)
            for (topic_id, partition), (first, last) in self._ranges.items()
        )
