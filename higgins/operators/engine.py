"""The engine: runs the tasks whose leases are this node's to hold, and follows the ledger as that changes.

Which tasks exist, which generation they are of and which node owns them is a function of the ledger's state; the engine
compares that with what it runs whenever a topography was applied or a session came or went. It owns the tasks' nursery:
cancelling `run` ends them all, and whatever they had handed to the writer is committed or not by the writer.
"""

import msgspec
import structlog
import trio

from higgins.ledger.commit import Commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.tasks import TaskSet, task_resource
from higgins.log.reader import Reader
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.operators.settings import OperatorSettings
from higgins.operators.task import Surroundings, Task
from higgins.runtime import Runtime

log = structlog.get_logger("higgins.operators")

LOOK_AGAIN_S = 0.5
"""A session is this node's own only a moment after the commit that grants it, so a look at the state is repeated."""

TaskKey = tuple[str, int]


class _Running(msgspec.Struct, frozen=True):
    """A task of this node, under which session and generation, and how to end it."""

    task: Task
    session_epoch: int
    generation: int
    scope: trio.CancelScope


class Engine:
    """All tasks of one node."""

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
        self._ledger = ledger
        self._around = Surroundings(runtime, ledger, settings, writer=writer, reader=reader, watch=watch)
        self._running: dict[TaskKey, _Running] = {}
        self._changed = trio.Event()
        self._seen: tuple[int, int, int, int] | None = None
        ledger.subscribe(self._notice)

    def __repr__(self) -> str:
        return f"<Engine tasks={len(self._running)}>"

    def task(self, name: str, partition: int) -> Task | None:
        """The task, if this node runs it."""
        running = self._running.get((name, partition))
        return running.task if running else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run this node's tasks until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._changed = trio.Event()
                self._reconcile(nursery)
                with trio.move_on_after(LOOK_AGAIN_S):
                    await self._changed.wait()

    def _notice(self, commit: Commit) -> None:
        if self._seen != self._circumstances():
            self._changed.set()

    def _circumstances(self) -> tuple[int, int, int, int]:
        """What decides which tasks run here; equal values, equal tasks."""
        state, session = self._ledger.state, self._ledger.session
        return (
            state.tasks.version,
            state.sessions.next_epoch,
            len(state.sessions.live),
            session.epoch if session is not None else -1,
        )

    def _reconcile(self, nursery: trio.Nursery) -> None:
        """End the tasks that are not this node's any more, or have changed, and start those that are missing."""
        circumstances = self._circumstances()
        if circumstances == self._seen:
            return
        self._seen = circumstances
        session_epoch = circumstances[-1]
        wanted = self._wanted(session_epoch)
        for key, running in list(self._running.items()):
            tasks = wanted.get(key)
            if (
                tasks is None
                or tasks.generation != running.generation
                or running.session_epoch != session_epoch
                or tasks != running.task.tasks
            ):
                running.scope.cancel()
                del self._running[key]
        self._around.tasks_running = len(wanted)
        for (name, partition), tasks in wanted.items():
            if (name, partition) not in self._running:
                task = Task(tasks, partition, self._around)
                running = _Running(task, session_epoch, tasks.generation, trio.CancelScope())
                self._running[name, partition] = running
                nursery.start_soon(self._run_task, running)
        log.debug("engine.tasks", tasks=len(self._running))

    def _wanted(self, session_epoch: int) -> dict[TaskKey, TaskSet]:
        state = self._ledger.state
        found: dict[TaskKey, TaskSet] = {}
        if session_epoch < 0:
            return found
        for tasks in state.tasks.sets.values():
            for partition in range(tasks.tasks):
                owner = state.sessions.owner(task_resource(tasks.name, partition))
                if owner is not None and owner.epoch == session_epoch:
                    found[tasks.name, partition] = tasks
        return found

    async def _run_task(self, running: _Running) -> None:
        with running.scope:
            await running.task.run()
