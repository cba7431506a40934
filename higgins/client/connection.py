"""One connection to one broker: a writer, a reader and a deadline around the sans-IO wire.

Requests are pipelined and answered in order. A request that runs out of time closes the connection, since the answers
behind it are stuck too; whoever is cancelled while waiting leaves the connection good, and the answer is dropped.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar, cast

import trio

from higgins import __version__
from higgins.client.errors import ClientError, IncompatibleBroker, Unreachable, error_code
from higgins.client.settings import ClientSettings
from higgins.client.tasks import background
from higgins.client.wire import Answer, Done, Wire
from higgins_protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from higgins_protocol.registry import APIS
from higgins_protocol.schema import Message

Connect: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Open a stream to (host, port). Raises OSError when nobody is there."""

Response = TypeVar("Response", bound=Message)

API_VERSIONS = 18
RECEIVE_BYTES = 256 * 1024
_KEYS: dict[type[Message], int] = {api.request: api.key for api in APIS.values()}


async def connect_tcp(host: str, port: int) -> trio.abc.Stream:
    """The `connect` of a real network."""
    stream = await trio.open_tcp_stream(host, port)
    stream.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
    return stream


class Connection:
    """A live connection. Owned by whoever runs `run`; closed when that ends."""

    def __init__(self, stream: trio.abc.Stream, peer: str, settings: ClientSettings) -> None:
        self.peer = peer
        self.versions: dict[int, tuple[int, int]] = {}
        self._stream = stream
        self._settings = settings
        self._wire = Wire(
            settings.client_id, frame_bytes_max=settings.frame_bytes_max, in_flight_max=settings.in_flight_max
        )
        self._to_write = trio.Event()
        self._room = trio.Event()
        self._scope = trio.CancelScope()
        self._reading = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<Connection {self.peer} {self._wire!r}>"

    @property
    def closed(self) -> bool:
        """Whether nothing more can be asked here."""
        return self._wire.failure is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve the connection until it breaks or is closed; started means that versions are agreed.

        Raises: ClientError before it has started; after that, failures go to the owners of the requests.
        """
        started = False
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._read)
                    await self._agree_on_versions()
                    started = True
                    task_status.started()
        except* ClientError as group:
            self._wire.fail(cast(ClientError, _first(group)))
        finally:
            self.close()
            await trio.aclose_forcefully(self._stream)
        if not started:
            assert self._wire.failure is not None
            raise self._wire.failure

    def close(self) -> None:
        """End the connection now; what is in flight becomes unknown."""
        self._wire.fail(Unreachable(f"The connection to {self.peer} was closed."))
        self._make_room()
        self._scope.cancel()

    def version(self, api_key: int, *, at_least: int = 0) -> int:
        """The newest version of an API that both sides speak."""
        api = APIS[api_key]
        if api.advertised is None:
            return api.versions[1]
        low, high = self.versions.get(api_key, (0, -1))
        chosen = min(high, api.versions[1])
        if chosen < max(low, api.versions[0], at_least):
            raise IncompatibleBroker(
                f"{self.peer} serves {api.name} {low} to {high}, and this client needs "
                f"{max(at_least, api.versions[0])} to {api.versions[1]}; use a newer broker or a newer client."
            )
        return chosen

    @property
    def has_room(self) -> bool:
        """Whether a request submitted now would stay within the bound of requests in flight."""
        return self._wire.has_room

    async def room(self) -> None:
        """Wait until one more request may be submitted. Raises Unreachable when the connection is closed."""
        while not self._wire.has_room and not self.closed:
            self._room = trio.Event() if self._room.is_set() else self._room
            await self._room.wait()
        if self._wire.failure is not None:
            raise Unreachable(f"The connection is closed: {self._wire.failure}")

    def submit(
        self,
        api_key: int,
        version: int,
        message: Message,
        *,
        done: Done,
        timeout_s: float | None = None,
        answered: bool = True,
    ) -> None:
        """Queue a request without waiting; requests leave in the order submitted. See `Wire.submit` for `done`."""
        timeout_s = self._settings.request_timeout_s if timeout_s is None else timeout_s
        deadline = trio.current_time() + timeout_s
        self._wire.submit(api_key, version, message, deadline=deadline, answered=answered, done=done)
        self._reading.deadline = min(self._reading.deadline, deadline)
        self._to_write.set()

    async def request(
        self, api_key: int, version: int, message: Message, *, timeout_s: float | None = None
    ) -> Message:
        """Ask and wait for the answer.

        Raises: Unreachable (surely nothing happened), OutcomeUnknown (sent, no answer), IncompatibleBroker.
        """
        await self.room()
        answers: list[Answer] = []
        ready = trio.Event()

        def done(answer: Answer) -> None:
            answers.append(answer)
            ready.set()

        self.submit(api_key, version, message, done=done, timeout_s=timeout_s)
        await ready.wait()
        answer = answers[0]
        if isinstance(answer, ClientError):
            raise answer
        assert answer is not None
        return answer

    async def call(
        self, message: Message, response: type[Response], *, at_least: int = 0, timeout_s: float | None = None
    ) -> Response:
        """`request` in the newest version both sides speak, with the type of the answer checked."""
        key = _KEYS[type(message)]
        answer = await self.request(key, self.version(key, at_least=at_least), message, timeout_s=timeout_s)
        assert isinstance(answer, response), answer
        return answer

    async def _agree_on_versions(self) -> None:
        # A broker that does not know our newest version answers in version 0 with error 35; version 0 is then asked.
        code = 0
        for version in (3, 0):
            request = ApiVersionsRequest(
                client_software_name="higgins-client", client_software_version=__version__
            )
            answer = await self.request(
                API_VERSIONS, version, request, timeout_s=self._settings.connect_timeout_s
            )
            assert isinstance(answer, ApiVersionsResponse)
            code = answer.error_code
            if not code:
                self.versions = {one.api_key: (one.min_version, one.max_version) for one in answer.api_keys}
                return
        raise IncompatibleBroker(f"{self.peer} does not say its versions: {error_code(code).name}.")

    async def _write(self) -> None:
        try:
            while True:
                frame = self._wire.take_unsent()
                if frame is None:
                    self._to_write = trio.Event()
                    await self._to_write.wait()
                    continue
                await self._stream.send_all(frame)
                self._wire.written()
                self._make_room()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable(f"The connection to {self.peer} broke: {error or type(error).__name__}") from error

    async def _read(self) -> None:
        try:
            while True:
                with trio.CancelScope(deadline=self._wire.earliest_deadline()) as self._reading:
                    data = await self._stream.receive_some(RECEIVE_BYTES)
                if self._reading.cancelled_caught:
                    raise Unreachable(f"{self.peer} did not answer in time.")
                if not data:
                    raise Unreachable(f"{self.peer} closed the connection.")
                self._wire.receive(bytes(data))
                self._make_room()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable(f"The connection to {self.peer} broke: {error or type(error).__name__}") from error

    def _make_room(self) -> None:
        if self.closed or self._wire.has_room:
            self._room.set()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def dial(connect: Connect, host: str, port: int, settings: ClientSettings) -> Connection:
    """A connection that nobody runs yet. Raises Unreachable when the peer does not take it in time."""
    peer = f"{host}:{port}"
    try:
        with trio.fail_after(settings.connect_timeout_s):
            return Connection(await connect(host, port), peer, settings)
    except (OSError, trio.TooSlowError) as error:
        raise Unreachable(f"Nobody answers at {peer}: {error or 'no answer in time'}") from error


@asynccontextmanager
async def open_connection(
    connect: Connect, host: str, port: int, settings: ClientSettings | None = None
) -> AsyncIterator[Connection]:
    """A connection for as long as the block lasts."""
    connection = await dial(connect, host, port, settings or ClientSettings())
    async with background() as nursery:
        await nursery.start(connection.run)
        yield connection
