"""The index of one partition: offset to pointer, as parallel arrays of runs.

Full chunks are never changed in place, so a snapshot shares them; only the last chunk is copied. A run takes 48 bytes.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import msgspec

from higgins.model.pointer import ObjectId

CHUNK_RUNS = 4096
COLUMNS = 6
_LENGTH_BITS = 31
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1
_FLAG_BITS = 8
_FLAG_MASK = (1 << _FLAG_BITS) - 1

TRANSACTIONAL = 1
"""Some batch of the run belongs to a transaction, so a read_committed reader needs the aborted ranges."""
CONTROL = 2
"""Some batch of the run is a control batch: a transaction marker, which takes an offset and holds no record."""
STORED_OFFSETS = 4
"""Batches carry their own base offsets. Without it they are numbered from the run's base offset by their counts, as
they are when they come from a producer; compaction leaves gaps, which only stored offsets can express."""


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Consecutive batches of one partition that lie side by side in one object."""

    base_offset: int
    last_offset: int
    """Inclusive. With STORED_OFFSETS it may lie after the last record: what is between was compacted away."""
    object_id: ObjectId
    position: int
    length: int
    max_timestamp: int
    max_timestamp_offset: int
    """The base offset of the first batch whose greatest timestamp is `max_timestamp`."""
    flags: int = 0


class _Chunk:
    __slots__ = ("base", "extra", "greatest", "last", "object", "place", "timestamp")

    def __init__(self) -> None:
        self.base = array("q")
        self.last = array("q")
        self.object = array("q")
        self.place = array("q")
        """Position and length."""
        self.timestamp = array("q")
        self.extra = array("q")
        """Max timestamp offset, relative to the base offset, and flags."""
        self.greatest = -1
        """The greatest timestamp in the chunk, so that a search by time skips whole chunks."""

    def columns(self) -> "tuple[array[int], ...]":
        return self.base, self.last, self.object, self.place, self.timestamp, self.extra

    def bytes(self) -> int:
        """Stored bytes of the runs in it."""
        return sum(place & _LENGTH_MASK for place in self.place)

    def append(self, run: Run) -> None:
        self.base.append(run.base_offset)
        self.last.append(run.last_offset)
        self.object.append(run.object_id)
        self.place.append(run.position << _LENGTH_BITS | run.length)
        self.timestamp.append(run.max_timestamp)
        self.extra.append((run.max_timestamp_offset - run.base_offset) << _FLAG_BITS | run.flags)
        self.greatest = max(self.greatest, run.max_timestamp)

    def split(self, at: int) -> "tuple[_Chunk, _Chunk]":
        """Copies of the runs before index `at` and of those from it on; neither is empty."""
        parts = _Chunk(), _Chunk()
        for part, rows in zip(parts, (slice(0, at), slice(at, None)), strict=True):
            for column, whole in zip(part.columns(), self.columns(), strict=True):
                column.extend(whole[rows])
            part.greatest = max(part.timestamp)
        return parts

    def run(self, i: int) -> Run:
        place, extra, base = self.place[i], self.extra[i], self.base[i]
        return Run(
            base,
            self.last[i],
            ObjectId(self.object[i]),
            place >> _LENGTH_BITS,
            place & _LENGTH_MASK,
            self.timestamp[i],
            base + (extra >> _FLAG_BITS),
            extra & _FLAG_MASK,
        )


