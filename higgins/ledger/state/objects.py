"""Objects: which data objects and inline payloads the ledger knows, and how many pointers lead into each.

The count is the only truth about what may be deleted: an object may be deleted exactly when its count is zero. Every
pointer counts, of whatever kind: the runs of partitions, the state of operators. For an inline payload the object is
the commit that carries it: a commit with a counted payload must not be swept.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, MutableMapping, Sequence

import msgspec

from higgins.ledger.state.base import Facet, Facets, Fact, Moment, folds, slices
from higgins.ledger.state.overlay import Overlay
from higgins.model.pointer import ObjectId, commit_number_of, is_inline


class ObjectPut(Fact, frozen=True, tag=20):
    """A data object that facts of this commit point into, and its length in bytes."""

    object_id: ObjectId
    length: int


class ObjectRecord(msgspec.Struct, frozen=True, array_like=True):
    """An object's length in bytes, and how many pointers lead into it."""

    length: int
    live: int


class DataRow(msgspec.Struct, frozen=True, array_like=True, tag="data"):
    """A snapshot row: a data object."""

    object_id: int
    length: int
    live: int


class PayloadRow(msgspec.Struct, frozen=True, array_like=True, tag="payload"):
    """A snapshot row: inline payloads, as three columns of little-endian 64-bit integers."""

    numbers: memoryview
    lengths: memoryview
    counts: memoryview


CHUNK_PAYLOADS = 4096


class _Chunk:
    __slots__ = ("counts", "lengths", "live", "numbers")

    def __init__(self) -> None:
        self.numbers = array("q")
        self.lengths = array("q")
        self.counts = array("q")
        self.live = 0
        """How many of its payloads have pointers."""


class InlinePayloads:
    """Inline payloads with pointers into them, by commit number, in packed arrays.

    A light load writes one payload with every commit, a million in eleven days, and keeps each for as long as its
    records live. A dict would take about 200 bytes for each; the arrays take 24. Numbers only ever grow, so that an
    entry is added at the end and found by bisection; a chunk is dropped when nothing in it has pointers.
    """

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self._firsts: list[int] = []

    def add(self, number: int, length: int) -> None:
        """Add the payload of a commit, without pointers. The number must be greater than all before."""
        if not self._chunks or len(self._chunks[-1].numbers) == CHUNK_PAYLOADS:
            self._chunks.append(_Chunk())
            self._firsts.append(number)
        chunk = self._chunks[-1]
        assert not chunk.numbers or number > chunk.numbers[-1], number
        chunk.numbers.append(number)
        chunk.lengths.append(length)
        chunk.counts.append(0)

    def get(self, number: int) -> ObjectRecord | None:
        """Length and count; None for a payload that was never added, or of a chunk that was dropped."""
        place = self._find(number)
        if place is None:
            return None
        chunk, i = place
        return ObjectRecord(chunk.lengths[i], chunk.counts[i])

    def count(self, number: int, change: int) -> None:
        """Change the number of pointers into a payload that was added."""
        chunk, i = self._chunks[-1], -1
        if chunk.numbers[-1] != number:
            # Rarely: nearly all pointers lead into the payload of the commit that is being folded.
            place = self._find(number)
            assert place is not None, f"commit {number} has no known payload"
            chunk, i = place
        before = chunk.counts[i]
        after = chunk.counts[i] = before + change
        assert after >= 0, f"payload of commit {number}: count {after}"
        if not before:
            chunk.live += 1
        if not after:
            chunk.live -= 1
            if not chunk.live and chunk is not self._chunks[-1]:
                c = self._chunks.index(chunk)
                del self._chunks[c], self._firsts[c]

    def lowest(self) -> int | None:
        """The lowest commit whose payload has pointers; no commit from there on may be swept. None when none has."""
        for chunk in self._chunks:
            for number, count in zip(chunk.numbers, chunk.counts, strict=True):
                if count:
                    return number
        return None

    def freeze(self) -> Iterator[PayloadRow]:
        """Rows for a snapshot."""
        for chunk in self._chunks:
            columns = (chunk.numbers, chunk.lengths, chunk.counts)
            yield PayloadRow(*(memoryview(column.tobytes()) for column in columns))

    def restore(self, row: PayloadRow) -> None:
        """Add the payloads of a row. Raises: ValueError when its columns differ in length."""
        chunk = _Chunk()
        chunk.numbers.frombytes(row.numbers)
        chunk.lengths.frombytes(row.lengths)
        chunk.counts.frombytes(row.counts)
        if not len(chunk.numbers) == len(chunk.lengths) == len(chunk.counts) or not chunk.numbers:
            raise ValueError("the columns of inline payloads differ in length")
        chunk.live = sum(1 for count in chunk.counts if count)
        self._chunks.append(chunk)
        self._firsts.append(chunk.numbers[0])

    def _find(self, number: int) -> tuple[_Chunk, int] | None:
        c = bisect_right(self._firsts, number) - 1
        if c < 0:
            return None
        chunk = self._chunks[c]
        i = bisect_left(chunk.numbers, number)
        return (chunk, i) if i < len(chunk.numbers) and chunk.numbers[i] == number else None


