"""One simulated node: a complete broker on the simulated bucket, which can be killed, frozen and restarted."""

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
"""The store of the node's run that a task belongs to; `dead` once that run has ended."""

BROKER: ContextVar[Broker | None] = ContextVar("BROKER", default=None)


def own_session_epoch() -> int:
    """The session epoch of the current task's node; -1 for other tasks, and for nodes without a session."""
    broker = BROKER.get()
    session = broker.node.ledger.session if broker is not None and broker.node is not None else None
    return -1 if session is None else session.epoch


DIGEST_EVERY = 25
"""A node's State is hashed every this many commits."""


class SimulatedNode:
    """A node at an address. One broker of it runs at a time; requests of earlier runs may still take effect."""

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
        """Whether it is restarted when it ends by itself."""
        self.lives = 0
        self.skew_ms = 0
        self.digests: list[tuple[int, str]] = []
        """Commit numbers and the hash of State at each, over all runs."""
        self.unexpected_ends: list[str] = []
        """Errors that ended the broker and that no injected fault explains."""
        self.expected_ends = 0
        """How often an injected fault ended the broker: a damaged read, or no store at its start."""
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
        network.servers[self.address] = self

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name} life={self.lives} {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether it accepts connections. A frozen node does, and does not answer."""
        return self._ready and not self._stopping

    @property
    def is_frozen(self) -> bool:
        return self._freezer.frozen

    def accept(self, transport: SimulatedTransport) -> None:
        """Serve a connection in the node's own context, so that it is frozen with the node."""
        assert self.broker is not None and self._context is not None
        self._context.run(self.broker.accept, transport)

    def start(self) -> None:
        """Start the broker. It is restarted when an injected fault ends it."""
        self.wanted = True
        if self.broker is None:
            self.lives += 1
            store = self._replace_store()
            self.broker = Broker(self._replace_runtime(), self._settings, store=store)
            self._nursery.start_soon(self._run, self.broker, store)

    def kill(self) -> None:
        """Cancel all tasks where they are. Nothing more is sent; what was sent still arrives."""
        self.wanted = False
        self._end()

    def stop(self) -> None:
        """Request a graceful shutdown."""
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

    # ---- internals ----------------------------------------------------------------------------------------------

    def _replace_store(self) -> SimulatedStore:
        store = self.store = self._new_store()
        return store

    def _replace_runtime(self) -> SimulatedRuntime:
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

    async def _run(self, broker: Broker, store: SimulatedStore) -> None:
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
                    broker.node.ledger.subscribe(self._record_digest)
                    self._ready = True
        except* HigginsError as group:
            self._classify(_leaf(group), store, started)
        except* Exception as group:
            self.unexpected_ends.append(f"{self.name}: {_leaf(group)!r}")
        finally:
            store.dead = True
            self._ready = False
            self.broker = None
            self._network.reset(self.address)
        if self.wanted:
            self._bucket.timers.after(0.5, self._restart)

    def _restart(self) -> None:
        if self.wanted:
            self.start()

    def _classify(self, error: BaseException, store: SimulatedStore, started: bool) -> None:
        """Ending with an error is correct after a damaged read, and when the store is not available at the start."""
        if (isinstance(error, Corrupt) and store.damaged) or (isinstance(error, StorageUnavailable) and not started):
            self.expected_ends += 1
        else:
            self.unexpected_ends.append(f"{self.name}: {error!r}")

    def _record_digest(self, commit: Commit) -> None:
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
