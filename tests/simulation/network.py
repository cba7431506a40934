"""A simulated network: bytes arrive after a delay, and connections are cut, half closed, torn or silenced.

A connection is two pipes, one for each direction. A pipe delivers chunks in order. While a node is frozen, chunks stay
in its receive buffer, as they would in the kernel's.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from higgins.model.pointer import Buffer
from tests.simulation.schedule import TimerQueue

BUFFER_BYTES = 1 << 20


class Server(Protocol):
    """What the network needs of a node: whether it accepts connections, and how to hand one over."""

    @property
    def is_open(self) -> bool: ...

    def accept(self, transport: "SimulatedTransport") -> None: ...


class Pipe:
    """One direction of a connection."""

    def __init__(self, network: "Network") -> None:
        self._network = network
        self._arrived: deque[bytes] = deque()
        self._arrives_at = 0.0
        self._changed = trio.Event()
        self.ended = False
        self.broken = False
        self.silent = False
        """Everything sent from now on is lost without an error."""
        self.torn = False
        """Only a part of the next chunk arrives, and then the connection breaks."""

    def send(self, data: bytes) -> None:
        """Send bytes; they arrive later, or never."""
        if self.silent or self.ended or self.broken or not data:
            return
        self._deliver_later(lambda: self._deliver(data))

    def end(self) -> None:
        """Close this direction after everything that was sent."""
        if not self.silent:
            self._deliver_later(self._end)

    def break_now(self) -> None:
        """Break the connection; bytes that have not arrived are lost."""
        self.broken = True
        self._notify()

    async def receive(self, bytes_max: int) -> bytes:
        """The next bytes; none after the end. Raises: trio.BrokenResourceError."""
        while True:
            if self._arrived:
                data = self._arrived.popleft()
                if len(data) > bytes_max:
                    self._arrived.appendleft(data[bytes_max:])
                    data = data[:bytes_max]
                return data
            if self.broken:
                raise trio.BrokenResourceError("connection reset")
            if self.ended:
                return b""
            self._changed = trio.Event()
            await self._changed.wait()

    def _deliver_later(self, callback: Callable[[], None]) -> None:
        now = trio.current_time()
        self._arrives_at = max(self._arrives_at, now + self._network.delay_s())
        self._network.timers.after(self._arrives_at - now, callback)

    def _deliver(self, data: bytes) -> None:
        if self.broken or self.silent:
            return
        if self.torn:
            self.broken = True
            data = data[: self._network.rng.randrange(len(data))]
        if data:
            self._arrived.append(data)
        self._notify()

    def _end(self) -> None:
        self.ended = True
        self._notify()

    def _notify(self) -> None:
        self._changed.set()


class SimulatedStream(trio.abc.Stream):
    """The client's end of a connection."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False

    async def send_all(self, data: Buffer) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        if self._outgoing.broken:
            raise trio.BrokenResourceError("connection reset")
        self._outgoing.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError
        return await self._incoming.receive(max_bytes or BUFFER_BYTES)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._outgoing.end()
            self._incoming.break_now()
        await trio.lowlevel.checkpoint()


class SimulatedTransport:
    """The node's end of a connection."""

    def __init__(self, peer_host: str, incoming: Pipe, outgoing: Pipe) -> None:
        self.peer_host = peer_host
        self._incoming = incoming
        self._outgoing = outgoing

    async def wait_readable(self) -> None:
        return

    async def receive_into(self, memory: memoryview) -> int:
        data = await self._incoming.receive(len(memory))
        memory[: len(data)] = data
        return len(data)

    def poll_into(self, memory: memoryview, limit_s: float, clock: Callable[[], float]) -> int | None:
        return None

    def acknowledge(self) -> None:
        return

    def send_nowait(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        if self._outgoing.broken:
            raise trio.BrokenResourceError("connection reset")
        self._outgoing.send(b"".join(pieces))
        return []

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        await trio.lowlevel.checkpoint()
        return self.send_nowait(pieces)

    def close(self) -> None:
        self._outgoing.end()
        self._incoming.break_now()


class _Connection:
    """Both directions of a connection."""

    def __init__(self, address: tuple[str, int], to_node: Pipe, to_client: Pipe) -> None:
        self.address = address
        self.to_node = to_node
        self.to_client = to_client

    @property
    def is_closed(self) -> bool:
        return self.to_node.broken or self.to_client.broken


class Network:
    """The nodes by address, and all connections."""

    def __init__(self, timers: TimerQueue, rng: random.Random, delay_s: tuple[float, float]) -> None:
        self.timers = timers
        self.injected: Counter[str] = Counter()
        self.servers: dict[tuple[str, int], Server] = {}
        self.rng = rng
        self._delay_s = delay_s
        self._connections: list[_Connection] = []

    def delay_s(self) -> float:
        return self.rng.uniform(*self._delay_s)

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        """The `connect` of clients. Raises: OSError when no node accepts connections at the address."""
        await trio.sleep(self.delay_s())
        server = self.servers.get((host, port))
        if server is None or not server.is_open:
            raise ConnectionRefusedError(f"{host}:{port} refused the connection")
        connection = _Connection((host, port), Pipe(self), Pipe(self))
        self._connections = [existing for existing in self._connections if not existing.is_closed]
        self._connections.append(connection)
        server.accept(SimulatedTransport("client", connection.to_node, connection.to_client))
        return SimulatedStream(connection.to_client, connection.to_node)

    def reset(self, address: tuple[str, int]) -> None:
        """The node at the address has died: its connections break. What it had sent may still arrive."""
        for connection in self._connections:
            if connection.address == address and not connection.is_closed:
                connection.to_node.break_now()
                if self.rng.random() < 0.5:
                    connection.to_client.break_now()
                else:
                    connection.to_client.end()
                    connection.to_client.silent = True
                    self.timers.after(2 * self._delay_s[1], connection.to_client.break_now)

    def heal(self) -> None:
        """Break the silenced connections, which would hang until a timeout."""
        for connection in self._connections:
            if connection.to_node.silent or connection.to_client.silent:
                connection.to_node.break_now()
                connection.to_client.break_now()

    def disturb(self, fault: str) -> None:
        """Inject a fault into a random connection: cut, torn frame, half close, or silence."""
        open_connections = [connection for connection in self._connections if not connection.is_closed]
        if not open_connections:
            return
        connection = self.rng.choice(open_connections)
        self.injected[fault] += 1
        match fault:
            case "cut":
                connection.to_node.break_now()
                connection.to_client.break_now()
            case "torn frame":
                self.rng.choice((connection.to_node, connection.to_client)).torn = True
            case "half close":
                self.rng.choice((connection.to_node, connection.to_client)).end()
            case "silence":
                self.rng.choice((connection.to_node, connection.to_client)).silent = True
            case _:
                raise AssertionError(fault)
