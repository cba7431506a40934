"""A client of one node, for reads that must be answered by that node: probes and the final reads."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from higgins.client.connection import Connect, Connection, dial
from higgins.client.errors import ClientError, OutcomeUnknown
from higgins.client.offsets import EARLIEST, LATEST
from higgins.client.positions import PartitionPosition
from higgins.client.settings import ClientSettings
from higgins_protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from higgins_protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
)
from higgins_protocol.schema import Message

Response = TypeVar("Response", bound=Message)
T = TypeVar("T")

TIMEOUT_S = 3.0


class NodeClient:
    """Sends requests to one address. It reconnects after a broken connection, and retries nothing."""

    def __init__(self, nursery: trio.Nursery, connect: Connect, address: tuple[str, int]) -> None:
        self._nursery = nursery
        self._connect = connect
        self._address = address
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        return f"<NodeClient {self._address[0]}>"

    async def call(self, message: Message, response_type: type[Response], *, at_least: int = 0) -> Response:
        """Send a request and wait for its response. Raises: ClientError."""
        if self._connection is None or self._connection.closed:
            settings = ClientSettings(connect_timeout_s=2.0, request_timeout_s=TIMEOUT_S)
            connection = await dial(self._connect, *self._address, settings)
            await self._nursery.start(connection.run)
            self._connection = connection
        return await self._connection.call(message, response_type, at_least=at_least, timeout_s=TIMEOUT_S)

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Log start offset and high watermark. Raises: ClientError."""
        offsets: list[int] = []
        for timestamp in (EARLIEST, LATEST):
            spec = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
            request = ListOffsetsRequest(
                replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[spec])]
            )
            row = (await self.call(request, ListOffsetsResponse)).topics[0].partitions[0]
            if row.error_code:
                raise OutcomeUnknown(f"ListOffsets failed with error code {row.error_code}.")
            offsets.append(row.offset)
        return offsets[0], offsets[1]

    async def committed(self, group: str) -> dict[str, int]:
        """A group's committed offsets, by `topic:partition`. Raises: ClientError."""
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])
        response = (await self.call(request, OffsetFetchResponse, at_least=8)).groups[0]
        if response.error_code:
            raise OutcomeUnknown(f"OffsetFetch failed with error code {response.error_code}.")
        return {
            f"{topic.name}:{partition.partition_index}": partition.committed_offset
            for topic in response.topics
            for partition in topic.partitions
        }

    async def read_all(self, topic: str, partition: int, start: int, end: int) -> list[tuple[int, bytes | None]]:
        """Offsets and values in [start, end). Raises: ClientError."""
        position, rows = PartitionPosition(start), []
        while position.position < end:
            spec = FetchPartition(partition=partition, fetch_offset=position.position, partition_max_bytes=1 << 20)
            request = FetchRequest(
                max_wait_ms=100, min_bytes=1, max_bytes=1 << 22, topics=[FetchTopic(topic=topic, partitions=[spec])]
            )
            response = (await self.call(request, FetchResponse, at_least=4)).responses[0].partitions[0]
            if response.error_code:
                raise OutcomeUnknown(f"Fetch failed with error code {response.error_code}.")
            records = response.records or b""
            chunks = [records] if isinstance(records, bytes | bytearray | memoryview) else list(records)
            position.add_fetched([memoryview(chunk) for chunk in chunks])
            rows += [(record.offset, record.value) for record in position.take_records(1 << 20, 1 << 26)]
        return [row for row in rows if row[0] < end]


async def retry_until(attempt: Callable[[], Awaitable[T]], until_s: float) -> T:
    """Retry `attempt` until it succeeds or the virtual time is `until_s`. Raises: the last ClientError."""
    while True:
        try:
            return await attempt()
        except ClientError:
            if trio.current_time() > until_s:
                raise
            await trio.sleep(0.2)