class RunIndex:
    """Runs in offset order. Appending is amortised constant; finding is two bisections."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = [_Chunk()]
        self._firsts: list[int] = []
        self.bytes = 0
        """Stored bytes of all runs."""

    def __len__(self) -> int:
        return sum(len(chunk.base) for chunk in self._chunks)

    def append(self, run: Run) -> None:
        """Add a run at the end."""
        assert 0 < run.length <= _LENGTH_MASK and 0 <= run.flags <= _FLAG_MASK, run
        chunk = self._chunks[-1]
        if len(chunk.base) == CHUNK_RUNS:
            chunk = _Chunk()
            self._chunks.append(chunk)
        if not chunk.base:
            self._firsts.append(run.base_offset)
        else:
            assert run.base_offset > chunk.last[-1], (run, chunk.last[-1])
        chunk.append(run)
        self.bytes += run.length

    def find(self, offset: int, runs_max: int, bytes_max: int) -> list[Run]:
        """The run holding `offset` (or the first after it) and those that follow.

        Stops at `runs_max` runs, or once `bytes_max` bytes are reached; the first run is always there if any is.
        """
        if not self._firsts:
            return []
        c = max(bisect_right(self._firsts, offset) - 1, 0)
        chunk = self._chunks[c]
        i = max(bisect_right(chunk.base, offset) - 1, 0)
        if chunk.last[i] < offset:
            i += 1
        runs: list[Run] = []
        total = 0
        while c < len(self._chunks) and len(runs) < runs_max and total < bytes_max:
            chunk = self._chunks[c]
            if i == len(chunk.base):
                c, i = c + 1, 0
                continue
            run = chunk.run(i)
            runs.append(run)
            total += run.length
            i += 1
        return runs

    def between(self, first_offset: int, last_offset: int) -> list[Run]:
        """Every run that overlaps these offsets, both inclusive."""
        runs: list[Run] = []
        offset = first_offset
        while batch := self.find(offset, 1000, 1 << 62):
            for run in batch:
                if run.base_offset > last_offset:
                    return runs
                runs.append(run)
            offset = batch[-1].last_offset + 1
        return runs

    def first_not_before(self, timestamp: int, from_offset: int) -> list[Run]:
        """The first run at or after `from_offset` whose greatest timestamp is not before `timestamp`; [] if none."""
        for chunk in self._chunks:
            if not chunk.base or chunk.last[-1] < from_offset or chunk.greatest < timestamp:
                continue
            for i, greatest in enumerate(chunk.timestamp):
                if greatest >= timestamp and chunk.last[i] >= from_offset:
                    return [chunk.run(i)]
        return []

    def newest(self, from_offset: int) -> list[Run]:
        """The first run that holds the greatest timestamp of all at or after `from_offset`; [] if there is none."""
        best: list[Run] = []
        for chunk in self._chunks:
            if not chunk.base or chunk.last[-1] < from_offset or (best and chunk.greatest <= best[0].max_timestamp):
                continue
            for i, greatest in enumerate(chunk.timestamp):
                if chunk.last[i] >= from_offset and (not best or greatest > best[0].max_timestamp):
                    best = [chunk.run(i)]
        return best

    def drop_below(self, offset: int) -> Counter[ObjectId]:
        """Drop the runs that end below an offset; how many runs each object loses."""
        dropped: Counter[ObjectId] = Counter()
        whole = 0
        while whole < len(self._firsts) and self._chunks[whole].last[-1] < offset:
            self._account(self._chunks[whole], dropped)
            whole += 1
        del self._chunks[:whole]
        del self._firsts[:whole]
        if not self._chunks:
            self._chunks.append(_Chunk())
        first = self._chunks[0]
        below = bisect_left(first.last, offset)
        if below:
            # A snapshot may share the chunk, so the runs that stay are copied into a new one.
            dropped_part, self._chunks[0] = first.split(below)
            self._account(dropped_part, dropped)
            self._firsts[0] = self._chunks[0].base[0]
        return dropped

    def replace(self, first_offset: int, last_offset: int, runs: Sequence[Run]) -> Counter[ObjectId]:
        """Put runs in the place of all runs within these offsets; how many runs each object loses.

        The bounds are those of whole runs, and the new runs lie within them, in order. Chunks that are touched are
        written anew, since a snapshot may share them.
        """
        first = max(bisect_right(self._firsts, first_offset) - 1, 0)
        last = max(bisect_right(self._firsts, last_offset) - 1, first)
        touched = self._chunks[first : last + 1]
        dropped: Counter[ObjectId] = Counter()
        unchanged: list[Run] = []
        for run in (chunk.run(i) for chunk in touched for i in range(len(chunk.base))):
            if first_offset <= run.base_offset and run.last_offset <= last_offset:
                dropped[run.object_id] += 1
                self.bytes -= run.length
            else:
                unchanged.append(run)
        self.bytes += sum(run.length for run in runs)
        chunks = list(_chunks_of(sorted([*unchanged, *runs], key=lambda run: run.base_offset)))
        self._chunks[first : last + 1] = chunks
        self._firsts[first : last + 1] = [chunk.base[0] for chunk in chunks]
        if not self._chunks or len(self._chunks[-1].base) == CHUNK_RUNS:
            self._chunks.append(_Chunk())
        return dropped

    def _account(self, chunk: _Chunk, dropped: Counter[ObjectId]) -> None:
        """Count the runs of a chunk that leaves the index."""
        self.bytes -= chunk.bytes()
        dropped.update(cast("Iterable[ObjectId]", chunk.object))

    def objects(self) -> Counter[ObjectId]:
        """Every object that runs lie in, and how many of them do; inline payloads included."""
        counts: Counter[ObjectId] = Counter()
        for chunk in self._chunks:
            counts.update(cast("Iterable[ObjectId]", chunk.object))
        return counts

    def freeze(self) -> Iterator[list[memoryview]]:
        """Chunks of `COLUMNS` columns of 64-bit integers each. Full chunks are shared, the last one is copied."""
        *full, last = self._chunks
        for chunk in full:
            yield [memoryview(column).cast("B") for column in chunk.columns()]
        if last.base:
            yield [memoryview(column.tobytes()) for column in last.columns()]

    def restore(self, columns: Sequence[memoryview]) -> None:
        """Add a chunk at the end. Raises: ValueError when its columns differ in length."""
        if len(columns) != COLUMNS or len({len(column) for column in columns}) != 1 or not columns[0]:
            raise ValueError("the columns of an index differ in length")
        chunk = _Chunk()
        for column, data in zip(chunk.columns(), columns, strict=True):
            column.frombytes(data)
        chunk.greatest = max(chunk.timestamp)
        if not self._chunks[-1].base:
            self._chunks.pop()
        self._chunks.append(chunk)
        self._firsts.append(chunk.base[0])
        self.bytes += chunk.bytes()
        if len(chunk.base) == CHUNK_RUNS:
            self._chunks.append(_Chunk())


def _chunks_of(runs: Sequence[Run]) -> Iterator[_Chunk]:
    for start in range(0, len(runs), CHUNK_RUNS):
        chunk = _Chunk()
        for run in runs[start : start + CHUNK_RUNS]:
            chunk.append(run)
        yield chunk
