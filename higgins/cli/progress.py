"""A line on a terminal that says how far long work has come. Nothing where there is no terminal.

It is drawn on standard error, so that what a command prints can be piped meanwhile.
"""

import shutil
import sys
from collections.abc import Callable
from typing import TextIO

import trio

DRAWN_EVERY_S = 0.1
BAR_CHARACTERS = 24


class Progress:
    """Counts records and redraws its line, at most ten times a second. Used inside `with`, which wipes the line."""

    def __init__(
        self,
        done: Callable[[], float | None] = lambda: None,
        *,
        shares_terminal: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        """`done` says which part of all the work is done, from 0 to 1, where that can be known.

        `shares_terminal`: what the command reads or prints is on the terminal too, so nothing is drawn in between.
        """
        self._done = done
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty() and not shares_terminal
        self._begun_s = self._drawn_s = trio.current_time()
        self._width = 0
        self.records = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()

    def advance(self, records: int) -> None:
        """Count so many more."""
        self.records += records
        now_s = trio.current_time()
        if self._shown and now_s - self._drawn_s >= DRAWN_EVERY_S:
            self._drawn_s = now_s
            self._draw(render(self.records, now_s - self._begun_s, self._done()))

    def _draw(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)


def render(records: int, elapsed_s: float, done: float | None) -> str:
    """The line: a bar and the time left where the end is known, and always the count and the rate."""
    rate = records / elapsed_s if elapsed_s > 0 else 0.0
    count = f"{records:,} records  {rate:,.0f}/s"
    if done is None:
        return count
    done = min(max(done, 0.0), 1.0)
    filled = round(done * BAR_CHARACTERS)
    left = f"  {_span(elapsed_s * (1 - done) / done)} left" if 0 < done < 1 else ""
    return f"[{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {done:4.0%}  {count}{left}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
