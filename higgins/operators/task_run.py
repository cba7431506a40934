"""One attempt of a task: from the committed positions and state until something fails or the task is cancelled.

Reads whichever input has records, has the operator process them, and commits each epoch with its output, state and
positions. At most one commit is under way; the next epoch is read and processed meanwhile. Every await is a point of
cancellation: what was handed to the writer may still be committed, everything else is computed again by the next
attempt, on this node or another.
"""

from collections.abc import Callable

import structlog
import trio

from higgins.columns.columns import Columns
from higgins.columns.decode import Block, Packed, Tally, gather, rows, stored
from higgins.ledger.state.runs import TopicPartition
from higgins.ledger.state.tasks import TaskSet, task_resource
from higgins.log.buffer import StepDraft
from higgins.model.errors import StorageUnavailable
from higgins.model.pointer import Buffer, Pointer
from higgins.operators.epoch import Epoch
from higgins.operators.failures import Failures, RecordsFailed
from higgins.operators.inputs import TaskInputs
from higgins.operators.operator import Costly, Operator
from higgins.operators.output import FAILED
from higgins.operators.state import State
from higgins.operators.task_context import THREADS, Flight, TaskContext

log = structlog.get_logger("higgins.operators")

REMOVED = "removed"
"""Counts records that were deleted, by retention or by DeleteRecords, before the task could read them."""
UNREADABLE = "unreadable"
"""Counts records whose bytes cannot be decoded."""


