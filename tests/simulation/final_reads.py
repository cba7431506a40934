"""After the workloads have ended: read every partition completely through each node, and the committed offsets."""

import trio

from higgins.client.connection import Connect
from higgins.client.errors import ClientError
from tests.simulation.event_log import EventLog, decode_value, key_of
from tests.simulation.node_client import NodeClient, retry_until
from tests.simulation.workloads.context import GROUP, LARGE, ORDERS, PARTITIONS, PLAIN

TIMEOUT_S = 20.0
STILL_S = 2.0
"""A write whose client has gone may still be committed. After this time without a new record, none is under way."""

Rows = list[tuple[int, str | None]]


class FinalReads:
    """Reads that are retried until they succeed. The results are also added to the event log."""

    def __init__(self, event_log: EventLog, connect: Connect, addresses: list[tuple[str, int]]) -> None:
        self.derived: dict[str, Rows] = {}
        """The operator's output, by `topic:partition`."""
        self.positions: dict[str, int] = {}
        """The operator's committed offsets in its input."""
        self.unread: list[str] = []
        """What could not be read before the timeout."""
        self._event_log = event_log
        self._connect = connect
        self._addresses = addresses
        self._until = trio.current_time() + TIMEOUT_S

    async def run(self) -> None:
        """Read everything."""
        async with trio.open_nursery() as nursery:
            clients = [NodeClient(nursery, self._connect, address) for address in self._addresses]
            await self._wait_until_still(clients[0])
            for topic in (ORDERS, PLAIN, LARGE):
                for partition in range(PARTITIONS):
                    for client, iso in zip(clients, ("ru", "rc"), strict=True):
                        await self._read(client, topic, partition, iso)
            await self._fetch_positions(clients[0])
            nursery.cancel_scope.cancel()

    async def _wait_until_still(self, client: NodeClient) -> None:
        """Wait until no topic grows any more.

        The topics are read one after the other. A record that is written between the reads of the input and of the
        output would look like output without input.
        """

        async def ends() -> list[tuple[int, int]]:
            return [
                await client.bounds(topic, partition)
                for topic in (ORDERS, PLAIN, LARGE)
                for partition in range(PARTITIONS)
            ]

        before: list[tuple[int, int]] = []
        while trio.current_time() < self._until - TIMEOUT_S / 2:
            try:
                now = await retry_until(ends, self._until)
            except ClientError as error:
                self.unread.append(f"ends through {client!r}: {error}")
                return
            if now == before:
                return
            before = now
            await trio.sleep(STILL_S)

    async def _read(self, client: NodeClient, topic: str, partition: int, iso: str) -> None:
        async def attempt() -> tuple[int, int, Rows]:
            low, high = await client.bounds(topic, partition)
            records = await client.read_all(topic, partition, low, high)
            return low, high, [(offset, decode_value(value)) for offset, value in records]

        key = key_of(topic, partition)
        try:
            low, high, rows = await retry_until(attempt, self._until)
        except ClientError as error:
            self.unread.append(f"{key} through {client!r}: {error}")
            return
        listed = [list(row) for row in rows]
        if topic == LARGE:
            self.derived[key] = rows
            self._event_log.add("derived", k=key, r=listed)
        else:
            self._event_log.add("final", k=key, iso=iso, lo=low, hi=high, complete=True, r=listed)

    async def _fetch_positions(self, client: NodeClient) -> None:
        started_at = self._event_log.now()
        keys = [key_of(topic, partition) for topic in (ORDERS, PLAIN) for partition in range(PARTITIONS)]
        try:
            committed = await retry_until(lambda: client.committed(GROUP), self._until)
            self._event_log.add("ofetch", g=GROUP, t0=started_at, k={key: committed.get(key, -1) for key in keys})
            self.positions = await retry_until(lambda: client.committed(f"higgins.op.{LARGE}"), self._until)
        except ClientError as error:
            self.unread.append(f"positions through {client!r}: {error}")
