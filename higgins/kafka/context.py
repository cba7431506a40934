"""What a handler receives: the node, and the call that it answers. The contract of handlers is in `api_row`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

import msgspec
import structlog

from higgins.admin.admin import Admin
from higgins.admin.configs.live import AppendRules, LiveConfigs
from higgins.config.broker import BrokerConfig
from higgins.groups.coordinator import Coordinator
from higgins.kafka.cluster.metadata_rows import MetadataRows
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.log.producer_ids import ProducerIds
from higgins.log.reader import Reader
from higgins.log.traffic import Traffic
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import Fenced, HigginsError, Refused, StorageUnavailable
from higgins.model.future import Future
from higgins.runtime import Runtime
from higgins.server.connection import Connection
from higgins.server.order import Access
from higgins.server.session import ConnectionSession
from higgins.server.turns import Pace
from higgins.server.unsent import Unsent
from higgins.telemetry.metrics import Counts
from higgins_protocol.apis import Api
from higgins_protocol.errors import ErrorCode

log = structlog.get_logger("higgins.kafka")

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Node:
    """Everything a handler may use. There is no store in it: handlers never touch storage."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        ledger: Ledger,
        writer: Writer,
        reader: Reader,
        watch: Watch,
        producer_ids: ProducerIds,
        groups: Coordinator,
        configs: LiveConfigs,
        unsent: Unsent,
        traffic: Traffic,
        counts: Counts,
        admin: Admin,
        apis: Sequence[Api],
    ) -> None:
        self.runtime = runtime
        self.ledger = ledger
        self.writer = writer
        self.reader = reader
        self.watch = watch
        self.producer_ids = producer_ids
        self.groups = groups
        self.configs = configs
        self.unsent = unsent
        self.traffic = traffic
        self.counts = counts
        self.admin = admin
        self.apis = apis
        """The APIs that are served."""
        self.metadata_rows = MetadataRows()
        self.deadlines: dict[Deadline, None] = {}
        """In the order they were set, so that they expire in that order."""

    @property
    def state(self) -> State:
        """The ledger's fold. Read-only."""
        return self.ledger.state

    @property
    def config(self) -> BrokerConfig:
        """The broker's settings, with the changes that were committed since it started."""
        return self.configs.broker

    def append_rules(self, topic: Topic) -> AppendRules:
        """The topic's configs that a produce must respect."""
        return self.configs.append_rules(topic)


class Deadline:
    """A request that must be answered by a time, whatever became of it by then."""

    __slots__ = ("at_s", "expire")

    def __init__(self, at_s: float, expire: Callable[[], None]) -> None:
        self.at_s = at_s
        self.expire = expire


class Call(msgspec.Struct, frozen=True):
    """The context of one request."""

    node: Node
    connection: Connection
    api: Api
    version: int
    client_id: str | None
    correlation_id: int
    access: Access
    """What the request reads and writes."""

    @property
    def session(self) -> ConnectionSession:
        """Who the client is, and how it is connected."""
        return self.connection.session

    @property
    def admin(self) -> Admin:
        """The use cases of the node."""
        return self.node.admin

    @property
    def client_host(self) -> str:
        """The address of the client."""
        return self.connection.session.peer_host

    @property
    def listener(self) -> str:
        """The name of the listener that the client has connected to."""
        return self.connection.session.listener.name

    def spawn(self, function: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> Future[R]:
        """Run `function` in a task that ends with the connection; a future of what it returns.

        Where it raises, the connection is closed and the future is never done.
        """
        result: Future[R] = Future()
        self.connection.spawn(_run, self, result, function, args)
        return result

    def pace(self) -> Pace:
        """The pace of long work for this request: `rest` between steps of at most a millisecond."""
        return Pace(self.connection.turns, self.connection.account)

    def hold_next(self, until: Future[None]) -> None:
        """Look at no further request of this connection before `until` is done.

        For handlers that must wait before they can hand their writes to a component that keeps them in order.
        """
        self.connection.hold_next(until)

    def hold_order(self, until: Future[Any]) -> None:
        """Count this request as unfinished until `until` is done, though its response leaves before.

        For requests that write after their response: later requests that read what it writes wait for it.
        """
        self.connection.order.hold(self.access, until)

    def close(self) -> None:
        """Close the connection; for a request that wants no response and whose client cannot be told otherwise."""
        self.connection.close()

    def fail(self, error: BaseException) -> None:
        """Log an unexpected error, and close the connection, so that the client tries again."""
        log.error("handler.failed", api=self.api.name, version=self.version, exc_info=error)
        self.connection.close()


async def _run(
    call: Call, result: Future[Any], function: Callable[..., Awaitable[Any]], args: tuple[object, ...]
) -> None:
    try:
        value = await function(*args)
    except Exception as error:
        call.fail(error)
        return
    result.set_result(value)


async def reach_tip(call: Call) -> bool:
    """Learn of every commit there is; False when the store cannot be reached."""
    try:
        await call.node.ledger.barrier()
    except StorageUnavailable:
        return False
    return True


def code_of(error: HigginsError) -> ErrorCode:
    """The error code of a failed commit: a fenced node sends clients elsewhere, a store that failed is tried again."""
    if isinstance(error, Refused):
        return error.code
    if isinstance(error, Fenced):
        return ErrorCode.NOT_LEADER_OR_FOLLOWER
    return ErrorCode.KAFKA_STORAGE_ERROR
