"""A Kafka cluster as a client sees it: its metadata, its connections, and retries.

Metadata is fetched when something is missing from it or has proved out of date, by one task at a time. Connections are
opened when first needed and dropped when they break.
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
    error_code,
    raise_for_error,
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

ConnectionName: TypeAlias = str
"""Which of the connections to a node is meant.

A broker answers the requests of a connection in order, so a long poll delays everything behind it. Therefore there is
one connection per name and node: requests that are answered at once share "admin" and "produce"; a consumer's fetches
and a group member's joins, which may wait for seconds, use names from `Cluster.unique_connection_name`.
"""

TopicPartition: TypeAlias = tuple[str, int]
T = TypeVar("T")

METADATA_VERSION_MIN = 4
COORDINATOR_VERSION_MIN = 4
FETCH_VERSION_MIN = 4


class TopicMetadata(msgspec.Struct, frozen=True):
    """A topic's last known metadata: an error code, or the leader's node id for each partition."""

    name: str
    code: ErrorCode
    topic_id: bytes
    leaders: Mapping[int, int]
    is_internal: bool = False


class ClusterMetadata(msgspec.Struct, frozen=True):
    """The cluster's last known metadata. Replaced as a whole, never changed, so it may be kept across an await."""

    cluster_id: str | None = None
    controller_id: int = -1
    nodes: Mapping[int, tuple[str, int]] = {}
    topics: Mapping[str, TopicMetadata] = {}

    def leader(self, topic: str, partition: int) -> int | None:
        """The node id of a partition's leader, or None when it is not known."""
        metadata = self.topics.get(topic)
        node_id = metadata.leaders.get(partition) if metadata is not None else None
        return node_id if node_id is not None and node_id in self.nodes else None


