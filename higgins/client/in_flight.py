"""The requests in flight on one connection, sans-IO: correlation ids, the order of responses, deadlines.

Bytes and the time come in as arguments; frames to write and completed futures come out. No stream, no clock, no task.
"""

from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from higgins.client.errors import ClientError, IncompatibleBroker, OutcomeUnknown, Unreachable
from higgins.model.future import Future
from higgins_protocol.errors import ProtocolError
from higgins_protocol.framing import FrameSplitter
from higgins_protocol.registry import decode_response, encode_request
from higgins_protocol.schema import Message

ResponseFuture: TypeAlias = Future[Message | None]
"""Completed with the response, or with a ClientError.

None is the result of a request that has no response (Produce with acks = 0), set once the request has been written.
"""

CORRELATION_ID_LIMIT = 1 << 31


class InFlightRequest(msgspec.Struct, eq=False):
    """One request from `submit` until its response."""

    correlation_id: int
    api_key: int
    version: int
    deadline: float
    expects_response: bool
    response: ResponseFuture
    frame: bytes
    is_sent: bool = False


class InFlightRequests:
    """All unanswered requests of one connection, oldest first.

    Kafka answers the requests of a connection in the order in which they were sent, so a response always belongs to
    the oldest request that expects one. The correlation id only checks that.
    """

    def __init__(self, client_id: str, *, frame_bytes_max: int, in_flight_max: int) -> None:
        self._client_id = client_id
        self._in_flight_max = in_flight_max
        self._splitter = FrameSplitter(frame_bytes_max)
        self._next_correlation_id = 0
        self._unsent: deque[InFlightRequest] = deque()
        self._sent: deque[InFlightRequest] = deque()
        self.failure: ClientError | None = None

    def __repr__(self) -> str:
        return f"<InFlightRequests unsent={len(self._unsent)} sent={len(self._sent)} failure={self.failure!r}>"

    @property
    def has_room(self) -> bool:
        """Whether one more request stays within `in_flight_max`."""
        return len(self._unsent) + len(self._sent) < self._in_flight_max

    def submit(
        self, api_key: int, version: int, message: Message, *, deadline: float, expects_response: bool
    ) -> ResponseFuture:
        """Queue a request to be written.

        Raises: Unreachable when the connection has failed already.
        """
        if self.failure is not None:
            raise Unreachable(f"The connection is closed: {self.failure}") from self.failure
        correlation_id = self._next_correlation_id
        self._next_correlation_id = (correlation_id + 1) % CORRELATION_ID_LIMIT
        frame = b"".join(encode_request(api_key, version, correlation_id, self._client_id, message))
        response: ResponseFuture = Future()
        self._unsent.append(
            InFlightRequest(correlation_id, api_key, version, deadline, expects_response, response, frame)
        )
        return response

    def next_frame(self) -> bytes | None:
        """The next frame to write, or None. The request counts as sent from here on, though the write may still fail.

        Part of a frame may reach the broker even if the write fails, so a request counts as sent before its write.
        """
        if not self._unsent:
            return None
        request = self._unsent.popleft()
        # The frame is not needed again: a request is never resent on the same connection.
        frame, request.frame = request.frame, b""
        request.is_sent = True
        self._sent.append(request)
        return frame

    def frame_written(self) -> None:
        """The last frame was written; a request without a response is complete now."""
        if self._sent and not self._sent[-1].expects_response:
            self._sent.pop().response.set_result(None)

    def receive(self, data: bytes) -> None:
        """Feed bytes from the broker and complete the futures of the responses in them.

        Raises: IncompatibleBroker when the bytes are not the expected responses; the connection cannot be used then.
        """
        try:
            for frame in self._splitter.feed(data):
                self._complete(frame)
        except ProtocolError as error:
            raise IncompatibleBroker(f"The broker sent an invalid response: {error}") from error

    def _complete(self, frame: memoryview) -> None:
        request = next((request for request in self._sent if request.expects_response), None)
        if request is None:
            raise IncompatibleBroker("The broker sent a response, but no request is waiting for one.")
        correlation_id, message = decode_response(request.api_key, request.version, frame)
        if correlation_id != request.correlation_id:
            raise IncompatibleBroker(
                f"The broker sent a response with correlation id {correlation_id}, but "
                f"{request.correlation_id} is next."
            )
        self._sent.remove(request)
        request.response.set_result(message)

    def earliest_deadline(self) -> float:
        """The earliest deadline of all requests; infinity when there are none."""
        return min((request.deadline for request in self._requests()), default=float("inf"))

    def fail(self, error: ClientError) -> None:
        """The connection has ended: complete every future with an error. Only the first call counts.

        What was sent has an unknown outcome; what was not sent certainly had no effect.
        """
        if self.failure is not None:
            return
        self.failure = error
        requests = list(self._requests())
        self._sent.clear()
        self._unsent.clear()
        for request in requests:
            request.response.set_error(_error_of(request, error))

    def _requests(self) -> Iterable[InFlightRequest]:
        yield from self._sent
        yield from self._unsent


def _error_of(request: InFlightRequest, connection_error: ClientError) -> ClientError:
    if isinstance(connection_error, IncompatibleBroker):
        return connection_error
    if request.is_sent:
        return OutcomeUnknown(f"The request was sent and no response came: {connection_error}")
    return Unreachable(f"The request was not sent: {connection_error}")
