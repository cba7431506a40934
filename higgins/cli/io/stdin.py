"""Standard input as lines, without a thread: waits for it where the system can, and reads at once where it cannot."""

import os
import stat
from collections.abc import AsyncGenerator

import trio

from higgins.cli.io.streams import is_pollable, reason
from higgins.model.errors import Unfit

CHUNK_BYTES = 1 << 16
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


async def read_lines(descriptor: int, line_bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Each line without its line end, which is a line feed with or without a carriage return before it.

    The last line needs no line feed. A UTF-8 byte order mark at the beginning is skipped.

    Raises: Unfit for input that cannot be read, for a line that is too long, and for UTF-16.
    """
    try:
        # Only these can be waited for. Reading a file, or /dev/null, always returns at once.
        waits = is_pollable(descriptor)
    except OSError as error:
        raise _unreadable(error) from error
    number = 0
    partial: list[bytes] = []
    partial_bytes = 0
    chunk = await _start(descriptor, waits)
    while chunk:
        first, *others = chunk.split(b"\n")
        partial.append(first)
        partial_bytes += len(first)
        if others:
            number += len(others)
            yield b"".join(partial).removesuffix(b"\r")
            *whole, last = others
            for line in whole:
                yield line.removesuffix(b"\r")
            partial, partial_bytes = [last], len(last)
        if partial_bytes > line_bytes_max:
            raise Unfit(f"Line {number + 1} is longer than {line_bytes_max} bytes, the limit.")
        chunk = await _read(descriptor, waits)
    if partial_bytes:
        yield b"".join(partial).removesuffix(b"\r")


async def _start(descriptor: int, waits: bool) -> bytes:
    """The first chunk, without a byte order mark. Raises: Unfit."""
    chunk = await _read(descriptor, waits)
    # A pipe may deliver the mark in pieces. Another first byte is not waited for: somebody may be typing.
    while chunk and len(chunk) < len(UTF8_MARK) and UTF8_MARK.startswith(chunk):
        more = await _read(descriptor, waits)
        if not more:
            break
        chunk += more
    # In UTF-16, one byte of two is zero in most texts. Without that check, a binary line that happens to begin so would
    # be refused.
    if chunk[:2] in UTF16_MARKS and 0 in chunk[2:4]:
        raise Unfit("Standard input is UTF-16 text. Convert it to UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE")
    chunk_after_mark = chunk.removeprefix(UTF8_MARK)
    return chunk_after_mark if chunk_after_mark or not chunk else await _read(descriptor, waits)


async def _read(descriptor: int, waits: bool) -> bytes:
    """Some bytes; none at the end. Raises: Unfit."""
    while True:
        try:
            if waits:
                await trio.lowlevel.wait_readable(descriptor)
            else:
                await trio.lowlevel.checkpoint()
            return os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            # Another process has read it first, or the descriptor is one that cannot be waited for.
            if not waits:
                await trio.sleep(0.01)
        except OSError as error:
            raise _unreadable(error) from error


def _unreadable(error: OSError) -> Unfit:
    return Unfit(f"Standard input cannot be read: {reason(error, 'reading')}.")


def part_read(descriptor: int) -> float | None:
    """How much of a file has been read, from 0 to 1; None for a descriptor without a length."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return os.lseek(descriptor, 0, os.SEEK_CUR) / status.st_size
