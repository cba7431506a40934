"""The engine: runs the tasks that this node owns, and follows the ledger as that changes.

Which tasks exist, in which generation, and which node owns each is a function of the ledger's state. The engine
compares it with the tasks it runs whenever a topography is applied or a session begins or ends. It owns the nursery of
the tasks: cancelling `run` ends them all. What they have handed to the writer may still be committed.
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
from higgins.operators.task import Task
from higgins.operators.task_context import TaskContext
from higgins.runtime import Runtime

log = structlog.get_logger("higgins.operators")

RECONCILE_INTERVAL_S = 0.5
"""The node's session is set a moment after the commit that grants it, without another commit to react to."""

TaskKey = tuple[str, int]


class _Running(msgspec.Struct, frozen=True):
    """A task of this node, its session and generation, and the scope that ends it."""

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
        self._context = TaskContext(runtime, ledger, settings, writer=writer, reader=reader, watch=watch)
        self._running: dict[TaskKey, _Running] = {}
        self._changed = trio.Event()
        self._reconciled: tuple[int, int, int, int] | None = None
        ledger.subscribe(self._commit_folded)

    def __repr__(self) -> str:
        return f"<Engine tasks={len(self._running)}>"

    def task(self, name: str, number: int) -> Task | None:
        """A task, if this node runs it."""
        running = self._running.get((name, number))
        return running.task if running else None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run this node's tasks until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._changed = trio.Event()
                self._reconcile(nursery)
                with trio.move_on_after(RECONCILE_INTERVAL_S):
                    await self._changed.wait()

    def _commit_folded(self, commit: Commit) -> None:
        if self._reconciled != self._inputs_of_assignment():
            self._changed.set()

    def _inputs_of_assignment(self) -> tuple[int, int, int, int]:
        """Everything that decides which tasks run here: equal values mean equal tasks."""
        state, session = self._ledger.state, self._ledger.session
        return (
            state.tasks.version,
            state.sessions.next_epoch,
            len(state.sessions.live),
            session.epoch if session is not None else -1,
        )

    def _reconcile(self, nursery: trio.Nursery) -> None:
        """End the tasks that have moved away or changed, and start those that are missing."""
        current = self._inputs_of_assignment()
        if current == self._reconciled:
            return
        self._reconciled = current
        session_epoch = current[-1]
        owned = self._owned(session_epoch)
        for key, running in list(self._running.items()):
            tasks = owned.get(key)
            if (
                tasks is None
                or tasks.generation != running.generation
                or running.session_epoch != session_epoch
                or tasks != running.task.tasks
            ):
                running.scope.cancel()
                del self._running[key]
        self._context.tasks_running = len(owned)
        for key, tasks in owned.items():
            if key not in self._running:
                task = Task(tasks, key[1], self._context)
                running = _Running(task, session_epoch, tasks.generation, trio.CancelScope())
                self._running[key] = running
                nursery.start_soon(self._run_task, running)
        log.debug("engine.tasks", tasks=len(self._running))

    def _owned(self, session_epoch: int) -> dict[TaskKey, TaskSet]:
        """The tasks that a session owns; none for -1."""
        state = self._ledger.state
        owned: dict[TaskKey, TaskSet] = {}
        if session_epoch < 0:
            return owned
        for tasks in state.tasks.sets.values():
            for number in range(tasks.tasks):
                owner = state.sessions.owner(task_resource(tasks.name, number))
                if owner is not None and owner.epoch == session_epoch:
                    owned[tasks.name, number] = tasks
        return owned

    async def _run_task(self, running: _Running) -> None:
        with running.scope:
            await running.task.run()
