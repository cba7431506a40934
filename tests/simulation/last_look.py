"""When all is quiet: every partition read whole through each node, and where groups and the operator stand."""

import trio

from higgins.client.connection import Connect
from higgins.client.errors import ClientError
from tests.simulation.chronicle import Chronicle, decode_value, key_of
from tests.simulation.line import NodeLine, insistently
from tests.simulation.workloads.stage import GROUP, LARGE, ORDERS, PARTITIONS, PLAIN

PATIENCE_S = 20.0

Rows = list[tuple[int, str | None]]


class LastLook:
    """Readers who miss nothing. What they find also goes into the chronicle."""

    def __init__(self, chronicle: Chronicle, connect: Connect, addresses: list[tuple[str, int]]) -> None:
        self.derived: dict[str, Rows] = {}
        """What the operator has written, by `topic:partition`."""
        self.positions: dict[str, int] = {}
        """How far the operator has come in its input."""
        self.unread: list[str] = []
        """What could not be read in time."""
        self._chronicle = chronicle
        self._connect = connect
        self._addresses = addresses
        self._until = trio.current_time() + PATIENCE_S

    async def look(self) -> None:
        """Look at everything."""
        async with trio.open_nursery() as nursery:
            lines = [NodeLine(nursery, self._connect, address) for address in self._addresses]
            for topic in (ORDERS, PLAIN, LARGE):
                for partition in range(PARTITIONS):
                    for line, iso in zip(lines, ("ru", "rc"), strict=True):
                        await self._read(line, topic, partition, iso)
            await self._ask_positions(lines[0])
            nursery.cancel_scope.cancel()

    async def _read(self, line: NodeLine, topic: str, partition: int, iso: str) -> None:
        async def attempt() -> tuple[int, int, Rows]:
            low, high = await line.bounds(topic, partition)
            found = await line.read_all(topic, partition, low, high)
            return low, high, [(offset, decode_value(value)) for offset, value in found]

        key = key_of(topic, partition)
        try:
            low, high, rows = await insistently(attempt, self._until)
        except ClientError as error:
            self.unread.append(f"{key} through {line!r}: {error}")
            return
        listed = [list(row) for row in rows]
        if topic == LARGE:
            self.derived[key] = rows
            self._chronicle.add("derived", k=key, r=listed)
        else:
            self._chronicle.add("final", k=key, iso=iso, lo=low, hi=high, complete=True, r=listed)

    async def _ask_positions(self, line: NodeLine) -> None:
        begun = self._chronicle.now()
        keys = [key_of(topic, one) for topic in (ORDERS, PLAIN) for one in range(PARTITIONS)]
        try:
            found = await insistently(lambda: line.committed(GROUP), self._until)
            self._chronicle.add("ofetch", g=GROUP, t0=begun, k={key: found.get(key, -1) for key in keys})
            self.positions = await insistently(lambda: line.committed(f"higgins.op.{LARGE}"), self._until)
        except ClientError as error:
            self.unread.append(f"positions through {line!r}: {error}")
