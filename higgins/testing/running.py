"""A broker in a thread of this process, with helpers to create topics and to write and read records.

The broker runs its own trio loop in its own thread, so the program under test may block, use threads or run any other
event loop. `higgins serve` also sets up signal handlers, the garbage collector and logging; this does not, because they
belong to the test's process.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
import trio.testing

from higgins.broker import Broker
from higgins.client import (
    Admin,
    ClientError,
    ClientSettings,
    Cluster,
    ConsumedRecord,
    open_cluster,
)
from higgins.runtime import LoopThread, Ready, Runtime
from higgins.settings import Flags, Settings, load
from higgins.testing.events import Events, describe
from higgins.testing.records import Headers, Value, read_records, to_bytes, wait_until_idle, write_records

T = TypeVar("T")

STOP_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 0.2
RECORDS_TIMEOUT_S = 10.0

DEFAULTS: Mapping[str, object] = {
    # Kafka's defaults suit production: three seconds of waiting for more members before the first rebalance, and
    # sessions of at least six seconds. Tests of one member, and of members that die, should not take that long.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 100,
}


class BrokerFault(Exception):
    """The broker logged an error or failed to stop. This is a bug in Higgins, not in the test."""


class RunningBroker:
    """A running broker. Its methods block, and may be called from any thread except the broker's own."""

    def __init__(self, broker: Broker, thread: LoopThread, events: Events) -> None:
        self._broker = broker
        self._thread = thread
        self._events = events
        listener = broker.listeners[0]
        self.host, self.port = listener.advertised_host, listener.advertised_port

    def __repr__(self) -> str:
        return f"<RunningBroker {self.bootstrap_servers}>"

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT, for the setting of the same name in Kafka clients."""
        return f"{self.host}:{self.port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The broker's last log events, at most 1000. Each has `event`, `level` and its own fields."""
        return list(self._events.last)

    def create_topic(self, name: str, *, partitions: int = -1, configs: Mapping[str, str] | None = None) -> None:
        """Create a topic; -1 partitions means the broker's default. Raises: BrokerRefused."""
        self._run(lambda cluster: Admin(cluster).create_topic(name, partitions=partitions, configs=configs))

    def produce(
        self,
        topic: str,
        *values: Value,
        key: Value = None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Write records as input for the program under test. The topic is created if it does not exist.

        Text is stored as UTF-8, a dict or list as JSON.

        Raises: ClientError unless every record is stored; TypeError for a value of another type.
        """
        encoded, encoded_key = [to_bytes(value) for value in values], to_bytes(key, "The key")
        self._run(lambda cluster: write_records(cluster, topic, encoded, encoded_key, partition, headers or {}))

    def records(
        self, topic: str, count: int | None = None, *, timeout_s: float = RECORDS_TIMEOUT_S
    ) -> list[ConsumedRecord]:
        """All records of a topic, from its beginning; ordered within each partition.

        Waits until the operators that derive the topic have processed all of their input. So without `count`, an
        empty list means that nothing was written or derived. With `count`, waits also until there are at least that
        many records: give it when the program under test writes in the background.

        Raises: AssertionError after `timeout_s`, with the records that were there.
        """
        return self._run(lambda cluster: read_records(cluster, topic, count, timeout_s))

    def wait_until_idle(self, *, timeout_s: float = RECORDS_TIMEOUT_S) -> None:
        """Wait until all operators have processed all of their input. Raises: AssertionError after `timeout_s`."""

        async def wait(cluster: Cluster) -> None:
            with trio.move_on_after(timeout_s):
                return await wait_until_idle(cluster)
            raise AssertionError(f"The operators did not process all of their input within {timeout_s:g} s.")

        self._run(wait)

    def apply(self, topography: str | Path) -> list[str]:
        """Apply a topography, given as text or as the path of a file, and return the changes.

        Raises: ClientError, with one line for each error in the text.
        """

        text = topography.read_text("utf-8-sig") if isinstance(topography, Path) else topography
        if not isinstance(text, str):
            raise TypeError(f"A topography is a str or a Path, not {type(text).__name__}.")
        if text.endswith(".toml"):
            raise ValueError(f"'{text}' is the name of a file. Pass Path('{text}'), or the text of a topography.")

        async def apply(cluster: Cluster) -> list[str]:
            response = await Admin(cluster).private("apply", {"document": text})
            result = msgspec.convert(response, _ApplyResult)
            if result.errors:
                raise ClientError("\n".join(f"line {error.line}: {error.message}" for error in result.errors))
            return result.changes

        return self._run(apply)

    def stop(self) -> None:
        """Stop the broker after it has answered the requests that it has taken. Stopping it again does nothing.

        Raises: the exception with which the broker ended by itself, or BrokerFault if it logged errors.
        """
        if self._thread.is_current():
            raise RuntimeError("stop() was called in the broker's own thread, which would wait for itself for ever.")
        try:
            self._thread.call(self._request_stop)
        except RuntimeError:
            pass  # the broker has ended already; join() raises the reason
        if not self._thread.join(STOP_TIMEOUT_S):
            raise BrokerFault(f"The broker did not stop within {STOP_TIMEOUT_S:g} s.")
        self._raise_faults()

    def check(self) -> None:
        """Raise BrokerFault if the broker has logged errors since the last call. `stop` includes this."""
        try:
            self._thread.call(_settle)
        except RuntimeError:
            pass  # the broker has ended and logs no more
        self._raise_faults()

    def _raise_faults(self) -> None:
        errors, self._events.errors = self._events.errors, []
        if errors:
            raise BrokerFault("\n".join(["The broker logged errors:", *map(_error_line, errors)]))

    async def _request_stop(self) -> None:
        self._broker.stop()

    def _run(self, job: Callable[[Cluster], Awaitable[T]]) -> T:
        """Run a job with a client in the broker's loop, over a stream in memory: no socket, no second thread."""

        async def connect(host: str, port: int) -> trio.abc.Stream:
            return self._broker.connect()

        async def run() -> T:
            settings = ClientSettings(client_id="higgins-testing")
            async with open_cluster(connect, Runtime(), [(self.host, self.port)], settings) as cluster:
                return await job(cluster)

        return self._thread.call(run)


async def _settle() -> None:
    """Wait until the broker is idle. A client can see its connection closed before the error is logged."""
    with trio.move_on_after(SETTLE_TIMEOUT_S):
        await trio.testing.wait_all_tasks_blocked()


class _TopographyError(msgspec.Struct, frozen=True):
    message: str
    line: int = 0


class _ApplyResult(msgspec.Struct, frozen=True):
    errors: list[_TopographyError] = []
    changes: list[str] = []


@contextmanager
def broker(
    *,
    store: str | Path = "memory://",
    listen: str = "127.0.0.1:0",
    config: Mapping[str, object] | None = None,
    **configs: object,
) -> Iterator[RunningBroker]:
    """Run a broker for the duration of the block, by default in memory and on a free port.

    Kafka's broker configs go into `config` by name, or are keywords with `_` instead of `.`: `num_partitions=4`.
    Environment variables and higgins.toml are ignored, so that a test does not depend on the machine.

    Raises: Unfit for invalid settings, before the block. After it, errors of the broker (see `RunningBroker.stop`);
    when the block itself raises, they are added to that exception as a note.
    """
    named = {**DEFAULTS, **(config or {}), **{name.replace("_", "."): value for name, value in configs.items()}}
    node = Broker(Runtime(), _settings(str(store), listen, named))
    thread = LoopThread("higgins-broker")

    async def serve(ready: Ready) -> None:
        await node.run(task_status=_Started(ready))

    with Events(thread.is_current) as events:
        thread.start(serve)
        running = RunningBroker(node, thread, events)
        try:
            yield running
        except BaseException as error:
            _stop_after_error(running, error)
            raise
        running.stop()


class _Started:
    """Trio's TaskStatus for a task that runs in another thread: `started` calls `ready`."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready

    def started(self, value: None = None) -> None:
        self._ready()


def _settings(store: str, listen: str, configs: Mapping[str, object]) -> Settings:
    assignments = tuple(f"{name}={_text(value)}" for name, value in configs.items())
    settings = load(Flags(store=store, listen=(listen,), assignments=assignments), {}, None)
    # The client runs in the same interpreter: polling for its request would keep it from sending it.
    server = msgspec.structs.replace(settings.server, busy_poll_us=0)
    return msgspec.structs.replace(settings, server=server)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stop_after_error(running: RunningBroker, error: BaseException) -> None:
    """Stop the broker; an error of its own becomes a note of the block's exception."""
    try:
        running.stop()
    except Exception as broker_error:
        error.add_note(f"Meanwhile in the broker: {type(broker_error).__name__}: {broker_error}")


def _error_line(event: dict[str, Any]) -> str:
    exception = event.get("exc_info")
    reason = f": {exception!r}" if exception is not None else ""
    return f"  {describe(event)}{reason}"
