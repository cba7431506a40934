"""Records that an operator raises an error for, while its task finds out which they are and gets past them. Pure.

After an error the state of an operator is unknown, so the task begins again from what is committed. The slice that
raised is then processed record by record. The record that raises again is the one; the next attempt leaves it out and
counts it. An error of one record therefore costs two attempts, and never stops a task.
"""

from bisect import bisect_left
from collections.abc import Iterator

from higgins.columns.columns import Columns
from higgins.ledger.state.runs import TopicPartition


class RecordsFailed(Exception):
    """Processing a slice raised an error, which `Failures` has noted; the task begins again."""


class Failures:
    """What one task knows about records that failed. Kept over its attempts, not over a restart."""

    def __init__(self) -> None:
        self._suspects: dict[TopicPartition, tuple[int, int]] = {}
        self._failed: dict[TopicPartition, dict[int, Exception]] = {}

    def __repr__(self) -> str:
        return f"<Failures suspects={self._suspects} failed={self._failed}>"

    def note(self, key: TopicPartition, columns: Columns, error: Exception) -> None:
        """Processing a slice raised this."""
        if len(columns) == 1:
            # Without its traceback, whose frames would keep the slice in memory.
            self._failed.setdefault(key, {})[columns.offsets[0]] = error.with_traceback(None)
        else:
            self._suspects[key] = (columns.offsets[0], columns.offsets[-1] + 1)

    def is_suspect(self, key: TopicPartition) -> bool:
        """Whether records of a partition are processed one by one."""
        return key in self._suspects or key in self._failed

    def slices(self, key: TopicPartition, columns: Columns) -> Iterator[tuple[Columns, Exception | None]]:
        """A slice in the parts that are to be processed, in order; with its error, a record to leave out."""
        if not self.is_suspect(key):
            yield columns, None
            return
        first, stop = self._suspects.get(key, (0, 0))
        failed = self._failed.get(key, {})
        row = 0
        while row < len(columns):
            offset = columns.offsets[row]
            if offset in failed or first <= offset < stop:
                following = row + 1
            else:
                later = min((each for each in (first, *failed) if each > offset), default=columns.offsets[-1] + 1)
                following = bisect_left(columns.offsets, later)
            yield columns.between(row, following), failed.get(offset)
            row = following

    def passed(self, key: TopicPartition, next_offset: int) -> None:
        """Everything below an offset has been committed."""
        first, stop = self._suspects.get(key, (0, 0))
        if first < stop <= next_offset:
            del self._suspects[key]
        failed = self._failed.get(key, {})
        for offset in [each for each in failed if each < next_offset]:
            del failed[offset]
        if key in self._failed and not failed:
            del self._failed[key]
