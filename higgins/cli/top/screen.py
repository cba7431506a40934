"""Rates as text: one line, or tables. Pure; `live` draws the tables on a terminal."""

from collections.abc import Sequence

import msgspec

from higgins.cli.common import table_lines
from higgins.cli.top.rates import Rates
from higgins.telemetry.printable import printable

ROWS_APIS = 5


class Table(msgspec.Struct, frozen=True):
    """A table: the names of its columns, and its rows."""

    header: tuple[str, ...]
    rows: list[tuple[object, ...]]


def line(rates: Rates) -> str:
    """The whole cluster, in one line."""
    return "   ".join(summary(rates))


def summary(rates: Rates) -> tuple[str, str]:
    """The whole cluster, in two lines."""
    return (
        f"in {count(rates.records_in)} records/s {size(rates.bytes_in)}/s   out {size(rates.bytes_out)}/s   "
        f"lag {rates.lag}",
        f"{count(rates.requests)} requests/s   {count(rates.errors)} errors/s   {count(rates.commits)} commits/s   "
        f"{rates.connections} connections",
    )


def plain(rates: Rates, title: str) -> list[str]:
    """The cluster and all tables, as plain lines."""
    lines = [printable(title), *summary(rates)]
    for table in tables(rates):
        lines += ["", *table_lines(table.header, table.rows)]
    return lines


def tables(rates: Rates) -> list[Table]:
    """Every table that has rows; the busiest row is the first in each."""
    every = (_nodes(rates), _apis(rates), _topics(rates), _groups(rates), _operators(rates))
    return [one for one in every if one.rows]


def fit(tables: Sequence[Table], lines_max: int) -> list[Table]:
    """The tables cut so that each takes at most a fair share of the lines; what one does not need goes to the next.

    A table takes a line for its header, one for each row and one after it.
    """
    shown: list[Table] = []
    remaining = lines_max
    for i, table in enumerate(tables):
        share = remaining // (len(tables) - i)
        if share < 3:
            break
        cut = Table(table.header, table.rows[: share - 2])
        shown.append(cut)
        remaining -= len(cut.rows) + 2
    return shown


def _nodes(rates: Rates) -> Table:
    header = ("NODE", "CPU", "MEMORY", "CONNECTIONS", "REQUESTS/S", "COMMITS/S", "STORE OPS/S", "STORE FAILURES")
    return Table(
        header,
        [
            (
                one.node,
                f"{100 * one.processor:.0f}%",
                size(one.resident_bytes),
                one.connections,
                count(one.requests),
                count(one.commits),
                count(one.store_operations),
                one.store_failures,
            )
            for one in rates.nodes
        ],
    )


def _apis(rates: Rates) -> Table:
    used = [one for one in rates.apis if one.requests][:ROWS_APIS]
    return Table(
        ("API", "REQUESTS/S", "MEAN MS", "ERRORS/S"),
        [(one.api, count(one.requests), one.mean_ms, count(one.errors)) for one in used],
    )


def _topics(rates: Rates) -> Table:
    return Table(
        (f"TOPIC ({rates.topics_total})", "PARTITIONS", "RECORDS", "IN/S", "BYTES IN/S", "BYTES OUT/S"),
        [
            (one.topic, one.partitions, one.records, count(one.records_in), size(one.bytes_in), size(one.bytes_out))
            for one in rates.topics
        ],
    )


def _groups(rates: Rates) -> Table:
    return Table(
        (f"GROUP ({rates.groups_total})", "MEMBERS", "PARTITIONS", "LAG"),
        [(one.name, one.members, one.partitions, one.lag) for one in rates.groups],
    )


def _operators(rates: Rates) -> Table:
    return Table(
        ("OPERATOR", "INPUT", "OUTPUT", "RECORDS/S", "LAG", "STATE"),
        [(one.operator, one.input, one.output, count(one.records), one.lag, one.state) for one in rates.operators],
    )


def count(value: float) -> str:
    """A rate, with a decimal only where it is small."""
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


def size(value: float) -> str:
    """Bytes in the unit that keeps them short."""
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{count(value)} {unit}"
        value /= 1000
    return f"{count(value)} GB"
