"""One simulated node: a whole broker over the bucket, started, killed at any await, frozen, cut off, restarted."""

import contextvars
from collections.abc import Callable
from contextvars import ContextVar

import msgspec
import trio

from higgins.broker import Broker
from higgins.ledger.commit import Commit
from higgins.ledger.snapshot import digest
from higgins.model.errors import Corrupt, HigginsError, StorageUnavailable
from higgins.server.settings import Listener, ServerSettings
from higgins.settings import Settings
from tests.simulation.bucket import Bucket, SimulatedStore
from tests.simulation.network import Network, SimulatedTransport
from tests.simulation.runtime import SimulatedRuntime
from tests.simulation.schedule import FREEZER, Freezer

LIFE: ContextVar[SimulatedStore | None] = ContextVar("LIFE", default=None)
"""Which life of which node a task belongs to."""

BROKER: ContextVar[Broker | None] = ContextVar("BROKER", default=None)


def own_session_epoch() -> int:
    """The session epoch of the node whose task runs; -1 for tasks of no node, and for nodes without a session."""
    broker = BROKER.get()
    session = broker.node.ledger.session if broker is not None and broker.node is not None else None
    return -1 if session is None else session.epoch


DIGEST_EVERY = 25
"""Commits between two digests of a node's State."""


class SimulatedNode:
    """A node at an address. At most one broker of it runs at a time; earlier lives may have left effects behind."""

    def __init__(
        self,
        name: str,
        nursery: trio.Nursery,
        bucket: Bucket,
        network: Network,
        settings: Settings,
        new_store: Callable[[], SimulatedStore],
        new_runtime: Callable[[str], SimulatedRuntime],
    ) -> None:
        self.name = name
        self.address = (name, 9092)
        self.broker: Broker | None = None
        self.store: SimulatedStore | None = None
        self.runtime: SimulatedRuntime | None = None
        self.wanted = False
        """Whether somebody restarts it when it ends by itself."""
        self.lives = 0
        self.skew_ms = 0
        self.digests: list[tuple[int, str]] = []
        """Commit numbers and what State was then, over all lives."""
        self.deaths: list[str] = []
        """Ends that no fault explains."""
        self.loud_ends = 0
        """Ends that a fault explains: a damaged read, or no store to start from."""
        self._nursery = nursery
        self._bucket = bucket
        self._network = network
        self._settings = _at(self.address, settings)
        self._new_store = new_store
        self._new_runtime = new_runtime
        self._freezer = Freezer()
        self._scope = trio.CancelScope()
        self._context: contextvars.Context | None = None
        self._stopping = False
        self._ready = False
        network.doors[self.address] = self

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name} life={self.lives} {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether it takes connections; a frozen one does, and leaves them unanswered."""
        return self._ready and not self._stopping

    @property
    def is_frozen(self) -> bool:
        return self._freezer.frozen

    def accept(self, transport: SimulatedTransport) -> None:
        """Serve a connection, as one of the node's own tasks."""
        assert self.broker is not None and self._context is not None
        self._context.run(self.broker.accept, transport)

    def start(self) -> None:
        """Begin a life; it restarts by itself after an end that a fault explains."""
        self.wanted = True
        if self.broker is None:
            self.lives += 1
            store = self._renew_store()
            self.broker = Broker(self._renew_runtime(), self._settings, store=store)
            self._nursery.start_soon(self._live, self.broker, store)

    def kill(self) -> None:
        """End at whatever awaits the tasks are at; nothing more leaves the node, what has left it goes its way."""
        self.wanted = False
        self._end()

    def stop(self) -> None:
        """Ask for an end in good order."""
        self.wanted = False
        self._stopping = True
        if self.broker is not None:
            self.broker.stop()

    def freeze(self) -> None:
        """No task of this node runs until `thaw`."""
        self._freezer.frozen = True

    def thaw(self) -> None:
        if self._freezer.frozen:
            self._freezer.thaw()

    def jump(self, milliseconds: int) -> None:
        """Set the wall clock."""
        self.skew_ms += milliseconds
        if self.runtime is not None:
            self.runtime.skew_ms = self.skew_ms

    # ---- within -------------------------------------------------------------------------------------------------

    def _renew_store(self) -> SimulatedStore:
        store = self.store = self._new_store()
        return store

    def _renew_runtime(self) -> SimulatedRuntime:
        self.runtime = self._new_runtime(f"{self.name}/{self.lives}")
        self.runtime.skew_ms = self.skew_ms
        return self.runtime

    def _end(self) -> None:
        if self.store is not None:
            self.store.dead = True
        self._ready = False
        self._network.reset(self.address)
        self._scope.cancel()
        self.thaw()

    async def _live(self, broker: Broker, store: SimulatedStore) -> None:
        FREEZER.set(self._freezer)
        LIFE.set(store)
        BROKER.set(broker)
        self._stopping = False
        started = False
        try:
            with trio.CancelScope() as self._scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(broker.run)
                    started = True
                    self._context = contextvars.copy_context()
                    assert broker.node is not None
                    broker.node.ledger.subscribe(self._note_digest)
                    self._ready = True
        except* HigginsError as group:
            self._judge(_leaf(group), store, started)
        except* Exception as group:
            self.deaths.append(f"{self.name}: {_leaf(group)!r}")
        finally:
            store.dead = True
            self._ready = False
            self.broker = None
            self._network.reset(self.address)
        if self.wanted:
            self._bucket.timetable.after(0.5, self._start_again)

    def _start_again(self) -> None:
        if self.wanted:
            self.start()

    def _judge(self, error: BaseException, store: SimulatedStore, started: bool) -> None:
        """Stopping loudly is right after a damaged read, and where there is no store to start from."""
        if (isinstance(error, Corrupt) and store.damaged) or (isinstance(error, StorageUnavailable) and not started):
            self.loud_ends += 1
        else:
            self.deaths.append(f"{self.name}: {error!r}")

    def _note_digest(self, commit: Commit) -> None:
        number = commit.head.number
        if number % DIGEST_EVERY == 0 and self.broker is not None and self.broker.node is not None:
            self.digests.append((number, digest(self.broker.node.state)))


def _at(address: tuple[str, int], settings: Settings) -> Settings:
    listener = Listener("PLAIN", *address, *address)
    return msgspec.structs.replace(settings, server=ServerSettings(listeners=(listener,)))


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
