"""One connection to one broker: a task that writes, a task that reads, and a deadline, around `InFlightRequests`.

Requests are pipelined and answered in order. A request that exceeds its deadline closes the connection, because every
later response is stuck behind the missing one. A caller that is cancelled while it waits leaves the connection usable;
the response is dropped when it arrives.
"""

import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar, cast

import trio

from higgins import __version__
from higgins.client.errors import ClientError, IncompatibleBroker, Unreachable, error_code
from higgins.client.in_flight import InFlightRequests, ResponseFuture
from higgins.client.settings import ClientSettings
from higgins.client.tasks import background
from higgins_protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from higgins_protocol.registry import APIS
from higgins_protocol.schema import Message

Connect: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Open a stream to (host, port). Raises: OSError when there is no listener."""

Response = TypeVar("Response", bound=Message)

API_VERSIONS = 18
RECEIVE_BYTES = 256 * 1024
_API_KEYS: dict[type[Message], int] = {api.request: api.key for api in APIS.values()}


async def connect_tcp(host: str, port: int) -> trio.abc.Stream:
    """Connect over TCP."""
    stream = await trio.open_tcp_stream(host, port)
    if stream.socket.getsockname() == stream.socket.getpeername():
        # Nobody listens there, and the system has given the connection that very port: it is connected to itself.
        await stream.aclose()
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    # Nagle's algorithm would hold back a small request until the previous one is acknowledged.
    stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
    return stream


class Connection:
    """A connection. The task that calls `run` owns it; it is closed when `run` ends."""

    def __init__(self, stream: trio.abc.Stream, peer: str, settings: ClientSettings) -> None:
        self.peer = peer
        self.versions: dict[int, tuple[int, int]] = {}
        """The broker's lowest and highest version of each API key."""
        self._stream = stream
        self._settings = settings
        self._requests = InFlightRequests(
            settings.client_id, frame_bytes_max=settings.frame_bytes_max, in_flight_max=settings.in_flight_max
        )
        self._has_unsent = trio.Event()
        self._has_room = trio.Event()
        self._run_scope = trio.CancelScope()
        self._read_scope = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<Connection {self.peer} {self._requests!r}>"

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; it takes no more requests then."""
        return self._requests.failure is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read and write until the connection breaks or is closed. Started once the API versions are known.

        Raises: ClientError before it has started. Later failures are set on the futures of the requests.
        """
        started = False
        try:
            with self._run_scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._read)
                    await self._fetch_api_versions()
                    started = True
                    task_status.started()
        except* ClientError as group:
            self._requests.fail(cast(ClientError, _first(group)))
        finally:
            self.close()
            await trio.aclose_forcefully(self._stream)
        if not started:
            assert self._requests.failure is not None
            raise self._requests.failure

    def close(self) -> None:
        """Close the connection now. Requests that were sent end with OutcomeUnknown, others with Unreachable."""
        self._requests.fail(Unreachable(f"The connection to {self.peer} was closed."))
        self._notify_room()
        self._run_scope.cancel()

    def version(self, api_key: int, *, at_least: int = 0) -> int:
        """The highest version of an API that both sides support.

        Raises: IncompatibleBroker when there is none, or it is below `at_least`.
        """
        api = APIS[api_key]
        if api.advertised is None:
            return api.versions[1]  # Higgins' private API is not in ApiVersions, so there is nothing to negotiate
        low, high = self.versions.get(api_key, (0, -1))
        version = min(high, api.versions[1])
        if version < max(low, api.versions[0], at_least):
            raise IncompatibleBroker(
                f"{self.peer} serves {api.name} {low} to {high}, and this client needs "
                f"{max(at_least, api.versions[0])} to {api.versions[1]}; use a newer broker or a newer client."
            )
        return version

    @property
    def has_room(self) -> bool:
        """Whether one more request stays within `ClientSettings.in_flight_max`."""
        return self._requests.has_room

    async def wait_for_room(self) -> None:
        """Wait until one more request may be submitted. Raises: Unreachable when the connection is closed."""
        while not self._requests.has_room and not self.closed:
            self._has_room = trio.Event() if self._has_room.is_set() else self._has_room
            await self._has_room.wait()
        if self._requests.failure is not None:
            raise Unreachable(f"The connection is closed: {self._requests.failure}")

    def submit(
        self,
        api_key: int,
        version: int,
        message: Message,
        *,
        timeout_s: float | None = None,
        expects_response: bool = True,
    ) -> ResponseFuture:
        """Queue a request without waiting. Requests are sent in the order in which they were submitted.

        Raises: Unreachable when the connection is closed.
        """
        timeout_s = self._settings.request_timeout_s if timeout_s is None else timeout_s
        deadline = trio.current_time() + timeout_s
        response = self._requests.submit(
            api_key, version, message, deadline=deadline, expects_response=expects_response
        )
        # The reader may be asleep until a later deadline, or for ever.
        self._read_scope.deadline = min(self._read_scope.deadline, deadline)
        self._has_unsent.set()
        return response

    async def request(
        self, api_key: int, version: int, message: Message, *, timeout_s: float | None = None
    ) -> Message:
        """Send a request and wait for its response.

        Raises: Unreachable (no effect), OutcomeUnknown (sent, no response), IncompatibleBroker.
        """
        await self.wait_for_room()
        response = await self.submit(api_key, version, message, timeout_s=timeout_s).wait()
        assert response is not None, "every request sent here expects a response"
        return response

    async def call(
        self, message: Message, response_type: type[Response], *, at_least: int = 0, timeout_s: float | None = None
    ) -> Response:
        """`request` in the highest common version, with the response's type checked."""
        api_key = _API_KEYS[type(message)]
        version = self.version(api_key, at_least=at_least)
        response = await self.request(api_key, version, message, timeout_s=timeout_s)
        assert isinstance(response, response_type), response
        return response

    async def _fetch_api_versions(self) -> None:
        # KIP-511: a broker that does not know our version of ApiVersions answers in version 0 with
        # UNSUPPORTED_VERSION. The second attempt is in version 0, which every broker knows.
        code = 0
        for version in (3, 0):
            request = ApiVersionsRequest(
                client_software_name="higgins-client", client_software_version=__version__
            )
            response = await self.request(
                API_VERSIONS, version, request, timeout_s=self._settings.connect_timeout_s
            )
            assert isinstance(response, ApiVersionsResponse)
            code = response.error_code
            if not code:
                self.versions = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}
                return
        raise IncompatibleBroker(f"{self.peer} refused ApiVersions: {error_code(code).name}.")

    async def _write(self) -> None:
        try:
            while True:
                frame = self._requests.next_frame()
                if frame is None:
                    self._has_unsent = trio.Event()
                    await self._has_unsent.wait()
                    continue
                await self._stream.send_all(frame)
                self._requests.frame_written()
                self._notify_room()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable(f"The connection to {self.peer} broke: {error or type(error).__name__}") from error

    async def _read(self) -> None:
        try:
            while True:
                with trio.CancelScope(deadline=self._requests.earliest_deadline()) as self._read_scope:
                    data = await self._stream.receive_some(RECEIVE_BYTES)
                if self._read_scope.cancelled_caught:
                    raise Unreachable(f"{self.peer} did not answer in time.")
                if not data:
                    raise Unreachable(f"{self.peer} closed the connection.")
                self._requests.receive(bytes(data))
                self._notify_room()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable(f"The connection to {self.peer} broke: {error or type(error).__name__}") from error

    def _notify_room(self) -> None:
        if self.closed or self._requests.has_room:
            self._has_room.set()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def dial(connect: Connect, host: str, port: int, settings: ClientSettings) -> Connection:
    """Open a stream and return a connection whose `run` the caller has to start.

    Raises: Unreachable when the stream cannot be opened within `connect_timeout_s`.
    """
    peer = f"{host}:{port}"
    try:
        with trio.fail_after(settings.connect_timeout_s):
            return Connection(await connect(host, port), peer, settings)
    except trio.TooSlowError as error:
        raise Unreachable(f"Cannot connect to {peer}: no answer within {settings.connect_timeout_s:g} s") from error
    except OSError as error:
        raise Unreachable(f"Cannot connect to {peer}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """What the system said. trio tries every address of a host, and wraps the errors of all."""
    cause = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    found = cause if isinstance(cause, OSError) else error
    assert isinstance(found, OSError)
    if found.errno and not isinstance(found, socket.gaierror):
        return os.strerror(found.errno).lower()
    return str(found.strerror or found).lower()


@asynccontextmanager
async def open_connection(
    connect: Connect, host: str, port: int, settings: ClientSettings | None = None
) -> AsyncIterator[Connection]:
    """A connection that is closed when the block ends."""
    connection = await dial(connect, host, port, settings or ClientSettings())
    async with background() as nursery:
        await nursery.start(connection.run)
        yield connection
