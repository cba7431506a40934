"""Busy polling: trying a socket again and again for a moment, instead of sleeping, for a client that sends one request
at a time.

Such a client sends its next request as soon as it has a response, within some ten microseconds. A core that has gone to
sleep takes about as long to wake, and a trip through the event loop costs about as much as the whole request (45 µs, of
which the handling is 20). So after a response the socket of that connection is polled for up to `busy_poll_us` before
the event loop is entered. That takes a third off the time of a single record.

It must not slow down other connections, which is what the rules here are about:
- Only the connection that was served last is polled for, and only while no request of it is being handled. With a
  second client the loop has work to do, and polling would delay it.
- A connection must have shown that polling for it pays. Each poll in vain doubles the number of requests that are
  served without polling (up to POLLS_SKIPPED_MAX), each success halves it.
- On a machine with one core nothing is polled: the client needs that core to send its request.
"""

import os
from typing import Final

POLLS_SKIPPED_MAX: Final = 1023
"""The most requests that are served without polling after polls in vain."""


class BusyPolling:
    """Of a node: how long to poll, and the connection that was served last."""

    __slots__ = ("last_served", "limit_s")

    def __init__(self, busy_poll_us: int) -> None:
        self.last_served: object = None
        self.limit_s = busy_poll_us / 1e6 if (os.cpu_count() or 1) > 1 else 0.0
        """How long to poll; 0 for never."""


class PollHistory:
    """Of a connection: whether polling for it has paid so far."""

    __slots__ = ("_penalty", "_skips")

    def __init__(self) -> None:
        self._penalty = self._skips = POLLS_SKIPPED_MAX >> 6

    def should_poll(self) -> bool:
        """Whether to poll this time."""
        if self._skips:
            self._skips -= 1
            return False
        return True

    def record(self, received: bool) -> None:
        """Note whether the poll received something."""
        self._penalty = self._penalty >> 1 if received else min(2 * self._penalty + 1, POLLS_SKIPPED_MAX)
        if not received:
            self._skips = self._penalty