class TaskRun:
    """One attempt, under one lease."""

    def __init__(
        self,
        context: TaskContext,
        tasks: TaskSet,
        number: int,
        *,
        lease_epoch: int,
        operator: Operator,
        state: State,
        inputs: TaskInputs,
        failures: Failures,
        advanced: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """`advanced` is called when a commit has succeeded, or when there is nothing left to do.

        `failed` is called with a sentence about a record that could not be processed.
        """
        self._context = context
        self._tasks = tasks
        self._number = number
        self._resource = task_resource(tasks.name, number)
        self._lease_epoch = lease_epoch
        self._operator = operator
        self._state = state
        self._inputs = inputs
        self._failures = failures
        self._advanced = advanced
        self._failed = failed
        self._read_bytes = context.settings.epoch_bytes_min
        self._flight: Flight | None = None
        self._epoch = Epoch()

    def __repr__(self) -> str:
        return f"<TaskRun {self._resource} {self._inputs!r} {self._epoch!r}>"

    async def run(self) -> None:
        """Work until cancelled. Raises: whatever reading or committing raises; then this attempt is over."""
        while True:
            key = await self._wait_for_input()
            if key is not None:
                await self._extend(key)
            self._pass_time()
            if self._is_due():
                await self._commit()

    # Input.

    async def _wait_for_input(self) -> TopicPartition | None:
        """An input partition with records. Waits for one until something else is to be done; then None."""
        inputs, watch = self._inputs, self._context.watch
        key = inputs.next_readable()
        if key is not None:
            return key
        self._advanced()
        if self._flight is not None:
            await self._land()
            return None
        grown = trio.Event()
        watch.arm(inputs.keys, grown)
        try:
            key = inputs.next_readable()
            if key is None:
                with trio.move_on_at(min(self._due_at(), self._wake_at())):
                    await grown.wait()
                key = inputs.next_readable()
        finally:
            watch.disarm(inputs.keys, grown)
        return key

    async def _extend(self, key: TopicPartition) -> None:
        """Read an input partition once and process what was read."""
        context, inputs = self._context, self._inputs
        async with context.turns:
            self._skip_removed(key)
            if not inputs.is_readable(key):
                return
            start = inputs.position(key)
            bytes_max = min(self._read_bytes, context.epoch_bytes_max())
            if self._failures.is_suspect(key):
                # What is read together is computed again together when one record of it fails.
                bytes_max = min(bytes_max, context.settings.epoch_bytes_min // 4)
            read = await context.reader.read(*key, start, bytes_max)
            if read.next_offset <= start:
                raise StorageUnavailable(f"Nothing could be read at offset {start}, below the high watermark.")
            await self._process(read.pieces, key, start)
            self._move(key, read.next_offset, read.length)
        larger = self._read_bytes * 2 if inputs.is_readable(key) else context.settings.epoch_bytes_min
        self._read_bytes = min(larger, context.settings.epoch_bytes_max)

    def _skip_removed(self, key: TopicPartition) -> None:
        """Go on after records that have been deleted."""
        position, log_start = self._inputs.position(key), self._context.ledger.state.runs.log_start(*key)
        if position < log_start:
            self._epoch.output.count(REMOVED, log_start - position)
            self._move(key, log_start, 0)

    def _move(self, key: TopicPartition, to_offset: int, bytes_read: int) -> None:
        now = self._context.runtime.monotonic()
        self._epoch.extend(key, self._inputs.position(key), to_offset, bytes_read, now)
        self._inputs.advance(key, to_offset)

    async def _process(self, pieces: list[Buffer], key: TopicPartition, start: int) -> None:
        output, tally = self._epoch.output, Tally()
        for part in gather(stored(pieces)):
            block = await self._expanded(part)
            for columns in rows(block, key[1], tally):
                unprocessed = columns.from_offset(start)
                for some, error in self._failures.slices(key, unprocessed):
                    if error is not None:
                        output.fail(some.offsets[0], error)
                    elif len(some):
                        await self._process_slice(key, some)
                # A slice takes a few milliseconds; every other task of the event loop has a turn after each.
                await trio.lowlevel.checkpoint()
        output.count(UNREADABLE, tally.unreadable)

    async def _process_slice(self, key: TopicPartition, columns: Columns) -> None:
        """Have the operator process a slice, in a thread if that takes long. Raises: RecordsFailed."""
        index, operator, output = self._inputs.index(key), self._operator, self._epoch.output
        try:
            try:
                operator.process(index, columns, output)
            except Costly:
                await self._context.runtime.offload(THREADS, operator.process_costly, index, columns, output)
        except Exception as error:
            self._failures.note(key, columns, error)
            raise RecordsFailed from error

    async def _expanded(self, part: Block | Packed) -> Block:
        """A block, decompressed in a thread if that takes long."""
        if isinstance(part, Block):
            return part
        block = part.expand_at_once()
        return block if block is not None else await self._context.runtime.offload(THREADS, part.expand)

    # Time.

    def _pass_time(self) -> None:
        """Call the operator if the time has come that it has asked for."""
        wake_at_ms = self._operator.wake_at_ms()
        if wake_at_ms is None:
            return
        now_ms = self._context.runtime.now_ms()
        if now_ms >= wake_at_ms:
            self._operator.on_time(now_ms, self._inputs.unread(), self._epoch.output)
            later = self._operator.wake_at_ms()
            assert later is None or later > now_ms, f"{self._operator!r} did not move its time on"

    def _wake_at(self) -> float:
        """When the operator is to be called, on the monotonic clock."""
        wake_at_ms = self._operator.wake_at_ms()
        if wake_at_ms is None:
            return float("inf")
        runtime = self._context.runtime
        return runtime.monotonic() + max(0, wake_at_ms - runtime.now_ms()) / 1000

    # Output.

    def _due_at(self) -> float:
        """When the epoch is committed whatever it holds."""
        if self._epoch.begun_at is None:
            return float("inf")
        return self._epoch.begun_at + self._context.settings.progress_interval_ms / 1000

    def _is_due(self) -> bool:
        """Whether the epoch is worth a commit: at once with output, else when it has read much or waited long."""
        epoch = self._epoch
        if epoch.is_empty:
            return False
        return (
            epoch.output.has_rows
            or epoch.bytes_read >= self._context.settings.epoch_bytes_min
            or self._context.runtime.monotonic() >= self._due_at()
        )

    async def _commit(self) -> None:
        """Hand the epoch to the writer once the one before it has been committed, and begin the next."""
        await self._land()
        writer = self._context.writer
        await writer.room()
        epoch, self._epoch = self._epoch, Epoch()
        self._operator.close_epoch(self._state, epoch.output)
        self._log_failure(epoch)
        changes = self._state.take_changes()
        step = StepDraft(
            name=self._tasks.name,
            generation=self._tasks.generation,
            task=self._number,
            lease_epoch=self._lease_epoch,
            inputs=epoch.ranges(),
            counters=epoch.output.counters(),
            progress=changes.progress,
            state=changes.blocks,
            state_released=self._committed_state() if changes.replaces else (),
        )
        outputs = self._tasks.outputs
        batches = [(outputs[output], partition, batch) for output, partition, batch in epoch.output.finish()]
        self._flight, settled = self._context.begin_flight(self._resource)
        writer.step(step, batches, settled)

    def _log_failure(self, epoch: Epoch) -> None:
        """One line for each epoch with records that failed."""
        if epoch.output.failure is not None:
            self._failed("offset {}: {}".format(*epoch.output.failure))
            failed, (offset, why) = dict(epoch.output.counters())[FAILED], epoch.output.failure
            log.warning(
                "task.records_failed",
                operator=self._tasks.name, task=self._number, failed=failed, offset=offset, why=why,
            )  # fmt: skip

    def _committed_state(self) -> tuple[Pointer, ...]:
        """Pointers to all blocks of state; complete, because no commit of this task is under way."""
        return self._context.ledger.state.tasks.progress(self._tasks.name, self._number).state

    async def _land(self) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            await flight.land()
            self._advanced()
