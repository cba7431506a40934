"""The composition root: builds a node from its settings, owns every nursery, defines the order of shutdown.

At shutdown, listeners close first, then requests in flight end, then groups and operators, then the log is drained
and the session left, and the ledger stops last.
"""

import base64
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress

import msgspec
import structlog
import trio
import trio.testing

from higgins.admin.admin import Admin
from higgins.admin.configs.live import LiveConfigs, StaticConfig
from higgins.config.addresses import Address, parse_address
from higgins.groups.coordinator import Coordinator
from higgins.kafka.apis import ROWS
from higgins.kafka.context import Node
from higgins.kafka.router import Router
from higgins.ledger.ledger import Ledger, open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.sessions import Endpoint
from higgins.log.producer_ids import ProducerIds
from higgins.log.reader import Reader
from higgins.log.traffic import Traffic
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import HigginsError, StorageUnavailable, Unfit
from higgins.operators.engine import Engine
from higgins.runtime import Runtime
from higgins.server.connection import Connection
from higgins.server.exchange import Exchange
from higgins.server.listener import Server, open_socket
from higgins.server.settings import Listener
from higgins.server.transport import StreamTransport, Transport
from higgins.server.turns import Turns
from higgins.server.unsent import Unsent
from higgins.settings import Settings
from higgins.storage.cache import Cache
from higgins.storage.directory import DirectoryStore
from higgins.storage.health import StoreHealth
from higgins.storage.lock import held_lock
from higgins.storage.metered import MeteredStore
from higgins.storage.open import store_from
from higgins.storage.probe import probe
from higgins.storage.store import Store
from higgins.telemetry.metrics import Counts
from higgins.web.sources import Sources

log = structlog.get_logger("higgins")

DEADLINES_TICK_S = 0.25
JOIN_PATIENCE_S = 60.0
"""How long a start tries to commit its session on a store that fails; opening the ledger is as patient."""
HAND_OVER_COMMITS_S = 1.0
HAND_OVER_S = 3.0
"""Most clients send a heartbeat within this time: what heartbeats are apart by default."""
LAST_ANSWERS_S = 0.2
CLUSTER_ID_BYTES = 16


class _Parts(msgspec.Struct, frozen=True):
    """The components whose tasks `Broker._run` owns, beside the store and the ledger."""

    node: Node
    server: Server
    operators: Engine
    sources: Sources


