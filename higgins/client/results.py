"""What became of a record that was handed to a producer: stored, not stored, or nobody can say."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec
import trio

from higgins_protocol.errors import ErrorCode


class Stored(msgspec.Struct, frozen=True):
    """Acknowledged. The offset is -1 where the broker does not tell it: with acks = 0, or for a known duplicate."""

    topic: str
    partition: int
    offset: int


class NotStored(msgspec.Struct, frozen=True):
    """Surely not stored, and why."""

    topic: str
    partition: int
    code: ErrorCode
    message: str


class Unresolved(msgspec.Struct, frozen=True):
    """Sent, and never answered for good: it may be stored, or still become so."""

    topic: str
    partition: int
    message: str


SendResult: TypeAlias = Stored | NotStored | Unresolved
Resolve: TypeAlias = Callable[[SendResult], None]


class Delivery:
    """The fate of one record; settled once."""

    def __init__(self, on_settled: Callable[[], None]) -> None:
        self.result: SendResult | None = None
        self._on_settled = on_settled
        self._settled: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Delivery {self.result or 'under way'}>"

    def resolve(self, result: SendResult) -> None:
        """Settle it; called by the producer."""
        assert self.result is None, self.result
        self.result = result
        self._on_settled()
        if self._settled is not None:
            self._settled.set()

    async def wait(self) -> SendResult:
        """The result, when there is one; within the producer's delivery timeout and one request's."""
        if self.result is None:
            self._settled = self._settled or trio.Event()
            await self._settled.wait()
        assert self.result is not None
        return self.result
