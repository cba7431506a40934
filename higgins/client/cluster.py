"""A cluster as a client sees it: who leads what, and a connection to each node for each purpose.

Metadata is asked when something is missing or has proved stale, by one caller at a time. A connection is opened when
first needed and forgotten when it breaks. A purpose has its own connection, because answers come in order and a long
poll must not stand before a heartbeat.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import msgspec
import trio

from higgins.client.connection import Connect, Connection, dial
from higgins.client.errors import (
    RETRIABLE,
    BrokerRefused,
    ClientError,
    OutcomeUnknown,
    Unreachable,
    check,
    error_code,
)
from higgins.client.settings import ClientSettings
from higgins.client.tasks import background
from higgins.runtime import Backoff, Runtime
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from higgins_protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)

Purpose: TypeAlias = str
"""What a connection is for: "admin" and "produce" are shared, the others come from `Cluster.purpose`."""

TopicPartition: TypeAlias = tuple[str, int]
T = TypeVar("T")

METADATA_VERSION_MIN = 4
COORDINATOR_VERSION_MIN = 4
FETCH_VERSION_MIN = 4


class TopicView(msgspec.Struct, frozen=True):
    """What the cluster last said of a topic: an error, or the leader of each partition."""

    name: str
    code: ErrorCode
    topic_id: bytes
    leaders: Mapping[int, int]
    is_internal: bool = False


class ClusterView(msgspec.Struct, frozen=True):
    """What the cluster last said; replaced whole, never changed."""

    cluster_id: str | None = None
    controller_id: int = -1
    nodes: Mapping[int, tuple[str, int]] = {}
    topics: Mapping[str, TopicView] = {}

    def leader(self, topic: str, partition: int) -> int | None:
        """The node to ask about a partition; None when that is not known."""
        view = self.topics.get(topic)
        node_id = view.leaders.get(partition) if view is not None else None
        return node_id if node_id is not None and node_id in self.nodes else None


class Cluster:
    """Metadata, connections and retries. Made by `open_cluster`, which owns its tasks."""

    def __init__(
        self,
        nursery: trio.Nursery,
        connect: Connect,
        runtime: Runtime,
        bootstrap: Sequence[tuple[str, int]],
        settings: ClientSettings,
    ) -> None:
        assert bootstrap
        self.runtime = runtime
        self.settings = settings
        self.view = ClusterView()
        self._nursery = nursery
        self._connect = connect
        self._bootstrap = tuple(bootstrap)
        self._connections: dict[tuple[str, int, Purpose], Connection] = {}
        self._dialling: dict[tuple[str, int, Purpose], trio.Lock] = {}
        self._asking = trio.Lock()
        self._purposes = 0

    def __repr__(self) -> str:
        return f"<Cluster {self._bootstrap} nodes={len(self.view.nodes)} connections={len(self._connections)}>"

    def backoff(self) -> Backoff:
        """Pauses as the settings have them."""
        return Backoff(
            self.runtime.random,
            first_s=self.settings.backoff_ms / 1000,
            longest_s=self.settings.backoff_ms_max / 1000,
        )

    def purpose(self, name: str) -> Purpose:
        """A purpose that nobody else has, for requests that may wait long for their answers."""
        self._purposes += 1
        return f"{name}-{self._purposes}"

    def release(self, purpose: Purpose) -> None:
        """Close the connections of a purpose."""
        for key, connection in self._connections.items():
            if key[2] == purpose:
                connection.close()

    async def connection(self, node_id: int, purpose: Purpose) -> Connection:
        """The connection to a node. Raises Unreachable when it is unknown or does not answer."""
        address = self.view.nodes.get(node_id)
        if address is None:
            raise Unreachable(f"Node {node_id} is not a member of the cluster any more.")
        return await self._open(*address, purpose)

    async def any_connection(self, purpose: Purpose) -> Connection:
        """A connection to whichever node answers first: those known, then those given at the start."""
        known = list(self.view.nodes.values())
        self.runtime.random.shuffle(known)
        failures: list[str] = []
        for host, port in dict.fromkeys([*known, *self._bootstrap]):
            try:
                return await self._open(host, port, purpose)
            except (Unreachable, OutcomeUnknown) as error:
                failures.append(str(error))
        raise Unreachable(" ".join(failures))

    async def leader_connection(self, topic: str, partition: int, purpose: Purpose) -> Connection:
        """The connection to a partition's leader, if it is known now. Raises Unreachable; refresh and try again."""
        node_id = self.view.leader(topic, partition)
        if node_id is None:
            raise Unreachable(f"Nobody is known to lead {topic} [{partition}].")
        return await self.connection(node_id, purpose)

    async def coordinator(self, group_id: str) -> int:
        """The node that coordinates a group, as any node says. Raises BrokerRefused, Unreachable, OutcomeUnknown."""
        connection = await self.any_connection("admin")
        answer = await connection.call(
            FindCoordinatorRequest(coordinator_keys=[group_id]),
            FindCoordinatorResponse,
            at_least=COORDINATOR_VERSION_MIN,
        )
        found = answer.coordinators[0]
        check(found.error_code, found.error_message)
        self.view = msgspec.structs.replace(
            self.view, nodes={**self.view.nodes, found.node_id: (found.host, found.port)}
        )
        return found.node_id

    async def refresh(self, topics: Iterable[str] | None = (), *, create: bool = False) -> ClusterView:
        """Ask for the cluster, and for some topics or (None) all of them; the topics asked before are kept."""
        async with self._asking:
            # In order, so that the same run asks the same bytes whatever order a set has.
            wanted = None if topics is None else sorted(set(topics))
            asked = None if wanted is None else [MetadataRequestTopic(name=name) for name in wanted]
            connection = await self.any_connection("admin")
            answer = await connection.call(
                MetadataRequest(topics=asked, allow_auto_topic_creation=create),
                MetadataResponse,
                at_least=METADATA_VERSION_MIN,
            )
            kept = {} if wanted is None else self.view.topics
            self.view = ClusterView(
                cluster_id=answer.cluster_id,
                controller_id=answer.controller_id,
                nodes={one.node_id: (one.host, one.port) for one in answer.brokers},
                topics={**kept, **{one.name or "": _topic_view(one) for one in answer.topics}},
            )
            return self.view

    def forget(self, topics: Iterable[str]) -> None:
        """Drop what was said of these topics, so that it is asked again when next needed."""
        gone = set(topics)
        kept = {name: one for name, one in self.view.topics.items() if name not in gone}
        self.view = msgspec.structs.replace(self.view, topics=kept)

    async def topic(self, name: str, *, create: bool = False) -> TopicView:
        """A topic that exists, with all of its leaders, asking until the deadline of operations.

        Raises: BrokerRefused with the reason that stood last.
        """

        async def attempt() -> TopicView:
            view = self.view.topics.get(name)
            if view is None or view.code or not view.leaders:
                view = (await self.refresh([name], create=create)).topics.get(name)
            if view is None:
                raise BrokerRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist.")
            if view.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                raise BrokerRefused(view.code, f"Topic '{name}' does not exist.")
            check(view.code, f"Topic '{name}' cannot be used.")
            return view

        # A broker that makes topics makes them at once; one that was told not to would be asked in vain.
        return await self.retrying(
            attempt, retry_missing=create, timeout_s=self.settings.creation_timeout_s if create else None
        )

    async def retrying(
        self, attempt: Callable[[], Awaitable[T]], *, timeout_s: float | None = None, retry_missing: bool = True
    ) -> T:
        """Try what may be repeated without harm until it succeeds, is refused for good, or time is up.

        Raises: the last failure.
        """
        deadline = trio.current_time() + (self.settings.operation_timeout_s if timeout_s is None else timeout_s)
        backoff = self.backoff()
        while True:
            try:
                return await attempt()
            except (Unreachable, OutcomeUnknown, BrokerRefused) as error:
                failure: ClientError = error
            if not _may_pass(failure, retry_missing=retry_missing):
                raise failure
            pause_s = backoff.next_s()
            if trio.current_time() + pause_s >= deadline:
                raise failure
            await trio.sleep(pause_s)

    async def _open(self, host: str, port: int, purpose: Purpose) -> Connection:
        key = (host, port, purpose)
        async with self._dialling.setdefault(key, trio.Lock()):
            connection = self._connections.get(key)
            if connection is not None and not connection.closed:
                return connection
            self._forget_closed()
            if len(self._connections) >= self.settings.connections_max:
                raise Unreachable(f"{self.settings.connections_max} connections are open, which is the limit.")
            connection = await dial(self._connect, host, port, self.settings)
            await self._nursery.start(connection.run)
            self._connections[key] = connection
            return connection

    def _forget_closed(self) -> None:
        for key in [key for key, one in self._connections.items() if one.closed]:
            del self._connections[key]
        for key in [key for key, lock in self._dialling.items() if key not in self._connections]:
            if not self._dialling[key].locked():
                del self._dialling[key]


def _topic_view(topic: MetadataResponseTopic) -> TopicView:
    leaders = {one.partition_index: one.leader_id for one in topic.partitions}
    return TopicView(topic.name or "", error_code(topic.error_code), bytes(topic.topic_id), leaders, topic.is_internal)


def _may_pass(failure: ClientError, *, retry_missing: bool) -> bool:
    if not isinstance(failure, BrokerRefused):
        return True
    if failure.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return retry_missing
    return failure.code in RETRIABLE


@asynccontextmanager
async def open_cluster(
    connect: Connect,
    runtime: Runtime,
    bootstrap: Sequence[tuple[str, int]],
    settings: ClientSettings | None = None,
) -> AsyncIterator[Cluster]:
    """A client of a cluster for as long as the block lasts; nothing is asked before it is needed."""
    async with background() as nursery:
        yield Cluster(nursery, connect, runtime, bootstrap, settings or ClientSettings())