class Broker:
    """One node."""

    def __init__(self, runtime: Runtime, settings: Settings, *, store: Store | None = None) -> None:
        """With `store` given it is used as it is, unprobed; otherwise the settings name one."""
        self._runtime = runtime
        self._settings = settings
        self._store = store
        self._stopping = trio.Event()
        self._server: Server | None = None
        self._clients: trio.Nursery | None = None
        self.node: Node | None = None
        self.listeners: tuple[Listener, ...] = settings.server.listeners
        """With the ports that were bound, once `run` has started."""
        self.metrics: Address | None = None
        """Where metrics are served, once `run` has started; None where they are not."""
        self.sources: Sources | None = None
        """Where this node's numbers are, once `run` has started."""
        self._counts = Counts(ROWS)
        self._health = StoreHealth(runtime, self._counts.store)
        self._refusal = ""
        """Why the store refused to write when it was probed, though it reads; empty if it wrote."""

    def __repr__(self) -> str:
        return f"<Broker {', '.join(f'{one.host}:{one.port}' for one in self.listeners)}>"

    def stop(self) -> None:
        """Ask `run` to end in an orderly way; it returns once everything taken is committed."""
        self._stopping.set()

    def connect(self, listener: str | None = None) -> trio.abc.Stream:
        """A connection to this node in memory, without a socket; for tests."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.accept(StreamTransport(theirs), listener)
        return ours

    def accept(self, transport: Transport, listener: str | None = None) -> None:
        """Serve a peer that did not connect to a socket of ours, as `connect` and the simulation do.

        `listener` is the name of one of this node's listeners; None is the first.
        """
        assert self._clients is not None and self._server is not None, "the broker is not running"
        named = [one for one in self.listeners if listener is None or one.name == listener]
        self._clients.start_soon(self._server.serve, transport, named[0])

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`; started once clients are answered.

        Raises: Unfit (cannot start), Corrupt, DurabilityUnknown, Fenced (cannot go on).
        """
        failure: HigginsError | None = None
        try:
            with ExitStack() as held:
                sockets = self._bind(held)
                serve_http = self._bind_http(held)
                bare = self._store or store_from(self._runtime, self._settings.store)
                held.enter_context(self._lock(bare))
                store = MeteredStore(bare, self._counts.store, self._runtime.stopwatch, self._health)
                ledger = await self._open(store)
                await self._run(store, ledger, sockets, serve_http, task_status)
        except* HigginsError as group:
            # Raised below: what is raised in here would come out as a group.
            failure = _first(group)
        if failure is not None:
            raise failure

    async def _open(self, store: Store) -> Ledger:
        """Load the ledger while the store is being probed; nothing is written to it before both are done."""
        opened: list[Ledger] = []

        async def load() -> None:
            opened.append(await open_ledger(self._runtime, store, self._ledger_settings()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load)
            if self._store is None:
                self._refusal = await probe(store, self._runtime.token(12).hex())
        if self._refusal and not opened[0].state.cluster_id:
            raise Unfit(f"The store is empty and cannot be written to: {self._refusal}")
        return opened[0]

    async def _join(self, ledger: Ledger) -> None:
        """Begin this node's session. On a store that only reads, the node serves without one, and joins when it can.

        Raises: Unfit, Refused, Fenced.
        """
        patience_until = self._runtime.monotonic() + JOIN_PATIENCE_S
        while True:
            try:
                await ledger.join(self._endpoints(), _cluster_id(self._runtime))
                return
            except StorageUnavailable as error:
                if self._refusal and ledger.state.cluster_id:
                    log.warning("broker.read_only", why=str(error))
                    ledger.join_later()
                    return
                if self._runtime.monotonic() > patience_until:
                    raise Unfit(f"The store refuses this node's first commit: {error}") from error

    def _ledger_settings(self) -> LedgerSettings:
        """The settings of the ledger: offset commits linger as long as records do, unless they say otherwise."""
        ledger, log_settings = self._settings.ledger, self._settings.log
        if ledger.linger_ms is not None:
            return ledger
        return msgspec.structs.replace(ledger, linger_ms=log_settings.linger_ms)

    async def _run(
        self,
        store: Store,
        ledger: Ledger,
        sockets: list[tuple[socket.socket, Listener]],
        serve_http: Callable[[Sources], Awaitable[None]] | None,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Run the node. Nesting is the order of shutdown: what is opened last is closed first."""
        parts = self._compose(store, ledger)
        server, writer = parts.server, parts.node.writer
        async with trio.open_nursery() as engine:
            await engine.start(ledger.run)
            await engine.start(writer.run)
            engine.start_soon(self._health.recheck, store)
            await self._join(ledger)
            parts.node.configs.notify()
            if serve_http is not None:
                engine.start_soon(serve_http, parts.sources)
            async with trio.open_nursery() as services:
                await services.start(parts.node.groups.run)
                await services.start(parts.operators.run)
                services.start_soon(self._expire_deadlines, parts.node)
                await services.start(server.turns.run)
                async with trio.open_nursery() as clients:
                    self._clients = clients
                    async with trio.open_nursery() as doors:
                        for sock, listener in sockets:
                            doors.start_soon(server.serve_socket, sock, listener, clients)
                        doors.start_soon(server.sweep)
                        log.info("broker.started", store=store.traits.description, node_id=_node_id(ledger))
                        task_status.started()
                        await self._stopping.wait()
                        drain_s = self._settings.server.drain_ms / 1000
                        ends_at = self._runtime.monotonic() + drain_s
                        await self._hand_over(ledger, writer, server)
                        doors.cancel_scope.cancel()
                    await self._end_requests(server, writer, until=ends_at - drain_s / 4)
                    clients.cancel_scope.cancel()
                services.cancel_scope.cancel()
            with trio.move_on_at(ends_at):
                await writer.drain()
                await ledger.leave()
            engine.cancel_scope.cancel()
        log.info("broker.stopped")

    def _compose(self, store: Store, ledger: Ledger) -> "_Parts":
        """Build the components of the node over its store and ledger; nothing runs yet."""
        settings, runtime = self._settings, self._runtime
        cache = Cache(settings.store.cache_bytes_max)
        unsent = Unsent(settings.broker.unsent_bytes_max)
        turns = Turns(runtime.stopwatch)
        writer = Writer(runtime, store, ledger, cache, settings.log, gathering=unsent.corked)
        reader = Reader(runtime, store, ledger, cache)
        watch = Watch(ledger)
        configs = LiveConfigs(ledger, self._static_config())
        groups = Coordinator(runtime, ledger, settings.groups)
        operators = Engine(runtime, ledger, settings.operators, writer=writer, reader=reader, watch=watch)
        server = Server(
            runtime,
            self._dispatch,
            settings.server,
            unsent=unsent,
            turns=turns,
            counts=self._counts.connections,
            hold=lambda: writer.room() if writer.is_full else None,
        )
        traffic = Traffic(ledger)
        admin = Admin(
            runtime=runtime,
            ledger=ledger,
            configs=configs,
            reader=reader,
            groups=groups,
            operators=operators,
            traffic=traffic,
            counts=self._counts,
        )
        self.node = Node(
            runtime=runtime,
            ledger=ledger,
            writer=writer,
            reader=reader,
            watch=watch,
            producer_ids=ProducerIds(ledger),
            groups=groups,
            configs=configs,
            unsent=unsent,
            traffic=traffic,
            counts=self._counts,
            admin=admin,
            apis=[row.api for row in ROWS.values()],
        )
        configs.subscribe(lambda: groups.configure(configs.groups))
        configs.subscribe(lambda: server.configure(configs.server))
        ledger.subscribe(lambda commit: configs.notify())
        self.sources = Sources(
            runtime=runtime,
            ledger=ledger,
            writer=writer,
            traffic=traffic,
            cache=cache,
            unsent=unsent,
            engine=operators,
            counts=self._counts,
            started_ms=runtime.now_ms(),
        )
        self._server, self._router = server, Router(self.node)
        return _Parts(self.node, server, operators, self.sources)

    def _dispatch(self, connection: Connection, frame: memoryview, exchange: Exchange) -> Awaitable[None] | None:
        return self._router.dispatch(connection, frame, exchange)

    async def _hand_over(self, ledger: Ledger, writer: Writer, server: Server) -> None:
        """Leave the cluster while the listeners are still open, if other nodes are alive.

        Clients then learn at their next request that another node leads, and the metadata that they get from any node
        is right. A client that sends nothing until the listeners are closed reconnects to another node, and no longer
        finds this one in the metadata.
        """
        # A node that knows of no other reads the ledger only once a second, so make sure.
        with trio.move_on_after(HAND_OVER_COMMITS_S), suppress(StorageUnavailable):
            await ledger.barrier()
        if ledger.alone:
            return
        with trio.move_on_after(HAND_OVER_COMMITS_S):
            await writer.drain()
        with trio.move_on_after(HAND_OVER_COMMITS_S):
            await ledger.leave()
        with trio.move_on_after(HAND_OVER_S):
            while server.connections:
                await trio.sleep(HAND_OVER_S / 30)

    async def _end_requests(self, server: Server, writer: Writer, *, until: float) -> None:
        """Commit and answer what was accepted; long polls end without an answer."""
        server.stop_reading()
        with trio.move_on_at(until):
            await writer.drain()
            with trio.move_on_after(LAST_ANSWERS_S):
                while server.connections:
                    await trio.sleep(LAST_ANSWERS_S / 10)

    def _bind(self, held: ExitStack) -> list[tuple[socket.socket, Listener]]:
        if self._store is not None:
            return []
        bound: list[tuple[socket.socket, Listener]] = []
        for listener in self.listeners:
            sock = held.enter_context(open_socket(listener.host, listener.port, self._settings.server.backlog))
            port = sock.getsockname()[1]
            bound_listener = msgspec.structs.replace(
                listener, port=port, advertised_port=listener.advertised_port or port
            )
            bound.append((sock, bound_listener))
        self.listeners = tuple(listener for _, listener in bound)
        return bound

    def _bind_http(self, held: ExitStack) -> Callable[[Sources], Awaitable[None]] | None:
        """Bind the socket of HTTP and return what serves it; None where it is not served."""
        web = self._settings.web
        if not web.metrics:
            return None
        # HTTP is off by default, and its libraries (starlette, anycorn, prometheus-client) take 110 ms and 9 MB to
        # import. A node that does not serve HTTP must not pay for them at every start.
        from higgins.web.app import serve_http  # noqa: PLC0415

        address = parse_address(web.metrics)
        sock = held.enter_context(open_socket(address.host, address.port, web.connections_max))
        self.metrics = Address(address.host, sock.getsockname()[1])
        return lambda sources: serve_http(sources, web, sock)

    def _lock(self, store: Store) -> AbstractContextManager[None]:
        if not isinstance(store, DirectoryStore):
            return nullcontext()
        node_id = self._settings.ledger.node_id
        first = self.listeners[0]
        name = f"{first.advertised_host}_{first.advertised_port}" if node_id is None else f"node-{node_id}"
        return held_lock(store.root, name.replace("/", "_"))

    def _static_config(self) -> StaticConfig:
        """What this node was started with, as the config entries show it."""
        settings = self._settings
        bound = ",".join(f"{one.security_protocol}://{one.host}:{one.port}" for one in self.listeners)
        advertised = ",".join(
            f"{one.security_protocol}://{one.advertised_host}:{one.advertised_port}" for one in self.listeners
        )
        shown = {
            "listeners": bound,
            "advertised.listeners": advertised,
            "log.dirs": settings.store.url,
            "process.roles": "broker",
        }
        return StaticConfig(
            broker=settings.broker,
            groups=settings.groups,
            server=settings.server,
            values={**settings.kafka, **shown},
        )

    def _endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(Endpoint(one.name, one.advertised_host, one.advertised_port) for one in self.listeners)

    def other_nodes(self) -> list[tuple[int, Address]]:
        """The live nodes besides this one: their ids, and the addresses that clients get for their first listeners."""
        assert self.node is not None
        own, live = self.node.ledger.session, self.node.ledger.state.sessions.live
        return [
            (one.node_id, Address(one.endpoints[0].host, one.endpoints[0].port))
            for one in sorted(live.values(), key=lambda session: session.node_id)
            if one.endpoints and (own is None or one.epoch != own.epoch)
        ]

    async def _expire_deadlines(self, node: Node) -> None:
        while True:
            due = self._runtime.monotonic() + DEADLINES_TICK_S
            await trio.sleep_until(due)
            now = self._runtime.monotonic()
            self._counts.loop_lag.observe(max(now - due, 0.0))
            for deadline in [one for one in node.deadlines if one.at_s <= now]:
                node.deadlines.pop(deadline, None)
                deadline.expire()


def _cluster_id(runtime: Runtime) -> str:
    return base64.urlsafe_b64encode(runtime.token(CLUSTER_ID_BYTES)).decode().rstrip("=")


def _node_id(ledger: Ledger) -> int:
    return ledger.session.node_id if ledger.session is not None else -1


def _first(group: BaseExceptionGroup[HigginsError]) -> HigginsError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
