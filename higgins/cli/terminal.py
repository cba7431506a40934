"""Tables and progress on a terminal, drawn with rich.

rich takes 50 ms and 4 MB to import, so this module is imported only where something is drawn: not by `up`, not where
output goes to a pipe or is JSON. What is printed there is made in `common`, in plain lines that programs read.

rich respects NO_COLOR. On a terminal that cannot move its cursor (TERM=dumb) nothing is drawn over.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

import trio
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from higgins.cli.common import cell_text
from higgins.telemetry.printable import printable

BAR_CHARACTERS = 24
CELL_CHARACTERS_MAX = 48
COLUMNS_MAX = 1_000


def console_of(stream: TextIO | None = None) -> Console:
    """A console on a stream, standard output if not given. Text is printed as it is: no markup, no highlighting."""
    return Console(file=stream or sys.stdout, markup=False, highlight=False, emoji=False)


def draws(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which lines can be drawn over."""
    return stream.isatty() and not console_of(stream).is_dumb_terminal


def table_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table: a dash where there is nothing, numbers to the right. A cell that is too long continues below."""
    return _table(header, rows, no_wrap=False)


class CroppedTable:
    """The same with each row on one line: long cells are cut, and so are the columns that have no room.

    rich alone would narrow every column until all of them fit, which on a small terminal leaves nothing to read.
    """

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        self._table = _table(header, rows, no_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """rich's protocol of what can be drawn."""
        for line in console.render_lines(self._table, options.update(width=COLUMNS_MAX), pad=False):
            yield from Segment.adjust_line_length(line, options.max_width, pad=False)
            yield Segment.line()


def _table(header: Sequence[str], rows: Iterable[Sequence[object]], *, no_wrap: bool) -> Table:
    cells = [list(map(cell_text, row)) for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(header):
        # The first column names what a row is about, and a name may begin with a digit.
        is_number = bool(cells) and index > 0 and all(row[index] == "-" or row[index][:1].isdigit() for row in cells)
        table.add_column(
            Text(printable(name)),
            justify="right" if is_number else "left",
            no_wrap=no_wrap,
            max_width=CELL_CHARACTERS_MAX if no_wrap else None,
            overflow="ellipsis" if no_wrap else "fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    return table


class ProgressLine:
    """A line with a count, and where the end is known a bar and the time left. It is wiped when it is stopped.

    It is refreshed only by `show`. rich would refresh it from a thread of its own, while the event loop changes it.
    """

    def __init__(self, stream: TextIO, *, has_end: bool) -> None:
        columns: list[ProgressColumn] = [TextColumn("{task.fields[count]}", markup=False)]
        if has_end:
            columns = [BarColumn(BAR_CHARACTERS), TaskProgressColumn(), *columns, TimeRemainingColumn()]
        self._progress = Progress(
            *columns,
            console=console_of(stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            get_time=trio.current_time,
        )
        self._task = self._progress.add_task("", total=1.0 if has_end else None, count="")
        self._progress.start()

    def show(self, count: str, done: float | None) -> None:
        """Show a count, and which part of the work is done."""
        self._progress.update(self._task, completed=min(done or 0.0, 1.0), count=count, refresh=True)

    def stop(self) -> None:
        """Wipe the line."""
        self._progress.stop()
