"""A warning in the log for config entries that are accepted and change nothing, whichever client sets them."""

from collections.abc import Iterable

import structlog

from higgins.config.entries.entry import Table

log = structlog.get_logger("higgins.admin")


class EffectNotes:
    """Warns once for each entry. Tools that set the same entries on every topic would fill the log otherwise."""

    def __init__(self) -> None:
        self._noted: set[str] = set()
        """Bounded by the number of entries that exist."""

    def note(self, resource: str, table: Table, keys: Iterable[str]) -> None:
        """These entries of a resource were set."""
        for key in sorted(keys):
            entry = table.get(key)
            if entry is not None and entry.is_worth_a_note and key not in self._noted:
                self._noted.add(key)
                log.warning("config.without_effect", entry=key, resource=resource, why=entry.effect)
