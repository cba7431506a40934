"""Standard input as lines, without a thread: it is waited for where that is possible, and just read where it is not."""

import os
import stat
from collections.abc import AsyncGenerator

import trio

from higgins.model.errors import Unfit

CHUNK_BYTES = 1 << 16


async def read_lines(descriptor: int, line_bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Each line without its end. Raises Unfit for a line beyond the bound."""
    mode = os.fstat(descriptor).st_mode
    # Only these can be waited for; a file, or /dev/null, always has an answer at once.
    waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
    begun: list[bytes] = []
    begun_bytes = 0
    while True:
        if waits:
            await trio.lowlevel.wait_readable(descriptor)
        else:
            await trio.lowlevel.checkpoint()
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            break
        first, *others = chunk.split(b"\n")
        begun.append(first)
        begun_bytes += len(first)
        if others:
            yield b"".join(begun).removesuffix(b"\r")
            *whole, last = others
            for line in whole:
                yield line.removesuffix(b"\r")
            begun, begun_bytes = [last], len(last)
        if begun_bytes > line_bytes_max:
            raise Unfit(f"A line has more than {line_bytes_max} bytes, which is the most that is read here.")
    if begun_bytes:
        yield b"".join(begun)


def part_read(descriptor: int) -> float | None:
    """How much of a file has been read, from 0 to 1; None for what has no length."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return os.lseek(descriptor, 0, os.SEEK_CUR) / status.st_size
