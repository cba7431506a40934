"""How far long work has come, on a terminal. Nothing is drawn where there is none.

It is drawn on standard error, so that what a command prints can be piped meanwhile.
"""

import sys
from collections.abc import Callable
from typing import Protocol, TextIO

import trio

from higgins.model.words import plural

DRAWN_EVERY_S = 0.1


class Line(Protocol):
    """A progress line that is shown; `higgins.cli.terminal` has it."""

    def show(self, count: str, done: float | None) -> None: ...

    def stop(self) -> None: ...


class Progress:
    """Counts records, and redraws its line at most ten times a second. Used inside `with`, which wipes the line."""

    def __init__(
        self,
        done: Callable[[], float | None] = lambda: None,
        *,
        shares_terminal: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        """`done` returns which part of all the work is done, from 0 to 1, or None where that is not known.

        `shares_terminal`: what the command reads or prints is on the terminal too, so nothing is drawn in between.
        """
        self._done = done
        self._stream = sys.stderr if stream is None else stream
        self._is_shown = self._stream.isatty() and not shares_terminal
        self._started_s = self._drawn_s = trio.current_time()
        self._line: Line | None = None
        self.records = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.stop()

    def advance(self, records: int) -> None:
        """Count so many more."""
        self.records += records
        now_s = trio.current_time()
        if self._is_shown and now_s - self._drawn_s >= DRAWN_EVERY_S:
            self._drawn_s = now_s
            self._draw(now_s - self._started_s)

    def _draw(self, elapsed_s: float) -> None:
        # rich takes 50 ms to import: most of a short command, and of no use where nothing is drawn.
        from higgins.cli.terminal import ProgressLine, draws  # noqa: PLC0415

        done = self._done()
        if self._line is None:
            if not draws(self._stream):
                self._is_shown = False
                return
            self._line = ProgressLine(self._stream, has_end=done is not None)
        self._line.show(count_text(self.records, elapsed_s), done)


def count_text(records: int, elapsed_s: float) -> str:
    """How many records, and how many a second."""
    rate = records / elapsed_s if elapsed_s > 0 else 0.0
    return f"{records:,} {plural(records, 'record')}  {rate:,.0f}/s"
