"""From a frame to its handler, and from a response to a frame."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from higgins.kafka.api_row import ApiRow
from higgins.kafka.apis import ROWS
from higgins.kafka.cluster.api_versions import advertised
from higgins.kafka.context import Call, Node
from higgins.kafka.error_counting import count_errors
from higgins.model.future import Future
from higgins.server.connection import CloseConnection, Connection, Exchange
from higgins.telemetry.metrics import ApiCounts
from higgins_protocol.errors import ErrorCode, ProtocolError, UnsupportedApi, UnsupportedVersion
from higgins_protocol.messages.api_versions import ApiVersionsResponse
from higgins_protocol.registry import API_VERSIONS, decode_header, decode_request, encode_response
from higgins_protocol.schema import Message


class Router:
    """Dispatches the frames of all connections."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counts = node.counts.requests.by_api
        self._clock = node.runtime.stopwatch

    def dispatch(self, connection: Connection, frame: memoryview, exchange: Exchange) -> Awaitable[None] | None:
        """Handle one request; the exchange is answered once. Raises: CloseConnection for what cannot be understood."""
        begun = self._clock()
        try:
            header = decode_header(frame)
            request = decode_request(header, frame)
        except UnsupportedVersion as error:
            if error.api_key != API_VERSIONS:
                raise CloseConnection(str(error)) from error
            exchange.answer(_unsupported_version(error))
            return None
        except (UnsupportedApi, ProtocolError) as error:
            raise CloseConnection(str(error)) from error
        row = ROWS[header.api_key]
        access = row.access if row.access_of is None else row.access_of(request)
        call = Call(
            self._node, connection, row.api, header.api_version, header.client_id, header.correlation_id, access
        )
        if access.touches & connection.order.written and connection.order.blocks(access):
            return self._handle_in_order(row, call, request, exchange, begun)
        response = row.handle(call, request)
        if response.is_done:
            _respond(call, exchange, self._counts[header.api_key], self._clock, begun, response.result())
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
        counts = self._counts[call.api.key]
        response.add_done_callback(partial(_respond_later, call, exchange, counts, self._clock, begun))


def _respond(
    call: Call,
    exchange: Exchange,
    counts: ApiCounts,
    clock: Callable[[], float],
    begun: float,
    response: Message | None,
) -> None:
    """Encode, send and count a response."""
    if response is None:
        exchange.answer(None)
    else:
        exchange.answer(encode_response(call.api.key, call.version, call.correlation_id, response))
        count_errors(response, counts.refuse)
    counts.seconds.observe(clock() - begun)


def _respond_later(
    call: Call,
    exchange: Exchange,
    counts: ApiCounts,
    clock: Callable[[], float],
    begun: float,
    response: Future[Message | None],
) -> None:
    # This runs inside whatever completed the response, such as the committer. A response that cannot be encoded must
    # cost this connection, not that component.
    try:
        _respond(call, exchange, counts, clock, begun, response.result())
    except Exception as error:
        call.fail(error)


def _unsupported_version(error: UnsupportedVersion) -> Sequence[Any]:
    # KIP-511: error 35 in a v0 body that lists the versions of this API, on a connection that stays open.
    versions = advertised([ROWS[API_VERSIONS].api])
    response = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=versions)
    return encode_response(API_VERSIONS, 0, error.correlation_id, response)
