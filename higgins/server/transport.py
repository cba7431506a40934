"""Transports: the bytes of one connection.

A socket receives into memory that the caller owns and sends pieces without joining them. Everything else, TLS above
all, comes as a trio stream.
"""

import errno
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from higgins.model.pointer import Buffer

PIECES_PER_SEND = 64
STREAM_SEND_BYTES = 256 << 10
STREAM_RECEIVE_BYTES = 16 << 10


class Transport(Protocol):
    """The bytes of one peer.

    An adapter inherits from this class and implements `receive_into`, `send` and `close`. The other methods are fast
    paths with defaults; a transport that cannot do them, such as TLS, leaves them out.
    """

    peer_host: str

    async def receive_into(self, memory: memoryview) -> int:
        """Wait for bytes; how many were received, 0 at the end. Raises: trio.BrokenResourceError."""
        ...

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        """Wait until some bytes can be sent and send them; the rest. Raises: trio.BrokenResourceError."""
        ...

    async def wait_readable(self) -> None:
        """Wait until there is something to receive, as far as the transport can tell without memory to receive into.

        Raises: trio.BrokenResourceError.
        """
        return

    def close(self) -> None:
        """Close immediately. Calls in progress end with trio.ClosedResourceError or at the next byte."""
        ...

    def poll_into(self, memory: memoryview, limit_s: float, clock: Callable[[], float]) -> int | None:
        """Poll for bytes up to `limit_s` without giving up the thread; how many were received, or None for nothing.

        Raises: trio.BrokenResourceError.
        """
        return None

    def acknowledge(self) -> None:
        """Acknowledge received bytes to the peer's TCP now, when no response will carry the acknowledgement soon.

        A client that leaves Nagle's algorithm on holds its next small request back until then, up to 40 ms.
        """
        return

    def send_nowait(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        """Send what can be sent without waiting; the rest. Raises: trio.BrokenResourceError."""
        return list(pieces)


class SocketTransport(Transport):
    """A non-blocking socket. A receive tries first and waits second: mostly bytes are there already."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._drained = True
        """Whether the last receive emptied the socket; trying again immediately would only cost a system call."""
        address = sock.getpeername()
        self.peer_host = str(address[0]) if isinstance(address, tuple) else "local"
        self._quick_ack: int | None = None
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._quick_ack = getattr(socket, "TCP_QUICKACK", None)

    async def wait_readable(self) -> None:
        if self._drained:
            await self._wait_readable()
            self._drained = False

    async def receive_into(self, memory: memoryview) -> int:
        while True:
            if self._drained:
                await self._wait_readable()
            try:
                received = self._sock.recv_into(memory)
            except BlockingIOError:
                self._drained = True
                continue
            except OSError as error:
                raise _broken(error) from error
            self._drained = received < len(memory)
            return received

    def poll_into(self, memory: memoryview, limit_s: float, clock: Callable[[], float]) -> int | None:
        receive = self._sock.recv_into
        until = clock() + limit_s
        while True:
            try:
                received = receive(memory)
            except BlockingIOError:
                if clock() < until:
                    continue
                self._drained = True
                return None
            except OSError as error:
                raise _broken(error) from error
            self._drained = received < len(memory)
            return received

    def acknowledge(self) -> None:
        if self._quick_ack is not None:
            try:
                self._sock.setsockopt(socket.IPPROTO_TCP, self._quick_ack, 1)
            except OSError:
                # A peer that has left needs no acknowledgement.
                self._quick_ack = None

    def send_nowait(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        unsent = pieces
        while unsent:
            try:
                if len(unsent) == 1:
                    sent = self._sock.send(unsent[0])
                    if sent == len(unsent[0]):
                        return []
                else:
                    sent = self._sock.sendmsg(unsent[:PIECES_PER_SEND])
            except BlockingIOError:
                return list(unsent)
            except OSError as error:
                raise _broken(error) from error
            unsent = _without(unsent, sent)
        return []

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        self._check_open()
        try:
            await trio.lowlevel.wait_writable(self._sock)
        except (OSError, ValueError) as error:
            raise _broken(error) from error
        return self.send_nowait(pieces)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    def _check_open(self) -> None:
        # A closed socket has descriptor -1. Trio would keep the first task that waits for it, and tell the next one
        # that the descriptor is in use.
        if self._sock.fileno() < 0:
            raise trio.ClosedResourceError("this side has closed the connection")

    async def _wait_readable(self) -> None:
        self._check_open()
        try:
            await trio.lowlevel.wait_readable(self._sock)
        except (OSError, ValueError) as error:
            raise _broken(error) from error


class StreamTransport(Transport):
    """Any trio stream, such as one end of a stream pair in memory, or a `trio.SSLStream` over a socket.

    It costs one copy each way. A TLS handshake takes place in the first `receive_into`.
    """

    def __init__(self, stream: trio.abc.Stream, peer_host: str = "memory") -> None:
        self._stream = stream
        self.peer_host = peer_host
        self._received: memoryview | None = None
        """What `wait_readable` has received, and nobody has taken yet."""

    async def wait_readable(self) -> None:
        # A stream cannot tell that there is something to receive, except by receiving it.
        if self._received is None:
            self._received = memoryview(await self._stream.receive_some(STREAM_RECEIVE_BYTES))

    async def receive_into(self, memory: memoryview) -> int:
        data = self._received
        if data is None:
            data = memoryview(await self._stream.receive_some(len(memory)))
        taken = min(len(data), len(memory))
        memory[:taken] = data[:taken]
        self._received = data[taken:] if taken < len(data) else None
        return taken

    async def send(self, pieces: Sequence[Buffer]) -> list[Buffer]:
        # In parts, so that a slow peer shows progress: a write without any is closed after `write_patience_ms`.
        part, length = [], 0
        for piece in pieces:
            part.append(memoryview(piece)[: STREAM_SEND_BYTES - length])
            length += len(part[-1])
            if length == STREAM_SEND_BYTES:
                break
        await self._stream.send_all(b"".join(part))
        return _without(pieces, length)

    def close(self) -> None:
        _close(self._stream)


def _close(stream: object) -> None:
    """Close a stream immediately: trio's own `aclose` may wait, for example for the peer's end of a TLS connection."""
    match stream:
        case trio.SSLStream():
            _close(stream.transport_stream)
        case trio.StapledStream():
            # Both halves, or the peer does not learn of it.
            _close(stream.send_stream)
            _close(stream.receive_stream)
        case trio.SocketStream():
            stream.socket.close()
        case _:
            close = getattr(stream, "close", None)
            assert close is not None, f"{stream!r} cannot be closed without waiting"
            close()


def _without(pieces: Sequence[Buffer], sent: int) -> list[Buffer]:
    """The pieces without their first `sent` bytes."""
    for i, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:] if sent else piece, *pieces[i + 1 :]]
        sent -= len(piece)
    return []


def _broken(error: Exception) -> trio.BrokenResourceError:
    name = errno.errorcode.get(getattr(error, "errno", None) or 0, type(error).__name__)
    return trio.BrokenResourceError(f"connection lost ({name})")
