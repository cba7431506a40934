"""What an epoch of a task has produced so far: records for partitions of its output topics, and counters. Pure."""

from collections.abc import Sequence

from higgins.columns.columns import Columns, Header
from higgins.columns.encode import BatchBuilder

FAILED = "failed"
"""Counts records that an operator could not process because processing them raised an error."""


class Output:
    """Belongs to one epoch: it is committed with the epoch, or dropped with it.

    `output` is the index of an output topic of the operator, in the order of its plan. A dead-letter topic is an
    output like any other.
    """

    def __init__(self) -> None:
        self._builders: dict[tuple[int, int], BatchBuilder] = {}
        self._counters: dict[str, int] = {}
        self.failure: tuple[int, str] | None = None
        """The offset of the record that failed last, and why; for the log and for people."""

    def __repr__(self) -> str:
        return f"<Output partitions={sorted(self._builders)} counters={self._counters}>"

    def pass_rows(self, output: int, partition: int, columns: Columns, rows: Sequence[int]) -> None:
        """Pass these rows of a slice on unchanged; `rows` is ascending.

        A batch all of whose records are passed on is appended as stored, if it is not tiny: a compressed one stays
        compressed, and nothing is encoded again.
        """
        if rows:
            self._builder(output, partition).pass_on(columns, rows)

    def pass_all(self, output: int, partition: int, columns: Columns) -> None:
        """Pass all rows of a slice on unchanged."""
        self.pass_rows(output, partition, columns, range(len(columns)))

    def emit(
        self,
        output: int,
        partition: int,
        *,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] = (),
    ) -> None:
        """Add one new record. A value of None is a tombstone."""
        self._builder(output, partition).append(timestamp, key, value, headers)

    def count(self, counter: str, increment: int) -> None:
        """Add to a counter of the task, which people see and metrics report."""
        if increment:
            self._counters[counter] = self._counters.get(counter, 0) + increment

    def fail(self, offset: int, error: Exception) -> None:
        """Count a record that could not be processed. It is left out, and the operator goes on behind it."""
        self.count(FAILED, 1)
        self.failure = (offset, f"{type(error).__name__}: {error}")

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to append."""
        return bool(self._builders)

    def counters(self) -> tuple[tuple[str, int], ...]:
        """The increments, by name."""
        return tuple(sorted(self._counters.items()))

    def finish(self) -> list[tuple[int, int, bytes]]:
        """The batches with their output and partition, in the order in which they are to be appended."""
        return [
            (output, partition, batch)
            for output, partition in sorted(self._builders)
            for batch in self._builders[output, partition].finish()
        ]

    def _builder(self, output: int, partition: int) -> BatchBuilder:
        builder = self._builders.get((output, partition))
        if builder is None:
            builder = self._builders[output, partition] = BatchBuilder()
        return builder