class Cluster:
    """Metadata, connections and retries. Created by `open_cluster`, which owns its tasks."""

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
        self.metadata = ClusterMetadata()
        self._nursery = nursery
        self._connect = connect
        self._bootstrap = tuple(bootstrap)
        self._connections: dict[tuple[str, int, ConnectionName], Connection] = {}
        self._connect_locks: dict[tuple[str, int, ConnectionName], trio.Lock] = {}
        self._metadata_lock = trio.Lock()
        self._unique_names = 0

    def __repr__(self) -> str:
        return f"<Cluster {self._bootstrap} nodes={len(self.metadata.nodes)} connections={len(self._connections)}>"

    def backoff(self) -> Backoff:
        """A new back-off with the pauses of `ClientSettings`."""
        return Backoff(
            self.runtime.random,
            first_s=self.settings.backoff_ms / 1000,
            longest_s=self.settings.backoff_ms_max / 1000,
        )

    def unique_connection_name(self, prefix: str) -> ConnectionName:
        """A connection name that no other caller has."""
        self._unique_names += 1
        return f"{prefix}-{self._unique_names}"

    def close_connections(self, name: ConnectionName) -> None:
        """Close the connections with this name, to all nodes."""
        for key, connection in self._connections.items():
            if key[2] == name:
                connection.close()

    async def connection(self, node_id: int, name: ConnectionName) -> Connection:
        """The connection to a node. Raises: Unreachable when the node is unknown or does not answer."""
        address = self.metadata.nodes.get(node_id)
        if address is None:
            raise Unreachable(f"Node {node_id} is no longer in the cluster.")
        return await self._open(*address, name)

    async def any_connection(self, name: ConnectionName) -> Connection:
        """A connection to the first node that answers: known nodes in random order, then the bootstrap addresses.

        Raises: Unreachable when none of them answers.
        """
        addresses = list(self.metadata.nodes.values())
        self.runtime.random.shuffle(addresses)
        failures: list[str] = []
        for host, port in dict.fromkeys([*addresses, *self._bootstrap]):
            try:
                return await self._open(host, port, name)
            except (Unreachable, OutcomeUnknown) as error:
                failures.append(str(error))
        raise Unreachable(" ".join(failures))

    async def leader_connection(self, topic: str, partition: int, name: ConnectionName) -> Connection:
        """The connection to a partition's leader.

        Raises: Unreachable when the leader is not known (refresh and try again) or does not answer.
        """
        node_id = self.metadata.leader(topic, partition)
        if node_id is None:
            raise Unreachable(f"The leader of {topic} [{partition}] is not known.")
        return await self.connection(node_id, name)

    async def find_coordinator(self, group_id: str) -> int:
        """The node id of a group's coordinator, which any node knows.

        Raises: BrokerRefused, Unreachable, OutcomeUnknown.
        """
        connection = await self.any_connection("admin")
        response = await connection.call(
            FindCoordinatorRequest(coordinator_keys=[group_id]),
            FindCoordinatorResponse,
            at_least=COORDINATOR_VERSION_MIN,
        )
        coordinator = response.coordinators[0]
        raise_for_error(coordinator.error_code, coordinator.error_message)
        # The coordinator may be a node that started after the last metadata request.
        nodes = {**self.metadata.nodes, coordinator.node_id: (coordinator.host, coordinator.port)}
        self.metadata = msgspec.structs.replace(self.metadata, nodes=nodes)
        return coordinator.node_id

    async def refresh(self, topics: Iterable[str] | None = (), *, create: bool = False) -> ClusterMetadata:
        """Fetch the metadata of the nodes and of these topics, or of all topics (None).

        Metadata of other topics is kept, except with None, after which the broker's list is complete.
        """
        async with self._metadata_lock:
            # Sorted, so that a simulated run sends the same bytes whatever order the set iterates in.
            names = None if topics is None else sorted(set(topics))
            connection = await self.any_connection("admin")
            response = await connection.call(
                MetadataRequest(
                    topics=None if names is None else [MetadataRequestTopic(name=name) for name in names],
                    allow_auto_topic_creation=create,
                ),
                MetadataResponse,
                at_least=METADATA_VERSION_MIN,
            )
            kept = {} if names is None else self.metadata.topics
            self.metadata = ClusterMetadata(
                cluster_id=response.cluster_id,
                controller_id=response.controller_id,
                nodes={broker.node_id: (broker.host, broker.port) for broker in response.brokers},
                topics={**kept, **{topic.name or "": _topic_metadata(topic) for topic in response.topics}},
            )
            return self.metadata

    def invalidate(self, topics: Iterable[str]) -> None:
        """Drop the metadata of these topics; it is fetched again when next needed."""
        dropped = set(topics)
        kept = {name: topic for name, topic in self.metadata.topics.items() if name not in dropped}
        self.metadata = msgspec.structs.replace(self.metadata, topics=kept)

    async def topic(self, name: str, *, create: bool = False) -> TopicMetadata:
        """The metadata of an existing topic whose leaders are all known; retries until the operation timeout.

        Raises: BrokerRefused with the broker's last error code.
        """

        async def attempt() -> TopicMetadata:
            topic = self.metadata.topics.get(name)
            if topic is None or topic.code or not topic.leaders:
                topic = (await self.refresh([name], create=create)).topics.get(name)
            if topic is None or topic.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                raise BrokerRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{name}' does not exist.")
            raise_for_error(topic.code, f"Topic '{name}' cannot be used.")
            return topic

        # A missing topic is worth a retry only if the request creates it: the broker may answer
        # UNKNOWN_TOPIC_OR_PARTITION once and create the topic meanwhile. Otherwise it stays missing.
        return await self.retry(
            attempt, retry_missing=create, timeout_s=self.settings.creation_timeout_s if create else None
        )

    async def retry(
        self, attempt: Callable[[], Awaitable[T]], *, timeout_s: float | None = None, retry_missing: bool = True
    ) -> T:
        """Call `attempt`, which must be safe to repeat, until it succeeds, fails for good, or time is up.

        With `retry_missing` false, UNKNOWN_TOPIC_OR_PARTITION is not retried.

        Raises: the last ClientError.
        """
        deadline = trio.current_time() + (self.settings.operation_timeout_s if timeout_s is None else timeout_s)
        backoff = self.backoff()
        while True:
            try:
                return await attempt()
            except (Unreachable, OutcomeUnknown, BrokerRefused) as error:
                last_error: ClientError = error
            if not _is_retriable(last_error, retry_missing=retry_missing):
                raise last_error
            pause_s = backoff.next_s()
            if trio.current_time() + pause_s >= deadline:
                raise last_error
            await trio.sleep(pause_s)

    async def _open(self, host: str, port: int, name: ConnectionName) -> Connection:
        key = (host, port, name)
        # One task connects; others that need the same connection wait for it instead of opening a second one.
        async with self._connect_locks.setdefault(key, trio.Lock()):
            connection = self._connections.get(key)
            if connection is not None and not connection.closed:
                return connection
            self._drop_closed()
            if len(self._connections) >= self.settings.connections_max:
                raise Unreachable(f"{self.settings.connections_max} connections are open, which is the limit.")
            connection = await dial(self._connect, host, port, self.settings)
            await self._nursery.start(connection.run)
            self._connections[key] = connection
            return connection

    def _drop_closed(self) -> None:
        for key in [key for key, connection in self._connections.items() if connection.closed]:
            del self._connections[key]
        for key in [key for key in self._connect_locks if key not in self._connections]:
            if not self._connect_locks[key].locked():
                del self._connect_locks[key]


def _topic_metadata(topic: MetadataResponseTopic) -> TopicMetadata:
    return TopicMetadata(
        name=topic.name or "",
        code=error_code(topic.error_code),
        topic_id=bytes(topic.topic_id),
        leaders={partition.partition_index: partition.leader_id for partition in topic.partitions},
        is_internal=topic.is_internal,
    )


def _is_retriable(error: ClientError, *, retry_missing: bool) -> bool:
    if not isinstance(error, BrokerRefused):
        return True
    if error.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return retry_missing
    return error.code in RETRIABLE


@asynccontextmanager
async def open_cluster(
    connect: Connect,
    runtime: Runtime,
    bootstrap: Sequence[tuple[str, int]],
    settings: ClientSettings | None = None,
) -> AsyncIterator[Cluster]:
    """A client of a cluster, closed when the block ends. It connects when something first needs a connection."""
    async with background() as nursery:
        yield Cluster(nursery, connect, runtime, bootstrap, settings or ClientSettings())
