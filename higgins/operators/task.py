"""A task: one operator on one input partition. Reads, computes, and has each epoch committed with its output.

What is committed is the only truth: a task that is refused, loses its store or starts anew takes its lease, reads its
position from the ledger's state and computes again from there. At most one commit of a task is under way; the epoch
after it is read and computed meanwhile. Every await is a place to be cancelled: what was handed to the writer may still
be committed, what was not is computed again by whoever comes next.
"""

from collections.abc import Sequence

import structlog
import trio

from higgins.columns.decode import Block, Packed, Tally, gather, rows, stored
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.tasks import InputRange, TaskSet, task_resource
from higgins.log.buffer import StepDraft
from higgins.log.reader import Reader
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import (
    Corrupt,
    DurabilityUnknown,
    Fenced,
    HigginsError,
    ObjectMissing,
    Refused,
    StorageUnavailable,
)
from higgins.model.pointer import Buffer
from higgins.operators.epoch import UNREADABLE, Epoch
from higgins.operators.open import open_operator
from higgins.operators.operator import NO_STATE, Operator
from higgins.operators.settings import OperatorSettings
from higgins.operators.specification import decode
from higgins.runtime import Backoff, Runtime
from higgins_protocol.errors import ErrorCode

log = structlog.get_logger("higgins.operators")

THREADS = "operators"


