"""A broker in a thread of this process, and the few things a test asks of it directly.

The broker runs a loop of its own, so it serves clients that block, clients with threads and clients with another loop
alike. The process's own knobs (signals, garbage collector, logging) are left as they are.
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
    Consumer,
    Stored,
    open_cluster,
    open_producer,
)
from higgins.client.offsets import EARLIEST
from higgins.runtime import LoopThread, Ready, Runtime
from higgins.settings import Flags, Settings, load
from higgins.testing.events import Events, describe

T = TypeVar("T")

STOP_PATIENCE_S = 30.0
SETTLE_S = 0.2
RECORDS_PATIENCE_S = 10.0

DEFAULTS: Mapping[str, object] = {
    # Groups of one settle at once, and a test of what becomes of a silent member need not take six seconds.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 100,
}


class BrokerFault(Exception):
    """The broker did what it never should while it ran: a fault of Higgins, not of the test."""


class RunningBroker:
    """A broker that answers. Its methods may be called from any thread but its own, and block."""

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
        """HOST:PORT, as every client takes it."""
        return f"{self.host}:{self.port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the broker has logged, at most the last thousand; `event`, `level`, and fields of their own."""
        return list(self._events.last)

    def create_topic(self, name: str, *, partitions: int = -1, configs: Mapping[str, str] | None = None) -> None:
        """Make a topic; -1 leaves the number of partitions to the broker. Raises: BrokerRefused."""
        self._ask(lambda cluster: Admin(cluster).create_topic(name, partitions=partitions, configs=configs))

    def produce(
        self, topic: str, *values: bytes | None, key: bytes | None = None, partition: int | None = None
    ) -> None:
        """Write records, made-up input for what is tested; the topic is made if it is missing.

        Raises: ClientError unless every record is stored.
        """

        async def write(cluster: Cluster) -> None:
            await cluster.topic(topic, create=True)
            async with open_producer(cluster) as producer:
                sent = [await producer.send(topic, value, key=key, partition=partition) for value in values]
                for delivery in sent:
                    result = await delivery.wait()
                    if not isinstance(result, Stored):
                        raise ClientError(f"A record for '{topic}' was not stored: {result.message}")

        self._ask(write)

    def records(
        self, topic: str, count: int = 1, *, timeout_s: float = RECORDS_PATIENCE_S
    ) -> list[ConsumedRecord]:
        """The records of a topic from its beginning, as soon as there are at least `count`; in order per partition.

        Raises: AssertionError, with what there was, when the time is up.
        """

        async def read(cluster: Cluster) -> list[ConsumedRecord]:
            view = await cluster.topic(topic, create=False)
            consumer = Consumer(cluster)
            consumer.assign(dict.fromkeys([(topic, one) for one in view.leaders], EARLIEST))
            found: list[ConsumedRecord] = []
            with trio.move_on_after(timeout_s):
                while len(found) < count:
                    found += await consumer.poll(timeout_s)
            if len(found) < count:
                shown = [one.value for one in found[:10]]
                raise AssertionError(
                    f"Topic '{topic}' has {len(found)} records after {timeout_s:g} s, not {count}: {shown}"
                )
            return found

        return self._ask(read)

    def apply(self, topography: str) -> list[str]:
        """Apply a topography's text, as `higgins apply` does with a file; the changes. Raises: ClientError."""

        async def ask(cluster: Cluster) -> list[str]:
            answer = await Admin(cluster).private("apply", {"document": topography})
            applied = msgspec.convert(answer, _Applied)
            if applied.errors:
                raise ClientError("\n".join(f"line {one.line}: {one.message}" for one in applied.errors))
            return applied.changes

        return self._ask(ask)

    def stop(self) -> None:
        """Commit what was taken, answer it, and end; again is harmless.

        Raises: what stopped the broker before, or BrokerFault for what it logged as an error.
        """
        if self._thread.is_current():
            raise RuntimeError("A broker cannot wait for its own end.")
        try:
            self._thread.call(self._stop_soon)
        except RuntimeError:
            pass  # it has ended already; why is told by the next line
        if not self._thread.join(STOP_PATIENCE_S):
            raise BrokerFault(f"The broker did not stop within {STOP_PATIENCE_S:g} s.")
        self._raise_faults()

    def check(self) -> None:
        """Raise BrokerFault for errors that the broker has logged since this was last asked; `stop` asks too."""
        try:
            self._thread.call(_settle)
        except RuntimeError:
            pass  # it has ended, so nothing more will be logged
        self._raise_faults()

    def _raise_faults(self) -> None:
        faults, self._events.faults = self._events.faults, []
        if faults:
            raise BrokerFault("\n".join(["The broker logged errors:", *map(_told, faults)]))

    async def _stop_soon(self) -> None:
        self._broker.stop()

    def _ask(self, job: Callable[[Cluster], Awaitable[T]]) -> T:
        async def connect(host: str, port: int) -> trio.abc.Stream:
            return self._broker.connect()

        async def run() -> T:
            settings = ClientSettings(client_id="higgins-testing")
            async with open_cluster(connect, Runtime(), [(self.host, self.port)], settings) as cluster:
                return await job(cluster)

        return self._thread.call(run)


async def _settle() -> None:
    """Let the broker finish what it is at: a client sees its connection closed before the reason is logged."""
    with trio.move_on_after(SETTLE_S):
        await trio.testing.wait_all_tasks_blocked()


class _Fault(msgspec.Struct, frozen=True):
    message: str
    line: int = 0


class _Applied(msgspec.Struct, frozen=True):
    errors: list[_Fault] = []
    changes: list[str] = []


@contextmanager
def broker(
    *,
    store: str | Path = "memory://",
    listen: str = "127.0.0.1:0",
    config: Mapping[str, object] | None = None,
    **configs: object,
) -> Iterator[RunningBroker]:
    """A broker for as long as the block lasts, in memory and on a free port unless told otherwise.

    Kafka's broker configs go by their names in `config`, or as keywords with `_` for `.`: `num_partitions=4`.
    Environment variables and higgins.toml are not looked at. Raises: Unfit for settings that cannot be, before the
    block; after it, what went wrong in the broker meanwhile (as a note, where the block itself has raised).
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
            _stop_under(running, error)
            raise
        running.stop()


class _Started:
    """A task status that tells a thread."""

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


def _stop_under(running: RunningBroker, error: BaseException) -> None:
    """Stop without hiding why the block ended."""
    try:
        running.stop()
    except Exception as fault:
        error.add_note(f"Meanwhile in the broker: {type(fault).__name__}: {fault}")


def _told(event: dict[str, Any]) -> str:
    raised = event.get("exc_info")
    why = f": {raised!r}" if raised is not None else ""
    return f"  {describe(event)}{why}"
