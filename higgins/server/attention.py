"""Attention: staying awake for a client that asks, waits for the answer, and asks again.

A core that has gone to sleep takes tens of microseconds to wake, and a trip through the event loop costs about as much
as answering. So for a moment after an answer its connection's socket is tried again at once, as long as that proves
worth it and as no other connection asks for anything.
"""

import os
from typing import Final

SKIPPED_MAX: Final = 1023
"""How many requests, at most, are answered without staying awake after it was in vain."""


class Attention:
    """Of a node: which connection was heard last."""

    __slots__ = ("heard", "patience_s")

    def __init__(self, awake_us: int) -> None:
        self.heard: object = None
        # With one core, whoever stays awake keeps the client from asking.
        self.patience_s = awake_us / 1e6 if (os.cpu_count() or 1) > 1 else 0.0


class Eagerness:
    """Of a connection: whether staying awake for it is worth it, by what came of it before."""

    __slots__ = ("_penalty", "_skips")

    def __init__(self) -> None:
        self._penalty = self._skips = SKIPPED_MAX >> 6

    def wants(self) -> bool:
        """Whether to stay awake this time."""
        if self._skips:
            self._skips -= 1
            return False
        return True

    def learn(self, came: bool) -> None:
        """What came of it."""
        self._penalty = self._penalty >> 1 if came else min(2 * self._penalty + 1, SKIPPED_MAX)
        if not came:
            self._skips = self._penalty