class Surroundings:
    """What the tasks of a node share."""

    def __init__(
        self,
        runtime: Runtime,
        ledger: Ledger,
        settings: OperatorSettings,
        *,
        writer: Writer,
        reader: Reader,
        watch: Watch,
    ) -> None:
        self.runtime = runtime
        self.ledger = ledger
        self.writer = writer
        self.reader = reader
        self.watch = watch
        self.settings = settings
        self.turns = trio.CapacityLimiter(settings.epochs_computed_max)
        self.tasks_running = 0

    def epoch_bytes_max(self) -> int:
        """A task's share of the memory for epochs, within their bounds; an epoch exists twice: read, and produced."""
        share = self.settings.memory_bytes // max(1, 2 * self.tasks_running)
        return max(self.settings.epoch_bytes_min // 4, min(self.settings.epoch_bytes_max, share))


class _Flight:
    """One epoch's commit under way."""

    def __init__(self) -> None:
        self._landed = trio.Event()
        self._error: HigginsError | None = None

    def settled(self, outcome: Sequence[int] | HigginsError, stamped_ms: int) -> None:
        """The writer's answer; it comes exactly once, in the loop."""
        if isinstance(outcome, HigginsError):
            self._error = outcome
        self._landed.set()

    async def land(self) -> None:
        """Wait for the commit. Raises what the writer or the ledger said."""
        await self._landed.wait()
        if self._error is not None:
            raise self._error


class Task:
    """One operator on one partition, on this node, under one session."""

    def __init__(self, tasks: TaskSet, partition: int, around: Surroundings) -> None:
        self.tasks = tasks
        self.partition = partition
        self.trouble = ""
        """Why it does not advance, for people; empty while it does."""
        self.stopped = False
        """Whether it has given up, because of a fault of ours; applying a change, or a new node, starts it again."""
        self._around = around
        self._key = (tasks.inputs[0], partition)
        self._resource = task_resource(tasks.name, partition)
        self._read_bytes = around.settings.epoch_bytes_min
        self._lease_epoch = 0
        self._flight: _Flight | None = None

    def __repr__(self) -> str:
        return (
            f"<Task {self.tasks.name}/{self.partition} generation={self.tasks.generation} {self.trouble or 'running'}>"
        )

    async def run(self) -> None:
        """Work until cancelled; whatever goes wrong with the world is tried again."""
        settings = self._around.settings
        first_s, longest_s = settings.retry_first_ms / 1000, settings.retry_longest_ms / 1000
        backoff = Backoff(self._around.runtime.random, first_s=first_s, longest_s=longest_s)
        while True:
            before = self._position()
            try:
                await self._work()
            except (Refused, Fenced, StorageUnavailable, ObjectMissing, Corrupt) as error:
                self._note_trouble(error)
            except DurabilityUnknown:
                raise
            except Exception as error:
                # A task's edge: a fault in one operator must not take the node and everybody's data with it.
                self.trouble, self.stopped = f"{type(error).__name__}: {error}", True
                log.exception("task.stopped", operator=self.tasks.name, partition=self.partition)
                await trio.sleep_forever()
            if self._position() > before:
                backoff = Backoff(self._around.runtime.random, first_s=first_s, longest_s=longest_s)
            await backoff.wait()

    def _note_trouble(self, error: HigginsError) -> None:
        text = str(error)
        if text != self.trouble:
            log.warning("task.retries", operator=self.tasks.name, partition=self.partition, why=text)
        self.trouble = text

    def _position(self) -> int:
        """Where the ledger says the task stands; -1 when its operator is gone."""
        state = self._around.ledger.state
        if self.tasks.name not in state.tasks.sets:
            return -1
        return state.tasks.position(self.tasks.name, self.partition, *self._key)

    async def _work(self) -> None:
        around = self._around
        await self._give_up_flight()
        operator = await around.runtime.offload(THREADS, open_operator, decode(self.tasks.specification))
        self._lease_epoch = await self._take_lease()
        position = self._position()
        if position < 0:
            raise Refused(ErrorCode.RESOURCE_NOT_FOUND, f"Operator '{self.tasks.name}' has been deleted.")
        epoch = Epoch(position)
        while True:
            if await self._wait_for_input(epoch):
                await self._extend(epoch, operator)
            if self._is_due(epoch):
                epoch = await self._commit(epoch)

    async def _take_lease(self) -> int:
        ledger = self._around.ledger
        session = ledger.session
        if session is None:
            raise Fenced("This node has no session at the moment.")
        lease = ledger.state.sessions.leases.get(self._resource)
        if lease is not None and lease.session_epoch == session.epoch:
            return lease.lease_epoch
        return await ledger.propose(TakeLease(self._resource))

    # Input.

    async def _wait_for_input(self, epoch: Epoch) -> bool:
        """Wait until there is more to read, the commit under way has landed, or the epoch's time is up.

        True when there is something to read.
        """
        if self._is_readable(epoch):
            return True
        self.trouble = ""
        if self._flight is not None:
            await self._land()
            return False
        grown = trio.Event()
        watch = self._around.watch
        watch.arm([self._key], grown)
        try:
            if not self._is_readable(epoch):
                with trio.move_on_at(self._due_at(epoch)):
                    await grown.wait()
        finally:
            watch.disarm([self._key], grown)
        return self._is_readable(epoch)

    def _is_readable(self, epoch: Epoch) -> bool:
        return epoch.to_offset < self._around.ledger.state.runs.last_stable_offset(*self._key)

    async def _extend(self, epoch: Epoch, operator: Operator) -> None:
        """Read once and take it into the epoch."""
        around = self._around
        async with around.turns:
            start = self._skip_removed(epoch)
            if not self._is_readable(epoch):
                return
            bytes_max = min(self._read_bytes, around.epoch_bytes_max())
            found = await around.reader.read(*self._key, start, bytes_max)
            if found.next_offset <= start:
                raise StorageUnavailable(f"Nothing could be read at offset {start}, below the high watermark.")
            await self._process(found.pieces, start, epoch, operator)
            epoch.extend(found.next_offset, found.length, around.runtime.monotonic())
        behind = self._is_readable(epoch)
        grown = self._read_bytes * 2 if behind else around.settings.epoch_bytes_min
        self._read_bytes = min(grown, around.settings.epoch_bytes_max)

    def _skip_removed(self, epoch: Epoch) -> int:
        """What retention has removed cannot be read any more: go on after it."""
        around = self._around
        log_start = around.ledger.state.runs.log_start(*self._key)
        if epoch.to_offset < log_start:
            epoch.output.count("removed", log_start - epoch.to_offset)
            epoch.extend(log_start, 0, around.runtime.monotonic())
        return epoch.to_offset

    async def _process(self, pieces: list[Buffer], start: int, epoch: Epoch, operator: Operator) -> None:
        tally = Tally()
        for part in gather(stored(pieces)):
            block = await self._expanded(part)
            for columns in rows(block, self.partition, tally):
                wanted = columns.from_offset(start)
                if len(wanted):
                    operator.process(wanted, NO_STATE, epoch.output)
                # A slice takes a few milliseconds; everybody else has a turn after each.
                await trio.lowlevel.checkpoint()
        epoch.output.count(UNREADABLE, tally.unreadable)

    async def _expanded(self, part: Block | Packed) -> Block:
        """A block, decompressed in a thread where that takes long."""
        if isinstance(part, Block):
            return part
        if part.is_costly:
            return await self._around.runtime.offload(THREADS, part.expand)
        return part.expand()

    # Output.

    def _due_at(self, epoch: Epoch) -> float:
        """When an epoch is committed whatever it holds."""
        if epoch.is_empty:
            return float("inf")
        return epoch.begun_at + self._around.settings.progress_interval_ms / 1000

    def _is_due(self, epoch: Epoch) -> bool:
        """An epoch with output is worth a commit at once, one without when it has read much or waited long."""
        if epoch.is_empty:
            return False
        return (
            epoch.output.has_rows
            or epoch.bytes_read >= self._around.settings.epoch_bytes_min
            or self._around.runtime.monotonic() >= self._due_at(epoch)
        )

    async def _commit(self, epoch: Epoch) -> Epoch:
        """Hand the epoch to the writer, after the one before has landed; the epoch that follows it."""
        await self._land()
        writer = self._around.writer
        await writer.room()
        step = StepDraft(
            name=self.tasks.name,
            generation=self.tasks.generation,
            task=self.partition,
            lease_epoch=self._lease_epoch,
            inputs=(InputRange(*self._key, epoch.from_offset, epoch.to_offset),),
            counters=epoch.output.counters(),
        )
        batches = [(self.tasks.outputs[0], partition, batch) for partition, batch in epoch.output.finish()]
        self._flight = _Flight()
        writer.step(step, batches, self._flight.settled)
        return Epoch(epoch.to_offset)

    async def _give_up_flight(self) -> None:
        """Whatever came of the epoch before the trouble is in the ledger's state once this returns."""
        try:
            await self._land()
        except HigginsError:
            self._flight = None

    async def _land(self) -> None:
        flight = self._flight
        if flight is not None:
            await flight.land()
            self._flight = None
            self.trouble = ""
