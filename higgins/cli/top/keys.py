"""A key that ends a screen. It needs a terminal as standard input; without one, Ctrl-C ends the screen."""

import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from higgins.cli.io.streams import STDIN

KEYS_READ_BYTES = 64


@asynccontextmanager
async def until_key(keys: str) -> AsyncIterator[None]:
    """Cancel the block when one of these keys is pressed. The terminal gets its settings back at the end."""
    try:
        # A process in the background would be stopped when it changes the terminal.
        is_ours = os.isatty(STDIN) and os.tcgetpgrp(STDIN) == os.getpgrp()
        settings = termios.tcgetattr(STDIN) if is_ours else None
    except (OSError, termios.error):
        settings = None
    if settings is None:
        yield
        return
    tty.setcbreak(STDIN, termios.TCSANOW)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_for_key, keys.encode(), nursery.cancel_scope)
            yield
            nursery.cancel_scope.cancel()
    finally:
        termios.tcsetattr(STDIN, termios.TCSANOW, settings)


async def _wait_for_key(keys: bytes, scope: trio.CancelScope) -> None:
    while True:
        await trio.lowlevel.wait_readable(STDIN)
        try:
            pressed = os.read(STDIN, KEYS_READ_BYTES)
        except OSError:
            return  # the terminal is gone
        if not pressed:
            return
        if any(one in keys for one in pressed):
            scope.cancel()
