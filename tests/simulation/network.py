"""A network without sockets: bytes take time, and connections are cut, half closed, torn or silenced.

A connection is two lines. A line delivers chunks in order, each some time after it was sent. What a node has been sent
lies in its buffers while it is frozen, as it would in a kernel's.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from higgins.model.pointer import Buffer
from tests.simulation.schedule import Timetable

BUFFER_BYTES = 1 << 20


class Door(Protocol):
    """A node as the network sees it."""

    @property
    def is_open(self) -> bool: ...

    def accept(self, transport: "SimulatedTransport") -> None: ...


class Line:
    """One direction of a connection."""

    def __init__(self, network: "Network") -> None:
        self._network = network
        self._arrived: deque[bytes] = deque()
        self._arrives_at = 0.0
        self._news = trio.Event()
        self.ended = False
        self.broken = False
        self.silent = False
        """Everything sent from now on is lost without a word."""
        self.torn = False
        """The next chunk arrives in part, and nothing after it."""

    def send(self, data: bytes) -> None:
        """Send; it arrives later, or never."""
        if self.silent or self.ended or self.broken or not data:
            return
        self._later(lambda: self._deliver(data))

    def end(self) -> None:
        """Nothing follows what has been sent."""
        if not self.silent:
            self._later(self._end)

    def break_now(self) -> None:
        """Lose what is on its way."""
        self.broken = True
        self._ring()

    async def receive(self, bytes_max: int) -> bytes:
        """The next bytes, or none at the end. Raises: trio.BrokenResourceError."""
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
            self._news = trio.Event()
            await self._news.wait()

    def _later(self, what: Callable[[], None]) -> None:
        now = trio.current_time()
        self._arrives_at = max(self._arrives_at, now + self._network.delay_s())
        self._network.timetable.after(self._arrives_at - now, what)

    def _deliver(self, data: bytes) -> None:
        if self.broken or self.silent:
            return
        if self.torn:
            self.broken = True
            data = data[: self._network.chance.randrange(len(data))]
        if data:
            self._arrived.append(data)
        self._ring()

    def _end(self) -> None:
        self.ended = True
        self._ring()

    def _ring(self) -> None:
        self._news.set()


class SimulatedStream(trio.abc.Stream):
    """A client's end."""

    def __init__(self, incoming: Line, outgoing: Line) -> None:
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
    """A node's end."""

    def __init__(self, peer_host: str, incoming: Line, outgoing: Line) -> None:
        self.peer_host = peer_host
        self._incoming = incoming
        self._outgoing = outgoing

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


class _Link:
    """Both lines of a connection."""

    def __init__(self, address: tuple[str, int], up: Line, down: Line) -> None:
        self.address = address
        self.up = up
        self.down = down

    @property
    def is_over(self) -> bool:
        return self.up.broken or self.down.broken


class Network:
    """Addresses, doors behind them, and the connections between."""

    def __init__(self, timetable: Timetable, chance: random.Random, delay_s: tuple[float, float]) -> None:
        self.timetable = timetable
        self.injected: Counter[str] = Counter()
        self.doors: dict[tuple[str, int], Door] = {}
        self.chance = chance
        self._delay_s = delay_s
        self._links: list[_Link] = []

    def delay_s(self) -> float:
        return self.chance.uniform(*self._delay_s)

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        """What clients connect with. Raises: OSError when nobody listens there."""
        await trio.sleep(self.delay_s())
        door = self.doors.get((host, port))
        if door is None or not door.is_open:
            raise ConnectionRefusedError(f"{host}:{port} refuses")
        link = _Link((host, port), Line(self), Line(self))
        self._links = [one for one in self._links if not one.is_over]
        self._links.append(link)
        door.accept(SimulatedTransport("client", link.up, link.down))
        return SimulatedStream(link.down, link.up)

    def reset(self, address: tuple[str, int]) -> None:
        """The node behind the address is gone: its connections break, though what it had sent may still arrive."""
        for link in self._links:
            if link.address == address and not link.is_over:
                link.up.break_now()
                if self.chance.random() < 0.5:
                    link.down.break_now()
                else:
                    link.down.end()
                    link.down.silent = True
                    self.timetable.after(2 * self._delay_s[1], link.down.break_now)

    def heal(self) -> None:
        """End what hangs for ever."""
        for link in self._links:
            if link.up.silent or link.down.silent:
                link.up.break_now()
                link.down.break_now()

    def disturb(self, word: str) -> None:
        """Do something to one connection: cut, torn frame, half close, or silence."""
        living = [link for link in self._links if not link.is_over]
        if not living:
            return
        link = self.chance.choice(living)
        self.injected[word] += 1
        match word:
            case "cut":
                link.up.break_now()
                link.down.break_now()
            case "torn frame":
                self.chance.choice((link.up, link.down)).torn = True
            case "half close":
                self.chance.choice((link.up, link.down)).end()
            case "silence":
                self.chance.choice((link.up, link.down)).silent = True
            case _:
                raise AssertionError(word)
