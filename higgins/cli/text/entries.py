"""Config entries as people write them: KEY=VALUE; and what is said about those that have no effect."""

from collections.abc import Iterable, Mapping

from higgins.config.entries.topics import TOPIC_ENTRIES
from higgins.model.errors import Unfit


def parse_entries(pairs: Iterable[str], before: str = "") -> dict[str, str]:
    """Entries by key. `before` is the option that precedes each, for the message. Raises: Unfit."""
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise Unfit(f"{before}{pair}: write KEY=VALUE, as in {before}max.message.bytes=2000000.")
        if key in values:
            raise Unfit(f"{before}{pair}: {key} is given twice.")
        values[key] = value
    return values


def notes_without_effect(values: Mapping[str, str]) -> list[str]:
    """A sentence for each entry that does nothing, or less than in Kafka."""
    known = {key: TOPIC_ENTRIES[key] for key in values if key in TOPIC_ENTRIES}
    return [f"{key}: {entry.effect}." for key, entry in known.items() if entry.is_worth_a_note]
