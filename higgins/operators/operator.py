"""The port between a task and an operator. Sans-IO: an operator sees records, state and time as arguments.

The task owns reading, epochs, leases and commits; an operator owns one function of (records, state). One operator is
opened for each task and used by that task alone. What it puts into `Output` and `State` during an epoch is committed
with the input ranges of that epoch, or not at all; after a failure the task opens a new operator from the state that
was committed and reads its input again from there, so whatever an operator keeps in memory may simply be lost.

An epoch of a task, as the operator sees it:

    restore(state)                             once, before the first epoch, if any state has been committed
    process(input, columns, output)            any number of times, for any of its inputs
    on_time(now_ms, unread, output)            when `wake_at_ms` has passed
    close_epoch(state, output)                 once, before the epoch is committed

No method may block or take longer than a few milliseconds for a slice: `process`, `on_time` and `close_epoch` run on
the event loop. Opening and `restore` run in a thread. An operator that finds a slice too costly for the event loop
raises `Costly` from `process`, before it has changed anything; it is then called as `process_costly`, in a thread.

A record whose processing raises an error is left out and counted as `failed`. An operator that can tell which record it
is reports it with `Output.fail`. If `process` raises, the task finds the record by trying again in smaller slices.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TypeAlias

from higgins.columns.columns import Columns
from higgins.operators.output import Output
from higgins.operators.state import State

InputPartition: TypeAlias = tuple[int, int]
"""The index of an input, in the order of the operator's plan, and a partition of it."""


class Costly(Exception):
    """Processing the slice would hold the event loop for too long."""


class Operator(ABC):
    """One function, opened for one task. A stateless operator implements `process` and nothing else."""

    def restore(self, state: State) -> None:  # noqa: B027 - stateless operators have nothing to restore
        """Load the state that was committed last."""

    @abstractmethod
    def process(self, input: int, columns: Columns, output: Output) -> None:
        """Process a slice of one input partition. The slices of a partition come in offset order.

        `input` is the index of the input; the partition is in `columns`. Raises: Costly.
        """

    def process_costly(self, input: int, columns: Columns, output: Output) -> None:
        """The same for a slice that was refused with `Costly`. Runs in a thread, while the task waits."""
        raise NotImplementedError

    def close_epoch(self, state: State, output: Output) -> None:  # noqa: B027 - see restore
        """The epoch ends: emit what is due with it, and record in `state` what later epochs need to know."""

    def wake_at_ms(self) -> int | None:
        """When `on_time` is to be called next even if no record arrives; None for never.

        Wall clock, milliseconds since the epoch. Windows need it: one must close though its stream has gone quiet.
        """
        return None

    def on_time(self, now_ms: int, unread: Collection[InputPartition], output: Output) -> None:
        """The time of `wake_at_ms` has come. `unread` are the input partitions with records still to be processed.

        Only called for operators that return a time from `wake_at_ms`, which must move it on.
        """
        raise NotImplementedError
