"""The port between the engine and an operator. Sans-IO: an operator sees rows and state, and says what comes of them.

The engine owns reading, epochs, commits and where output goes; an operator owns one function of (rows, state). It is
opened once for a task and told slice after slice of one epoch; what it puts into `Output` belongs to that epoch, and is
committed with it or not at all. An operator with state reads it from `State` and changes nothing else; a stateless one
is handed `NO_STATE`. Operators that must wait (a worker process, a module compiled for minutes) are opened, and may be
processed, in a thread: `process` never touches the loop.
"""

from collections.abc import Sequence
from typing import Protocol

from higgins.columns.columns import Columns
from higgins.columns.encode import BatchBuilder


class State(Protocol):
    """What a task remembers between epochs. Changes take effect when the epoch commits, and are dropped when not."""

    def pointer(self) -> bytes:
        """What the ledger keeps of the state as it is after this epoch."""
        ...


class NoState:
    """The state of a stateless operator."""

    def pointer(self) -> bytes:
        return b""


NO_STATE = NoState()


class Output:
    """What one epoch of a task has produced so far: rows for output partitions, and counters to add."""

    def __init__(self) -> None:
        self._builders: dict[int, BatchBuilder] = {}
        self._counters: dict[str, int] = {}

    def add_rows(self, partition: int, columns: Columns, rows: Sequence[int]) -> None:
        """Pass these rows on to an output partition, as they are."""
        if rows:
            builder = self._builders.get(partition)
            if builder is None:
                builder = self._builders[partition] = BatchBuilder()
            builder.add(columns, rows)

    @property
    def has_rows(self) -> bool:
        return bool(self._builders)

    def count(self, counter: str, increment: int) -> None:
        if increment:
            self._counters[counter] = self._counters.get(counter, 0) + increment

    def counters(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(self._counters.items()))

    def finish(self) -> list[tuple[int, bytes]]:
        """The batches, by output partition, in the order they are to be appended."""
        return [
            (partition, batch) for partition in sorted(self._builders) for batch in self._builders[partition].finish()
        ]


class Operator(Protocol):
    """One function, opened for one task."""

    def process(self, columns: Columns, state: State, output: Output) -> None:
        """Take a slice of the input, in order, into the epoch."""
        ...
