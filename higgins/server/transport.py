"""Transports: the bytes of one connection, received into memory that the caller owns and sent without being joined."""

import errno
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from higgins.model.pointer import Buffer

PIECES_PER_SEND = 64


class Transport(Protocol):
    """One peer."""

    peer_host: str

    async def receive_into(self, memory: memoryview) -> int:
        """Wait for bytes; how many came, 0 at the end. Raises: trio.BrokenResourceError."""
        ...

    def receive_soon(self, memory: memoryview, patience_s: float, clock: Callable[[], float]) -> int | None:
        """Stay awake for bytes that are about to come: how many came, or None. Raises: trio.BrokenResourceError."""
        ...

    def acknowledge(self) -> None:
        """Tell the peer's TCP at once that its bytes have come, when no answer will say so for a while.

        A client that leaves Nagle's algorithm on holds its next small request back until then, up to 40 ms.
        """
        ...

    def send_now(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        """Send what can be sent without waiting; what is left. Raises: trio.BrokenResourceError."""
        ...

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        """Wait until at least some bytes can be sent, send them; what is left. Raises: trio.BrokenResourceError."""
        ...

    def close(self) -> None:
        """Close at once; pending calls end with trio.ClosedResourceError or at the next byte."""
        ...


class SocketTransport:
    """A non-blocking socket. Receives try first and wait second: bytes are mostly there already."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._drained = False
        """Whether the last receive took all there was; trying again at once would only cost a system call."""
        address = sock.getpeername()
        self.peer_host = str(address[0]) if isinstance(address, tuple) else "local"
        self._quick_ack: int | None = None
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._quick_ack = getattr(socket, "TCP_QUICKACK", None)

    async def receive_into(self, memory: memoryview) -> int:
        while True:
            if self._drained:
                await self._wait_readable()
            try:
                came = self._sock.recv_into(memory)
            except BlockingIOError:
                self._drained = True
                continue
            except OSError as error:
                raise _broken(error) from error
            self._drained = came < len(memory)
            return came

    def receive_soon(self, memory: memoryview, patience_s: float, clock: Callable[[], float]) -> int | None:
        receive = self._sock.recv_into
        until = clock() + patience_s
        while True:
            try:
                came = receive(memory)
            except BlockingIOError:
                if clock() < until:
                    continue
                self._drained = True
                return None
            except OSError as error:
                raise _broken(error) from error
            self._drained = came < len(memory)
            return came

    def acknowledge(self) -> None:
        if self._quick_ack is not None:
            try:
                self._sock.setsockopt(socket.IPPROTO_TCP, self._quick_ack, 1)
            except OSError:
                # A peer that has left needs no acknowledgement.
                self._quick_ack = None

    def send_now(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        left = pieces
        while left:
            try:
                if len(left) == 1:
                    sent = self._sock.send(left[0])
                    if sent == len(left[0]):
                        return []
                else:
                    sent = self._sock.sendmsg(left[:PIECES_PER_SEND])
            except BlockingIOError:
                return list(left)
            except OSError as error:
                raise _broken(error) from error
            left = _without(left, sent)
        return []

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        self._check_open()
        try:
            await trio.lowlevel.wait_writable(self._sock)
        except (OSError, ValueError) as error:
            raise _broken(error) from error
        return self.send_now(pieces)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    def _check_open(self) -> None:
        # trio remembers who waits for the descriptor -1, and takes the next one for its rival.
        if self._sock.fileno() < 0:
            raise trio.ClosedResourceError("this side has closed the connection")

    async def _wait_readable(self) -> None:
        self._check_open()
        try:
            await trio.lowlevel.wait_readable(self._sock)
        except (OSError, ValueError) as error:
            raise _broken(error) from error


class StreamTransport:
    """Any trio stream; what tests and the simulation connect with."""

    def __init__(self, stream: trio.abc.Stream, peer_host: str = "memory") -> None:
        self._stream = stream
        self.peer_host = peer_host

    async def receive_into(self, memory: memoryview) -> int:
        data = await self._stream.receive_some(len(memory))
        memory[: len(data)] = data
        return len(data)

    def receive_soon(self, memory: memoryview, patience_s: float, clock: Callable[[], float]) -> int | None:
        return None

    def acknowledge(self) -> None:
        return

    def send_now(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        return list(pieces)

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        await self._stream.send_all(b"".join(pieces))
        return []

    def close(self) -> None:
        # What has two halves has to have both closed, or the peer never learns of it.
        for half in (getattr(self._stream, name, self._stream) for name in ("send_stream", "receive_stream")):
            closing = getattr(half, "close", None)
            if closing is not None:
                closing()


def _without(pieces: Sequence[Buffer], sent: int) -> list[Buffer]:
    for i, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:] if sent else piece, *pieces[i + 1 :]]
        sent -= len(piece)
    return []


def _broken(error: Exception) -> trio.BrokenResourceError:
    name = errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
    return trio.BrokenResourceError(f"connection lost ({name})")
