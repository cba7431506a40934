"""A plain line to one node, for those who ask that very node: probes and the last readers."""

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


class NodeLine:
    """Asks one address and no other; dials again when the connection has broken. Nothing is asked twice."""

    def __init__(self, nursery: trio.Nursery, connect: Connect, address: tuple[str, int]) -> None:
        self._nursery = nursery
        self._connect = connect
        self._address = address
        self._connection: Connection | None = None

    def __repr__(self) -> str:
        return f"<NodeLine {self._address[0]}>"

    async def ask(self, message: Message, response: type[Response], *, at_least: int = 0) -> Response:
        """Raises: ClientError."""
        if self._connection is None or self._connection.closed:
            settings = ClientSettings(connect_timeout_s=2.0, request_timeout_s=TIMEOUT_S)
            connection = await dial(self._connect, *self._address, settings)
            await self._nursery.start(connection.run)
            self._connection = connection
        return await self._connection.call(message, response, at_least=at_least, timeout_s=TIMEOUT_S)

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Log start and high watermark. Raises: ClientError."""
        found: list[int] = []
        for where in (EARLIEST, LATEST):
            asked = ListOffsetsPartition(partition_index=partition, timestamp=where)
            request = ListOffsetsRequest(
                replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])]
            )
            row = (await self.ask(request, ListOffsetsResponse)).topics[0].partitions[0]
            if row.error_code:
                raise OutcomeUnknown(f"ListOffsets was refused with {row.error_code}.")
            found.append(row.offset)
        return found[0], found[1]

    async def committed(self, group: str) -> dict[str, int]:
        """What a group has committed, by `topic:partition`. Raises: ClientError."""
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])
        answer = (await self.ask(request, OffsetFetchResponse, at_least=8)).groups[0]
        if answer.error_code:
            raise OutcomeUnknown(f"OffsetFetch was refused with {answer.error_code}.")
        return {
            f"{topic.name}:{one.partition_index}": one.committed_offset
            for topic in answer.topics
            for one in topic.partitions
        }

    async def read_all(self, topic: str, partition: int, start: int, end: int) -> list[tuple[int, bytes | None]]:
        """Offsets and values in [start, end). Raises: ClientError."""
        place, rows = PartitionPosition(start), []
        while place.position < end:
            asked = FetchPartition(partition=partition, fetch_offset=place.position, partition_max_bytes=1 << 20)
            request = FetchRequest(
                max_wait_ms=100, min_bytes=1, max_bytes=1 << 22, topics=[FetchTopic(topic=topic, partitions=[asked])]
            )
            answer = (await self.ask(request, FetchResponse, at_least=4)).responses[0].partitions[0]
            if answer.error_code:
                raise OutcomeUnknown(f"Fetch was refused with {answer.error_code}.")
            records = answer.records or b""
            pieces = [records] if isinstance(records, bytes | bytearray | memoryview) else list(records)
            place.add_fetched([memoryview(piece) for piece in pieces])
            rows += [(one.offset, one.value) for one in place.take_records(1 << 20, 1 << 26)]
        return [row for row in rows if row[0] < end]


async def insistently(attempt: Callable[[], Awaitable[T]], until_s: float) -> T:
    """What `attempt` returns, tried again until it is done or that moment has come. Raises: the last ClientError."""
    while True:
        try:
            return await attempt()
        except ClientError:
            if trio.current_time() > until_s:
                raise
            await trio.sleep(0.2)
