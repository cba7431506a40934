"""One request of a connection, from its frame to its response."""

from collections.abc import Sequence
from typing import Protocol

from higgins.model.pointer import Buffer


class CloseConnection(Exception):
    """The peer sent something that cannot be understood, and the connection must be closed; the message is logged."""


class Owner(Protocol):
    """A connection, as far as this module knows it."""

    closed: bool

    def send_ready(self) -> None:
        """Send every response whose turn has come."""
        ...

    def count_held(self, more: int) -> None:
        """Count bytes of a response that is being built, or that waits for an earlier one."""
        ...


class Exchange:
    """One request of a connection, from its frame to its response."""

    __slots__ = ("connection", "counted_bytes", "is_ready", "pieces", "request_bytes")

    def __init__(self, connection: Owner, request_bytes: int) -> None:
        self.connection = connection
        self.request_bytes = request_bytes
        self.pieces: Sequence[Buffer] | None = None
        self.is_ready = False
        self.counted_bytes = 0
        """What is counted as unsent for a response that is not complete, or not at the head of the queue."""

    def count(self, written: int) -> None:
        """Count bytes of a response that is being built as unsent."""
        if not self.connection.closed:
            self.counted_bytes += written
            self.connection.count_held(written)

    def answer(self, pieces: Sequence[Buffer] | None) -> None:
        """Give the whole response frame in pieces, or None for a request without a response. Call it once.

        It is sent once every earlier request of the connection has its response.
        """
        assert not self.is_ready, "a request is answered once"
        self.pieces = pieces
        self.is_ready = True
        self.connection.send_ready()
        if self.pieces:
            # An earlier request has no response yet, or the cork is in.
            self.count(sum(len(piece) for piece in self.pieces) - self.counted_bytes)
