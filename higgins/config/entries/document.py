"""The tables of config entries as Markdown and as rows. Everything on the page comes from the tables."""

from collections.abc import Iterable

import msgspec

from higgins.config.entries.entry import Entry, ResourceType
from higgins.config.entries.tables import TABLES, WORDS

INTRODUCTION = """\
Kafka's config entries with their names, types and defaults, and what each does in Higgins. An entry that is *accepted,
without effect* is validated, stored and shown, and does nothing else. Dynamic entries can be changed at any time and
take effect on every node without a restart. The others are set when a node starts, with `higgins up --set NAME=VALUE`.

The value of a topic's entry is the topic's own; or else the broker's, from the first of the listed entries that is set;
or else the default.

Differences from Kafka:

- Entries that Kafka reads only when a broker starts can be changed at any time, unless the table says *at start only*.
- Limits of a process have other defaults: `group.max.size`, `max.connections`, `max.connections.per.ip`.
- Unknown names are refused for brokers too, and a malformed value is always answered with INVALID_CONFIG.
- The value shown is the one in effect, also where a broker's entry has another unit than the topic's.
- There are no dynamic entries for listeners, keystores, passwords, controllers and tiered storage. The only logger is
  the root logger.
"""
SECTIONS: dict[ResourceType, str] = {
    ResourceType.TOPIC: "Topics\n\nChange with `higgins topic config set TOPIC KEY=VALUE`, or with any admin client.",
    ResourceType.BROKER: (
        "Brokers\n\nChange with `kafka-configs --entity-type brokers` (with `--entity-default` for all brokers), "
        "or with any admin client."
    ),
    ResourceType.GROUP: "Groups",
    ResourceType.CLIENT_METRICS: "Subscriptions to client metrics",
}


class Row(msgspec.Struct, frozen=True):
    """One entry as people read it."""

    scope: str
    name: str
    type: str
    default: str | None
    possible: str
    dynamic: bool
    effect: str
    documentation: str
    broker_entries: tuple[str, ...]


def as_rows() -> list[Row]:
    """Every entry, by scope and name."""
    return [_row(WORDS[kind], entry) for kind, table in TABLES.items() for entry in table.values()]


def as_markdown(level: int = 1) -> str:
    """The page, with its title at this level of heading."""
    heading = "#" * level
    parts = [f"{heading} Kafka's config entries\n\n{INTRODUCTION}"]
    for kind, table in TABLES.items():
        parts.append(f"\n{heading}# {SECTIONS[kind]}\n\n")
        parts.extend(_lines(_row(WORDS[kind], entry) for entry in table.values()))
    return "".join(parts)


def table_row(*cells: str) -> str:
    """One line of a Markdown table; a bar inside a cell is escaped."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _row(scope: str, entry: Entry) -> Row:
    return Row(
        scope=scope,
        name=entry.name,
        type=entry.type.name.lower(),
        default=entry.default,
        possible=entry.domain.description,
        dynamic=not entry.is_read_only,
        effect=entry.effect,
        documentation=entry.documentation,
        broker_entries=entry.synonyms,
    )


def _lines(rows: Iterable[Row]) -> Iterable[str]:
    yield table_row("entry", "type", "default", "possible values", "meaning", "changes", "in Higgins")
    yield "|---|---|---|---|---|---|---|\n"
    for row in rows:
        names = ", ".join(f"`{name}`" for name in row.broker_entries)
        meaning = f"{row.documentation} Broker entries: {names}." if names else row.documentation
        default = "none" if row.default is None else f"`{row.default}`" if row.default else "empty"
        changes = "at any time" if row.dynamic else "at start only"
        yield table_row(f"`{row.name}`", row.type, default, row.possible, meaning, changes, row.effect)
