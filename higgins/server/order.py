"""Request order: a request sees everything that earlier requests of its connection wrote, however they are pipelined.

Requests of one connection are handled concurrently where that cannot be noticed: a produce, a long poll and a metadata
request overlap. What a request reads and writes is declared as a set of bits, whose meaning belongs to the surface that
declares them. A request that reads or writes something that an unfinished earlier request writes waits until that one
is finished, and every request behind it waits too. Reads do not wait for reads, and a write does not wait for an
earlier read: that read may be a long poll of minutes.

A connection with no unfinished write costs one comparison of two integers.
"""

from collections.abc import Callable

import trio

from higgins.model.future import Future


class Access:
    """What requests of one kind read and write."""

    __slots__ = ("kind", "overtaken_by", "touches", "writes")

    def __init__(self, kind: int, reads: int, writes: int, overtaken_by: frozenset[int] = frozenset()) -> None:
        """`overtaken_by` holds the kinds of requests that do not wait for this one, whatever it writes."""
        self.kind = kind
        self.touches = reads | writes
        self.writes = writes
        self.overtaken_by = overtaken_by


class RequestOrder:
    """Of a connection: the unfinished requests that write."""

    __slots__ = ("_changed", "_unfinished", "written")

    def __init__(self) -> None:
        self.written = 0
        """Everything that unfinished requests write. A request that touches none of it need not call `blocks`."""
        self._unfinished: dict[Access, int] = {}
        """How many requests of each kind; a dictionary, since a thousand produces may be in flight."""
        self._changed: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<RequestOrder written={self.written:#x} unfinished={sum(self._unfinished.values())}>"

    def blocks(self, access: Access) -> bool:
        """Whether a request with this access has to wait."""
        touches, kind = access.touches, access.kind
        return any(
            earlier.writes & touches and kind not in earlier.overtaken_by for earlier in self._unfinished
        )

    async def wait(self, access: Access) -> None:
        """Wait until a request with this access may begin."""
        while self.blocks(access):
            if self._changed is None:
                self._changed = trio.Event()
            await self._changed.wait()

    def hold(self, access: Access, until: Future[object]) -> None:
        """Count a request as unfinished until `until` is done."""
        if until.is_done:
            return
        self._unfinished[access] = self._unfinished.get(access, 0) + 1
        self.written |= access.writes
        until.add_done_callback(self._finisher(access))

    def _finisher(self, access: Access) -> Callable[[object], None]:
        def finish(_: object) -> None:
            count = self._unfinished[access] - 1
            if count:
                self._unfinished[access] = count
                return
            del self._unfinished[access]
            self.written = 0
            for earlier in self._unfinished:
                self.written |= earlier.writes
            if self._changed is not None:
                self._changed.set()
                self._changed = None

        return finish
