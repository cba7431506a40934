"""What a handler is handed: the node beneath it, and the call it answers."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from higgins.groups.coordinator import Coordinator
from higgins.kafka.configs.live import AppendRules, LiveConfigs
from higgins.kafka.placement import Placement
from higgins.kafka.settings import BrokerConfig
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.log.producer_ids import ProducerIds
from higgins.log.reader import Reader
from higgins.log.traffic import Traffic
from higgins.log.watch import Watch
from higgins.log.writer import Writer
from higgins.model.errors import Fenced, HigginsError, Refused, StorageUnavailable
from higgins.operators.engine import Engine
from higgins.runtime import Runtime
from higgins.server.connection import Unsent
from higgins.telemetry.metrics import Counts
from higgins_protocol.errors import ErrorCode
from higgins_protocol.schema import Message

log = structlog.get_logger("higgins.kafka")


class Node:
    """Everything a handler may use. No store among it."""

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
        operators: Engine,
        configs: LiveConfigs,
        unsent: Unsent,
        traffic: Traffic,
        counts: Counts,
    ) -> None:
        self.runtime = runtime
        self.ledger = ledger
        self.writer = writer
        self.reader = reader
        self.watch = watch
        self.producer_ids = producer_ids
        self.groups = groups
        self.operators = operators
        self.configs = configs
        self.unsent = unsent
        self.traffic = traffic
        self.counts = counts
        self._placement = Placement(ledger)
        self.deadlines: dict[Deadline, None] = {}
        """In the order they were set, so that they run out in that order too."""

    @property
    def state(self) -> State:
        """The ledger's fold. Read-only."""
        return self.ledger.state

    @property
    def config(self) -> BrokerConfig:
        """The broker's settings as they stand now."""
        return self.configs.broker

    @property
    def placement(self) -> Placement:
        """Which node clients are sent to for a partition, as the nodes are now."""
        if not self._placement.holds_for(self.ledger):
            self._placement = Placement(self.ledger)
        return self._placement

    def endpoint(self, session: Session, listener: str) -> tuple[str, int]:
        """Where clients of a listener reach a node; its first endpoint where it has no such listener."""
        for endpoint in session.endpoints:
            if endpoint.listener == listener:
                return endpoint.host, endpoint.port
        return session.endpoints[0].host, session.endpoints[0].port

    def append_rules(self, topic: Topic) -> AppendRules:
        """What the topic's configs mean for a produce."""
        return self.configs.append_rules(topic)


class Deadline:
    """Something that must be answered by a time, whatever has become of it."""

    __slots__ = ("at_s", "expire")

    def __init__(self, at_s: float, expire: Callable[[], None]) -> None:
        self.at_s = at_s
        self.expire = expire


class Call(msgspec.Struct, frozen=True):
    """One request's circumstances."""

    node: Node
    version: int
    client_id: str | None
    client_host: str
    listener: str
    correlation_id: int
    close: Callable[[], None]
    """Closes the connection; for requests that want no answer and cannot be told otherwise."""


class Deferred:
    """A response that comes later, from wherever it is settled, without a task that waits for it."""

    __slots__ = ("_response", "_then")

    def __init__(self) -> None:
        self._response: Message | None = None
        self._then: Callable[[Message], None] | None = None

    @property
    def response(self) -> Message | None:
        """The response, if it is there."""
        return self._response

    def set(self, response: Message) -> None:
        """Give the response; once."""
        assert self._response is None
        self._response = response
        if self._then is not None:
            self._then(response)

    def then(self, callback: Callable[[Message], None]) -> None:
        """Call `callback` with the response as soon as it is there."""
        if self._response is not None:
            callback(self._response)
        else:
            self._then = callback


class Ordered:
    """A response whose first stage must be over before the connection's next request is looked at."""

    __slots__ = ("deferred", "first_stage")

    def __init__(self, first_stage: Awaitable[None], deferred: Deferred | None) -> None:
        self.first_stage = first_stage
        self.deferred = deferred


class Staged:
    """A response in two stages: the connection's next request is looked at when the first is over, and has given the
    second, which may take its time."""

    __slots__ = ("first_stage",)

    def __init__(self, first_stage: Awaitable[Awaitable[Message]]) -> None:
        self.first_stage = first_stage


async def reach_tip(call: Call) -> bool:
    """Come to know every commit there is; False when the store cannot say."""
    try:
        await call.node.ledger.barrier()
    except StorageUnavailable:
        return False
    return True


def code_of(error: HigginsError) -> ErrorCode:
    """What a produce or an admin call is told of a failure: fenced nodes send clients on, stores are tried again."""
    if isinstance(error, Refused):
        return error.code
    if isinstance(error, Fenced):
        return ErrorCode.NOT_LEADER_OR_FOLLOWER
    return ErrorCode.KAFKA_STORAGE_ERROR
