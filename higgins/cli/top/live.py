"""Rates drawn with rich: a screen that is replaced at each interval, or printed once."""

from collections.abc import Sequence

from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.live import Live
from rich.text import Text

from higgins.cli.terminal import CroppedTable, table_of
from higgins.cli.top.rates import Rates
from higgins.cli.top.screen import Table, fit, summary, tables
from higgins.telemetry.printable import printable

HEAD_LINES = 4
"""The title, two lines of summary, and an empty one."""


def live_screen(console: Console) -> Live:
    """The whole terminal, given back on exit. It is refreshed only when it is updated: rich starts no thread."""
    return Live(console=console, screen=True, auto_refresh=False)


def screen(rates: Rates, title: str, console: Console) -> Group:
    """The cluster, and as much of each table as has room."""
    return _group(rates, title, fit(tables(rates), console.height - HEAD_LINES), one_line=True)


def whole(rates: Rates, title: str) -> Group:
    """The cluster and all tables."""
    return _group(rates, title, tables(rates), one_line=False)


def _group(rates: Rates, title: str, shown: Sequence[Table], *, one_line: bool) -> Group:
    overflow: OverflowMethod | None = "ellipsis" if one_line else None
    parts: list[RenderableType] = [
        Text(printable(one), style="bold" if one == title else "", no_wrap=one_line, overflow=overflow)
        for one in (title, *summary(rates))
    ]
    for table in shown:
        make = CroppedTable if one_line else table_of
        parts += ["", make(table.header, table.rows)]
    return Group(*parts)
