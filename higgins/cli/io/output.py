"""Records to standard output, without holding up the event loop: a member of a group must go on sending heartbeats."""

import os
import select
import sys

import trio

from higgins.cli.io.streams import STDOUT, OutputLost, is_pollable


class Output:
    """Standard output for bytes. What `write` has returned for is written, all of it."""

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._descriptor = descriptor
        try:
            sys.stdout.flush()
            self._is_pollable = is_pollable(descriptor)
            is_blocking = os.get_blocking(descriptor)
        except OSError as error:
            raise OutputLost(error) from error
        # A pipe that is writable takes PIPE_BUF bytes without blocking; more may block until the reader goes on.
        self._chunk_bytes = select.PIPE_BUF if self._is_pollable and is_blocking else 1 << 20

    async def write(self, data: bytes) -> None:
        """Write everything. Raises: OutputLost."""
        view = memoryview(data)
        while view:
            try:
                if self._is_pollable:
                    await trio.lowlevel.wait_writable(self._descriptor)
                view = view[os.write(self._descriptor, view[: self._chunk_bytes]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise OutputLost(error) from error
        await trio.lowlevel.checkpoint()
