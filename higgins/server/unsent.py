"""Responses that clients have not received yet, over all connections of a node."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

STALL_S = 5.0
"""A client that has received nothing of a response for so long makes way when the node holds too many responses."""
ROOM_CHECK_S = 0.1


class Receiver(Protocol):
    """A connection, as far as this module knows it."""

    received_at: float
    """When the peer last received a part of a response that it does not receive at once."""

    def send_ready(self) -> None:
        """Send every response whose turn has come."""
        ...

    def give_way(self, why: str) -> None:
        """Close at once."""
        ...


class Unsent:
    """Bytes of responses that clients have not received yet, over all connections of a node; and a cork on sending.

    When there are more than `bytes_max`, connections that have not received their responses are no longer read from,
    long responses are not begun (`room`), and connections that receive nothing are closed.

    The cork serves the log writer: one commit completes many produce requests, and their responses to one connection
    are cheaper to send in one system call than one by one.
    """

    __slots__ = ("_corks", "_held", "_turn", "bytes", "bytes_max", "gave_way", "sending")

    def __init__(self, bytes_max: int = 128 << 20) -> None:
        self.bytes = 0
        self.bytes_max = bytes_max
        self.sending: dict[Receiver, None] = {}
        """Connections whose sockets are full, or whose responses wait for an earlier one, such as a long poll."""
        self.gave_way = 0
        """How many connections were closed to make room."""
        self._corks = 0
        self._held: dict[Receiver, None] = {}
        self._turn = trio.StrictFIFOLock()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for a long response."""
        return self.bytes >= self.bytes_max

    async def room(self, now: Callable[[], float]) -> None:
        """Wait until there is room for a long response; one after another, in order."""
        if not self.is_full:
            return
        async with self._turn:
            while self.is_full:
                self.make_room(now())
                await trio.sleep(ROOM_CHECK_S)

    def make_room(self, now: float) -> None:
        """If there is no room, close connections that have received nothing for `STALL_S`, the longest time first."""
        if not self.is_full:
            return
        for connection in sorted(self.sending, key=lambda one: one.received_at):
            if not self.is_full or now - connection.received_at < STALL_S:
                return
            self.gave_way += 1
            connection.give_way("responses were not received, and others need the room")

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Hold responses back inside the block; at its end each connection sends all of its own together."""
        self._corks += 1
        try:
            yield
        finally:
            self._corks -= 1
            if not self._corks:
                held, self._held = self._held, {}
                for connection in held:
                    connection.send_ready()

    def holds(self, connection: Receiver) -> bool:
        """Whether the cork is in, so that `connection` must not send now; it is sent for when the cork comes out."""
        if self._corks:
            self._held[connection] = None
        return self._corks > 0
