"""Standard input as lines, without a thread: waits for it where the system can, and reads at once where it cannot."""

import os
import stat
from collections.abc import AsyncGenerator

import trio

from higgins.model.errors import Unfit

CHUNK_BYTES = 1 << 16


async def read_lines(descriptor: int, line_bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Each line without its line end. Raises: Unfit for a line that is too long."""
    mode = os.fstat(descriptor).st_mode
    # Only these can be waited for. Reading a file, or /dev/null, always returns at once.
    waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
    partial: list[bytes] = []
    partial_bytes = 0
    while True:
        if waits:
            await trio.lowlevel.wait_readable(descriptor)
        else:
            await trio.lowlevel.checkpoint()
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            break
        first, *others = chunk.split(b"\n")
        partial.append(first)
        partial_bytes += len(first)
        if others:
            yield b"".join(partial).removesuffix(b"\r")
            *whole, last = others
            for line in whole:
                yield line.removesuffix(b"\r")
            partial, partial_bytes = [last], len(last)
        if partial_bytes > line_bytes_max:
            raise Unfit(f"A line is longer than {line_bytes_max} bytes, the limit.")
    if partial_bytes:
        yield b"".join(partial)


def part_read(descriptor: int) -> float | None:
    """How much of a file has been read, from 0 to 1; None for a descriptor without a length."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return os.lseek(descriptor, 0, os.SEEK_CUR) / status.st_size
