"""From a frame to its handler, and from a response to a frame."""

from collections.abc import Awaitable, Generator, Sequence
from functools import partial
from typing import Any

import trio

from higgins.kafka.api_row import ApiRow
from higgins.kafka.apis import ROWS
from higgins.kafka.cluster.api_versions import advertised
from higgins.kafka.context import Call, Node
from higgins.kafka.error_counting import count_errors, count_errors_in_steps
from higgins.model.future import Future
from higgins.server.connection import Connection
from higgins.server.exchange import CloseConnection, Exchange
from higgins.server.turns import Pace, finish_now
from higgins_protocol import apis
from higgins_protocol.errors import EncodeError, ErrorCode, ProtocolError, UnsupportedApi, UnsupportedVersion
from higgins_protocol.messages.api_versions import ApiVersionsResponse
from higgins_protocol.registry import (
    API_VERSIONS,
    RequestHeader,
    decode_header,
    decode_request,
    decode_request_in_steps,
    encode_response,
    encode_response_in_steps,
)
from higgins_protocol.schema import Message

SHORT_FRAME_BYTES = 4 << 10
"""Requests up to this size are decoded at once: in less than a millisecond, whatever is in them."""
SHORT_ANSWER_BYTES = 16 << 10
"""A response that is longer waits while there is no room among those that clients have not received."""
ANSWER_BYTES_MAX = 64 << 20
"""Longest response, records aside. A handler whose response may be longer says so in an error code."""
LONG_ANSWERS_MAX = 4
"""How many long responses are built at a time."""

ANSWERS_AS_LONG_AS_REQUESTS = frozenset(
    {apis.PRODUCE, apis.FETCH, apis.LIST_OFFSETS, apis.OFFSET_COMMIT, apis.HEARTBEAT, apis.INIT_PRODUCER_ID}
)
"""APIs whose response to a short request is short, records aside, so that it is encoded at once."""


