"""A task: one operator on some input partitions, on this node, attempted again after every failure.

Only what is committed counts. A task that was refused, lost its store or starts on another node takes its lease, reads
its positions and its state from the ledger, and computes again from there; see `task_run` for one such attempt.
"""

import structlog
import trio

from higgins.ledger.state.sessions import TakeLease
from higgins.ledger.state.tasks import TaskProgress, TaskSet, task_resource
from higgins.model.errors import (
    Corrupt,
    DurabilityUnknown,
    Fenced,
    HigginsError,
    ObjectMissing,
    Refused,
    StorageUnavailable,
)
from higgins.operators.failures import Failures, RecordsFailed
from higgins.operators.inputs import TaskInputs
from higgins.operators.kinds import open_operator
from higgins.operators.operator import Operator
from higgins.operators.state import State
from higgins.operators.task_context import THREADS, TaskContext
from higgins.operators.task_run import TaskRun
from higgins.runtime import Backoff
from higgins_protocol.errors import ErrorCode

log = structlog.get_logger("higgins.operators")


class Task:
    """One task of an operator, under one session of this node."""

    def __init__(self, tasks: TaskSet, number: int, context: TaskContext) -> None:
        self.tasks = tasks
        self.number = number
        self.reason = ""
        """Why it does not advance, for people; empty while it does."""
        self.last_failure = ""
        """The record that it could not process last, and why; for people."""
        self.stopped = False
        """Whether it has met an error that only a bug explains. It tries again, but seldom."""
        self._failures = Failures()
        self._context = context
        self._resource = task_resource(tasks.name, number)

    def __repr__(self) -> str:
        return f"<Task {self.tasks.name}/{self.number} generation={self.tasks.generation} {self.reason or 'running'}>"

    async def run(self) -> None:
        """Work until cancelled. Failures of the store, the ledger and leases are retried without end.

        A record that fails is left out and counted; see `Failures`. Any other error is a bug of the operator. It must
        not end the node, which serves everybody's data, and is tried again at the longest interval.
        """
        settings = self._context.settings
        first_s, longest_s = settings.retry_first_ms / 1000, settings.retry_longest_ms / 1000
        backoff = Backoff(self._context.runtime.random, first_s=first_s, longest_s=longest_s)
        while True:
            before = self._progress()
            try:
                await self._attempt()
            except (Refused, Fenced, StorageUnavailable, ObjectMissing, Corrupt) as error:
                self._note_failure(error)
            except DurabilityUnknown:
                raise
            except RecordsFailed:
                continue
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                if reason != self.reason:
                    log.exception("task.stopped", operator=self.tasks.name, task=self.number)
                self.reason, self.stopped = reason, True
                await trio.sleep(longest_s)
                continue
            if self._progress() != before:
                backoff.reset()
            await backoff.wait()

    async def _attempt(self) -> None:
        context = self._context
        await context.settle_flight(self._resource)
        operator = await context.runtime.offload(THREADS, open_operator, self.tasks.specification)
        lease_epoch = await self._take_lease()
        progress = self._progress()
        if progress is None:
            raise Refused(ErrorCode.RESOURCE_NOT_FOUND, f"Operator '{self.tasks.name}' has been deleted.")
        for each in progress.inputs:
            self._failures.passed((each.topic_id, each.partition), each.next_offset)
        run = TaskRun(
            context,
            self.tasks,
            self.number,
            lease_epoch=lease_epoch,
            operator=operator,
            state=await self._restored(operator, progress),
            inputs=TaskInputs(context.ledger, self.tasks.inputs, progress.inputs),
            failures=self._failures,
            advanced=self._advanced,
            failed=self._record_failed,
        )
        await run.run()

    async def _take_lease(self) -> int:
        ledger = self._context.ledger
        session = ledger.session
        if session is None:
            raise Fenced("This node has no session at the moment.")
        lease = ledger.state.sessions.leases.get(self._resource)
        if lease is not None and lease.session_epoch == session.epoch:
            return lease.lease_epoch
        return await ledger.propose(TakeLease(self._resource))

    async def _restored(self, operator: Operator, progress: TaskProgress) -> State:
        """The committed state, which the operator has loaded."""
        blocks = await self._context.reader.read_pointers(progress.state) if progress.state else []
        state = State(progress.progress, blocks)
        if blocks or progress.progress:
            await self._context.runtime.offload(THREADS, operator.restore, state)
        return state

    def _progress(self) -> TaskProgress | None:
        """What the ledger has of the task; None when its operator has been deleted."""
        tasks = self._context.ledger.state.tasks
        existing = tasks.sets.get(self.tasks.name)
        if existing is None or self.number >= existing.tasks:
            return None
        return tasks.progress(self.tasks.name, self.number)

    def _advanced(self) -> None:
        self.reason, self.stopped = "", False

    def _record_failed(self, why: str) -> None:
        self.last_failure = why

    def _note_failure(self, error: HigginsError) -> None:
        message = str(error)
        if message != self.reason:
            log.warning("task.retries", operator=self.tasks.name, task=self.number, why=message)
        self.reason = message