class Objects(Facet, name="objects"):
    """The facet of objects and the pointers into them."""

    ROW = DataRow | PayloadRow

    def __init__(self, below: "Objects | None" = None) -> None:
        """With `below`, a draft over it."""
        self._data: MutableMapping[ObjectId, ObjectRecord] = {} if below is None else Overlay(below._data)
        self._payloads: InlinePayloads = InlinePayloads() if below is None else below._payloads
        self._payload_changes: dict[int, int] | None = None if below is None else dict(below._payload_changes or {})
        """In a draft: how many pointers more or fewer lead into each payload than State says."""

    def draft(self) -> "Objects":
        return Objects(self)

    def get(self, object_id: ObjectId) -> ObjectRecord | None:
        """Length and count of an object; None for one that no commit has mentioned, or that nothing points into."""
        if not is_inline(object_id):
            return self._data.get(object_id)
        number = commit_number_of(object_id)
        record = self._payloads.get(number)
        if not self._payload_changes or number not in self._payload_changes:
            return record
        length, live = (record.length, record.live) if record is not None else (0, 0)
        return ObjectRecord(length, live + self._payload_changes[number])

    def data(self) -> Iterator[tuple[ObjectId, ObjectRecord]]:
        """Every data object; those without pointers may be deleted."""
        return iter(self._data.items())

    def lowest_payload(self) -> int | None:
        """The lowest commit whose inline payload has pointers; None when no commit's has."""
        return self._payloads.lowest()

    def add_payload(self, number: int, length: int) -> None:
        """A commit carries an inline payload. Written from the commit itself, before its facts are folded."""
        self._payloads.add(number, length)

    @folds(ObjectPut)
    def _put(self, fact: ObjectPut, moment: Moment, state: Facets) -> None:
        # Another proposal of the same flush may have mentioned it already; the pointers into it stay counted.
        if fact.object_id not in self._data:
            self._data[fact.object_id] = ObjectRecord(fact.length, 0)

    def count(self, object_id: ObjectId, change: int) -> None:
        """Change the number of pointers into an object that was put before."""
        if is_inline(object_id):
            number = commit_number_of(object_id)
            if self._payload_changes is None:
                self._payloads.count(number, change)
            else:
                self._payload_changes[number] = self._payload_changes.get(number, 0) + change
            return
        record = self._data[object_id]
        live = record.live + change
        assert live >= 0, f"object {object_id}: count {live}"
        self._data[object_id] = ObjectRecord(record.length, live)

    def freeze(self) -> Iterator[Sequence[DataRow | PayloadRow]]:
        yield from slices(DataRow(object_id, record.length, record.live) for object_id, record in self._data.items())
        yield from slices(self._payloads.freeze(), size=10)

    def restore(self, level: int, rows: Sequence[DataRow | PayloadRow]) -> None:
        for row in rows:
            if isinstance(row, DataRow):
                self._data[ObjectId(row.object_id)] = ObjectRecord(row.length, row.live)
            else:
                self._payloads.restore(row)
