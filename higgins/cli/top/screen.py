"""Rates as people read them: one line, or a screen of tables cut to its size. Pure."""

from collections.abc import Sequence

from higgins.cli.common import table_lines
from higgins.cli.top.rates import Rates

COLUMNS_MIN = 40
ROWS_APIS = 5


def line(rates: Rates) -> str:
    """Everything that matters, in one line."""
    return "   ".join(_summary(rates))


def _summary(rates: Rates) -> tuple[str, str]:
    return (
        f"in {count(rates.records_in)} records/s {size(rates.bytes_in)}/s   out {size(rates.bytes_out)}/s   "
        f"lag {rates.lag}",
        f"{count(rates.requests)} requests/s   {count(rates.errors)} errors/s   {count(rates.commits)} commits/s   "
        f"{rates.connections} connections",
    )


def screen(rates: Rates, *, columns: int, rows: int, title: str) -> list[str]:
    """At most `rows` lines of at most `columns` characters: the cluster, then tables, the busiest first in each."""
    head = [title, *_summary(rates), ""]
    tables = [one for one in (_nodes(rates), _apis(rates), _topics(rates), _groups(rates), _operators(rates)) if one]
    shown = head + _fit(tables, max(rows - len(head), 0))
    return [each[: max(columns, COLUMNS_MIN)] for each in shown[:rows]]


def _fit(tables: Sequence[list[str]], rows: int) -> list[str]:
    """Each table gets what it needs up to a fair share; what small ones leave goes to those after them."""
    lines: list[str] = []
    for i, table in enumerate(tables):
        share = (rows - len(lines)) // (len(tables) - i)
        if share < 2:
            break
        lines += table[: share - 1]
        lines.append("")
    return lines


def _nodes(rates: Rates) -> list[str]:
    header = ("NODE", "CPU", "MEMORY", "CONNECTIONS", "REQUESTS/S", "COMMITS/S", "STORE OPS/S", "STORE FAILURES")
    return table_lines(
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


def _apis(rates: Rates) -> list[str]:
    asked = [one for one in rates.apis if one.requests][:ROWS_APIS]
    if not asked:
        return []
    return table_lines(
        ("API", "REQUESTS/S", "MEAN MS", "ERRORS/S"),
        [(one.api, count(one.requests), one.mean_ms, count(one.errors)) for one in asked],
    )


def _topics(rates: Rates) -> list[str]:
    if not rates.topics:
        return []
    return table_lines(
        (f"TOPIC ({rates.topics_total})", "PARTITIONS", "RECORDS", "IN/S", "BYTES IN/S", "BYTES OUT/S"),
        [
            (one.topic, one.partitions, one.records, count(one.records_in), size(one.bytes_in), size(one.bytes_out))
            for one in rates.topics
        ],
    )


def _groups(rates: Rates) -> list[str]:
    if not rates.groups:
        return []
    return table_lines(
        (f"GROUP ({rates.groups_total})", "MEMBERS", "PARTITIONS", "LAG"),
        [(one.name, one.members, one.partitions, one.lag) for one in rates.groups],
    )


def _operators(rates: Rates) -> list[str]:
    if not rates.operators:
        return []
    return table_lines(
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
