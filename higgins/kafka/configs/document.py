"""The table of config entries as a page of Markdown, and as rows. Nothing is said here that the table does not say."""

from collections.abc import Iterable

import msgspec

from higgins.kafka.configs.entry import Entry, ResourceType
from higgins.kafka.configs.tables import TABLES, WORDS

HEAD = """# Config entries

Kafka's config entries with their names, types and defaults, and what each does in Higgins. An entry that is *accepted,
without effect* is kept, checked and shown, and does nothing more. Dynamic entries take effect on every node without a
restart; the others are given when a node starts, with `higgins up --set NAME=VALUE`.

A topic's value is its own, or else a broker's (the first of the entries named), or else the default.

Where Kafka does otherwise:

- What Kafka reads only when a broker starts takes effect here at any time, unless the table says *at the start only*.
- Bounds of a single process have defaults of their own: `group.max.size`, `max.connections`, `max.connections.per.ip`.
- A name that nobody knows is refused for brokers too, and a malformed value is always INVALID_CONFIG.
- The value described is the one in effect, also where a broker gives a topic's age in another unit than the topic.
- Listeners, keystores, passwords, controllers and tiers have no dynamic entries, and the root is the only logger.
"""
CHAPTERS: dict[ResourceType, str] = {
    ResourceType.TOPIC: "Topics\n\n`higgins topic config set TOPIC KEY=VALUE`",
    ResourceType.BROKER: "Brokers\n\n`kafka-configs --entity-type brokers`, with `--entity-default` for all of them",
    ResourceType.GROUP: "Groups",
    ResourceType.CLIENT_METRICS: "Subscriptions to clients' metrics",
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


def as_markdown() -> str:
    """The page."""
    parts = [HEAD]
    for kind, table in TABLES.items():
        parts.append(f"\n## {CHAPTERS[kind]}\n\n")
        parts.extend(_lines(_row(WORDS[kind], entry) for entry in table.values()))
    return "".join(parts)


def _row(scope: str, entry: Entry) -> Row:
    return Row(
        scope=scope,
        name=entry.name,
        type=entry.type.name.lower(),
        default=entry.default,
        possible=entry.domain.told,
        dynamic=not entry.is_fixed,
        effect=entry.effect,
        documentation=entry.documentation,
        broker_entries=entry.synonyms,
    )


def _lines(rows: Iterable[Row]) -> Iterable[str]:
    yield "| entry | type | default | possible | what it is | here |\n|---|---|---|---|---|---|\n"
    for row in rows:
        synonyms = f" Else: {', '.join(f'`{name}`' for name in row.broker_entries)}." if row.broker_entries else ""
        default = "none" if row.default is None else f"`{row.default}`" if row.default else "empty"
        effect = row.effect if row.dynamic else f"at the start only; {row.effect}"
        cells = (f"`{row.name}`", row.type, default, row.possible, row.documentation + synonyms, effect)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
