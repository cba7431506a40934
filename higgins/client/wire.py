"""The client's half of a connection, sans-IO: numbers requests, matches answers in order, knows the next deadline.

Bytes and the time come in as arguments; what is to be written comes out. No stream, no clock, no task.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from higgins.client.errors import ClientError, IncompatibleBroker, OutcomeUnknown, Unreachable
from higgins_protocol.errors import ProtocolError
from higgins_protocol.framing import FrameSplitter
from higgins_protocol.registry import decode_response, encode_request
from higgins_protocol.schema import Message

Answer: TypeAlias = Message | ClientError | None
"""What became of a request; None for one that is never answered (produce with acks = 0) once it has been written."""

Done: TypeAlias = Callable[[Answer], None]

CORRELATION_ID_LIMIT = 1 << 31


class Exchange(msgspec.Struct, eq=False):
    """One request and whom to tell what became of it."""

    correlation_id: int
    api_key: int
    version: int
    deadline: float
    answered: bool
    done: Done
    frame: bytes
    sent: bool = False


class Wire:
    """Requests in flight on one connection, oldest first; answers come in the order of the requests."""

    def __init__(self, client_id: str, *, frame_bytes_max: int, in_flight_max: int) -> None:
        self._client_id = client_id
        self._in_flight_max = in_flight_max
        self._splitter = FrameSplitter(frame_bytes_max)
        self._next_correlation_id = 0
        self._unsent: deque[Exchange] = deque()
        self._pending: deque[Exchange] = deque()
        self.failure: ClientError | None = None

    def __repr__(self) -> str:
        return f"<Wire unsent={len(self._unsent)} pending={len(self._pending)} failure={self.failure!r}>"

    @property
    def has_room(self) -> bool:
        """Whether one more request fits the bound of requests in flight."""
        return len(self._unsent) + len(self._pending) < self._in_flight_max

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be written or answered."""
        return not self._unsent and not self._pending

    def submit(
        self, api_key: int, version: int, message: Message, *, deadline: float, answered: bool, done: Done
    ) -> None:
        """Queue a request. `done` is called once: with the answer, or with what is known when there is none."""
        if self.failure is not None:
            raise Unreachable(f"The connection is closed: {self.failure}") from self.failure
        correlation_id = self._next_correlation_id
        self._next_correlation_id = (correlation_id + 1) % CORRELATION_ID_LIMIT
        frame = b"".join(encode_request(api_key, version, correlation_id, self._client_id, message))
        self._unsent.append(Exchange(correlation_id, api_key, version, deadline, answered, done, frame))

    def take_unsent(self) -> bytes | None:
        """The next frame to write, from now on counted as sent; None when there is nothing to write."""
        if not self._unsent:
            return None
        exchange = self._unsent.popleft()
        frame, exchange.frame = exchange.frame, b""
        exchange.sent = True
        self._pending.append(exchange)
        return frame

    def written(self) -> None:
        """The last frame taken has been written: whoever awaits no answer is told so."""
        if self._pending and not self._pending[-1].answered:
            self._pending.pop().done(None)

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer and tell the owners of the answers they complete.

        Raises IncompatibleBroker when the bytes are not answers to what was asked; the connection is then of no use.
        """
        try:
            for frame in self._splitter.feed(data):
                self._answer(frame)
        except ProtocolError as error:
            raise IncompatibleBroker(f"The peer sent what is not an answer of Kafka's protocol: {error}") from error

    def _answer(self, frame: memoryview) -> None:
        exchange = next((one for one in self._pending if one.answered), None)
        if exchange is None:
            raise IncompatibleBroker("The peer sent an answer that nobody asked for.")
        correlation_id, message = decode_response(exchange.api_key, exchange.version, frame)
        if correlation_id != exchange.correlation_id:
            raise IncompatibleBroker(
                f"The peer answered request {correlation_id} where {exchange.correlation_id} was due."
            )
        self._pending.remove(exchange)
        exchange.done(message)

    def earliest_deadline(self) -> float:
        """When the first of the requests in flight runs out of time; infinity when none is in flight."""
        return min((one.deadline for one in self._exchanges()), default=float("inf"))

    def fail(self, error: ClientError) -> None:
        """The connection is over. What was written is unknown; what was not surely did not happen."""
        if self.failure is not None:
            return
        self.failure = error
        exchanges = list(self._exchanges())
        self._pending.clear()
        self._unsent.clear()
        for exchange in exchanges:
            exchange.done(_verdict(exchange, error))

    def _exchanges(self) -> Iterable[Exchange]:
        yield from self._pending
        yield from self._unsent


def _verdict(exchange: Exchange, error: ClientError) -> ClientError:
    if isinstance(error, IncompatibleBroker):
        return error
    if exchange.sent:
        return OutcomeUnknown(f"No answer, and none will come: {error}")
    return Unreachable(f"The request was not sent: {error}")