class Router:
    """Dispatches the frames of all connections.

    Requests are decoded and responses encoded in steps, and the connection waits for its next turn whenever the time of
    a pass of the event loop is used up (see `higgins.server.turns`).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counts = node.counts.requests.by_api
        self._clock = node.runtime.stopwatch
        self._long_answers = trio.CapacityLimiter(LONG_ANSWERS_MAX)

    def dispatch(self, connection: Connection, frame: memoryview, exchange: Exchange) -> Awaitable[None] | None:
        """Handle one request; the exchange is answered once. Raises: CloseConnection for what cannot be understood."""
        begun = self._clock()
        try:
            header = decode_header(frame)
            if len(frame) <= SHORT_FRAME_BYTES:
                request: Message | None = decode_request(header, frame)
            else:
                steps = decode_request_in_steps(header, frame)
                is_decoded, request = finish_now(connection.turns, steps)
                if not is_decoded:
                    return self._decode_rest(connection, header, steps, exchange, begun)
        except UnsupportedVersion as error:
            if error.api_key != API_VERSIONS:
                raise CloseConnection(str(error)) from error
            exchange.answer(_unsupported_version(error))
            return None
        except (UnsupportedApi, ProtocolError) as error:
            raise CloseConnection(str(error)) from error
        assert request is not None
        return self._handle(connection, header, request, exchange, begun)

    async def _decode_rest(
        self,
        connection: Connection,
        header: RequestHeader,
        steps: Generator[None, None, Message],
        exchange: Exchange,
        begun: float,
    ) -> None:
        try:
            request = await Pace(connection.turns, connection.account).finish(steps)
        except ProtocolError as error:
            raise CloseConnection(str(error)) from error
        pending = self._handle(connection, header, request, exchange, begun)
        if pending is not None:
            await pending

    def _handle(
        self, connection: Connection, header: RequestHeader, request: Message, exchange: Exchange, begun: float
    ) -> Awaitable[None] | None:
        row = ROWS[header.api_key]
        access = row.access if row.access_of is None else row.access_of(request)
        call = Call(
            self._node, connection, row.api, header.api_version, header.client_id, header.correlation_id, access
        )
        if access.touches & connection.order.written and connection.order.blocks(access):
            return self._handle_in_order(row, call, request, exchange, begun)
        response = row.handle(call, request)
        if response.is_done:
            self._respond(call, exchange, begun, response.result())
        else:
            self._respond_when_done(call, exchange, begun, response)
        return None

    async def _handle_in_order(
        self, row: ApiRow[Any], call: Call, request: Message, exchange: Exchange, begun: float
    ) -> None:
        """Handle a request that reads or writes what an unfinished earlier request writes."""
        await call.connection.order.wait(call.access)
        self._respond_when_done(call, exchange, begun, row.handle(call, request))

    def _respond_when_done(
        self, call: Call, exchange: Exchange, begun: float, response: Future[Message | None]
    ) -> None:
        if call.access.writes:
            call.hold_order(response)
        response.add_done_callback(partial(self._respond_later, call, exchange, begun))

    def _respond_later(self, call: Call, exchange: Exchange, begun: float, response: Future[Message | None]) -> None:
        # This runs inside whatever completed the response, such as the committer. A response that cannot be encoded
        # must cost this connection, not that component.
        try:
            self._respond(call, exchange, begun, response.result())
        except Exception as error:
            call.fail(error)

    def _respond(self, call: Call, exchange: Exchange, begun: float, response: Message | None) -> None:
        """Encode, send and count a response; a long one in a task of its own."""
        key = call.api.key
        counts = self._counts[key]
        if response is None:
            exchange.answer(None)
        elif exchange.request_bytes <= SHORT_FRAME_BYTES and key in ANSWERS_AS_LONG_AS_REQUESTS:
            exchange.answer(encode_response(key, call.version, call.correlation_id, response))
            count_errors(response, counts.refuse)
        else:
            turns, unsent = call.connection.turns, self._node.unsent
            steps = encode_response_in_steps(key, call.version, call.correlation_id, response)
            try:
                # Most responses are complete after the first step, and never wait.
                written = next(steps)
                while not turns.is_over() and not (written > SHORT_ANSWER_BYTES and unsent.is_full):
                    written += next(steps)
            except StopIteration as end:
                exchange.answer(end.value)
                count_errors(response, counts.refuse)
            else:
                if not call.connection.closed:
                    exchange.count(written)
                    call.connection.spawn(self._respond_long, call, exchange, begun, response, steps, written)
                return
        counts.seconds.observe(self._clock() - begun)

    async def _respond_long(
        self,
        call: Call,
        exchange: Exchange,
        begun: float,
        response: Message,
        steps: Generator[int, None, Sequence[Any]],
        written: int,
    ) -> None:
        """Encode the rest of a response that is long, or for which the time of this pass did not suffice."""
        node, connection, counts = call.node, call.connection, self._counts[call.api.key]
        pace = Pace(connection.turns, connection.account)
        try:
            async with self._long_answers:
                if written > SHORT_ANSWER_BYTES:
                    await node.unsent.room(node.runtime.monotonic)
                exchange.answer(await pace.finish(_bounded(steps, exchange, written)))
            await pace.finish(count_errors_in_steps(response, counts.refuse))
        except Exception as error:
            call.fail(error)
            return
        counts.seconds.observe(self._clock() - begun)


def _bounded(
    steps: Generator[int, None, Sequence[Any]], exchange: Exchange, written: int
) -> Generator[None, None, Sequence[Any]]:
    """Encode on, counting what is written. Raises: EncodeError when it is too much."""
    try:
        while True:
            more = next(steps)
            written += more
            exchange.count(more)
            if written > ANSWER_BYTES_MAX:
                raise EncodeError(f"more than {ANSWER_BYTES_MAX} bytes", field="response")
            yield
    except StopIteration as end:
        pieces: Sequence[Any] = end.value
        return pieces


def _unsupported_version(error: UnsupportedVersion) -> Sequence[Any]:
    # KIP-511: error 35 in a v0 body that lists the versions of this API, on a connection that stays open.
    versions = advertised([ROWS[API_VERSIONS].api])
    response = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=versions)
    return encode_response(API_VERSIONS, 0, error.correlation_id, response)
