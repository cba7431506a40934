"""Objects: which data objects exist as far as the ledger knows, and how many index entries point into each.

That count is the only truth of what may ever be deleted. Inline payloads are not counted: they live as long as the
commit that carries them.
"""

from collections.abc import MutableMapping

import msgspec

from higgins.ledger.state.base import Fact, Moment
from higgins.ledger.state.overlay import Overlay
from higgins.model.pointer import ObjectId


class ObjectRecord(msgspec.Struct, frozen=True, array_like=True):
    """A data object's length in bytes and its live count."""

    length: int
    live: int


class ObjectPut(Fact, frozen=True, tag=20):
    """A data object that runs of this commit point into."""

    object_id: ObjectId
    length: int


class Objects:
    """The facet of data objects."""

    def __init__(self, records: MutableMapping[ObjectId, ObjectRecord]) -> None:
        self.records = records

    def draft(self) -> "Objects":
        return Objects(Overlay(self.records))

    def fold(self, fact: ObjectPut, moment: Moment) -> None:
        # Named again by another append of the same proposal, it keeps what already points into it.
        if fact.object_id not in self.records:
            self.records[fact.object_id] = ObjectRecord(fact.length, 0)

    def count(self, object_id: ObjectId, change: int) -> None:
        """One entry more or fewer points into the object."""
        record = self.records[object_id]
        live = record.live + change
        assert live >= 0, f"object {object_id}: live count {live}"
        self.records[object_id] = ObjectRecord(record.length, live)

    def freeze(self) -> list[tuple[int, int, int]]:
        return [(object_id, record.length, record.live) for object_id, record in self.records.items()]

    @staticmethod
    def restore(frozen: list[tuple[int, int, int]]) -> "Objects":
        return Objects({ObjectId(object_id): ObjectRecord(length, live) for object_id, length, live in frozen})
