"""The index of one partition: offset to pointer, as parallel arrays of runs.

Full chunks are never touched again, so a snapshot shares them; only the last chunk is copied. A run is 40 bytes.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import cast

import msgspec

from higgins.model.pointer import Buffer, ObjectId

CHUNK_RUNS = 4096
_LENGTH_BITS = 31
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1


class Run(msgspec.Struct, frozen=True):
    """Consecutive batches of one partition that lie side by side in one object."""

    base_offset: int
    last_offset: int
    object_id: ObjectId
    position: int
    length: int
    max_timestamp: int


class _Chunk:
    __slots__ = ("base", "greatest", "last", "object", "place", "timestamp")

    def __init__(self) -> None:
        self.base = array("q")
        self.last = array("q")
        self.object = array("q")
        self.place = array("q")
        self.timestamp = array("q")
        self.greatest = -1
        """The greatest timestamp in the chunk, so that a search by time passes whole chunks."""

    def columns(self) -> "tuple[array[int], ...]":
        return self.base, self.last, self.object, self.place, self.timestamp

    def bytes(self) -> int:
        """Stored bytes of the runs in it."""
        return sum(place & _LENGTH_MASK for place in self.place)

    def split(self, at: int) -> "tuple[_Chunk, _Chunk]":
        """Copies of what is before a run and of what begins with it; neither is empty."""
        parts = _Chunk(), _Chunk()
        for part, rows in zip(parts, (slice(0, at), slice(at, None)), strict=True):
            for column, whole in zip(part.columns(), self.columns(), strict=True):
                column.extend(whole[rows])
            part.greatest = max(part.timestamp)
        return parts

    def run(self, i: int) -> Run:
        place = self.place[i]
        return Run(
            self.base[i],
            self.last[i],
            ObjectId(self.object[i]),
            place >> _LENGTH_BITS,
            place & _LENGTH_MASK,
            self.timestamp[i],
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
        """Add a run behind all others."""
        assert 0 < run.length <= _LENGTH_MASK, run
        chunk = self._chunks[-1]
        if len(chunk.base) == CHUNK_RUNS:
            chunk = _Chunk()
            self._chunks.append(chunk)
        if not chunk.base:
            self._firsts.append(run.base_offset)
        else:
            assert run.base_offset > chunk.last[-1], (run, chunk.last[-1])
        chunk.base.append(run.base_offset)
        chunk.last.append(run.last_offset)
        chunk.object.append(run.object_id)
        chunk.place.append(run.position << _LENGTH_BITS | run.length)
        chunk.timestamp.append(run.max_timestamp)
        chunk.greatest = max(chunk.greatest, run.max_timestamp)
        self.bytes += run.length

    def find(self, offset: int, runs_max: int, bytes_max: int) -> list[Run]:
        """The run holding `offset` (or the first behind it) and those that follow.

        Stops at `runs_max` runs, or once `bytes_max` bytes are reached; the first run is always there if any is.
        """
        if not self._firsts:
            return []
        c = max(bisect_right(self._firsts, offset) - 1, 0)
        chunk = self._chunks[c]
        i = max(bisect_right(chunk.base, offset) - 1, 0)
        if chunk.last[i] < offset:
            i += 1
        found: list[Run] = []
        total = 0
        while c < len(self._chunks) and len(found) < runs_max and total < bytes_max:
            chunk = self._chunks[c]
            if i == len(chunk.base):
                c, i = c + 1, 0
                continue
            run = chunk.run(i)
            found.append(run)
            total += run.length
            i += 1
        return found

    def first_not_before(self, timestamp: int, from_offset: int) -> list[Run]:
        """The first run at or behind `from_offset` whose greatest timestamp is not before `timestamp`; [] if none."""
        for chunk in self._chunks:
            if not chunk.base or chunk.last[-1] < from_offset or chunk.greatest < timestamp:
                continue
            for i, greatest in enumerate(chunk.timestamp):
                if greatest >= timestamp and chunk.last[i] >= from_offset:
                    return [chunk.run(i)]
        return []

    def newest(self, from_offset: int) -> list[Run]:
        """The first run that holds the greatest timestamp of all at or behind `from_offset`; [] if there is none."""
        best: list[Run] = []
        for chunk in self._chunks:
            if not chunk.base or chunk.last[-1] < from_offset or (best and chunk.greatest <= best[0].max_timestamp):
                continue
            for i, greatest in enumerate(chunk.timestamp):
                if chunk.last[i] >= from_offset and (not best or greatest > best[0].max_timestamp):
                    best = [chunk.run(i)]
        return best

    def drop_below(self, offset: int) -> Counter[ObjectId]:
        """Forget the runs that end below an offset; the objects they lay in, and how many runs each loses."""
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
            # A snapshot may share the chunk, so what stays of it becomes a new one.
            gone, self._chunks[0] = first.split(below)
            self._account(gone, dropped)
            self._firsts[0] = self._chunks[0].base[0]
        return dropped

    def _account(self, gone: _Chunk, dropped: Counter[ObjectId]) -> None:
        self.bytes -= gone.bytes()
        dropped.update(cast("Iterable[ObjectId]", gone.object))

    def objects(self) -> Counter[ObjectId]:
        """Every object that runs lie in, and how many of them do; inline payloads included."""
        counts: Counter[ObjectId] = Counter()
        for chunk in self._chunks:
            counts.update(cast("Iterable[ObjectId]", chunk.object))
        return counts

    def freeze(self) -> list[list[Buffer]]:
        """Chunks of five columns of 64-bit integers each. Full chunks are shared, the last one is copied."""
        *full, last = self._chunks
        frozen: list[list[Buffer]] = [[memoryview(column).cast("B") for column in chunk.columns()] for chunk in full]
        if last.base:
            frozen.append([column.tobytes() for column in last.columns()])
        return frozen

    @staticmethod
    def restore(frozen: list[list[bytes]]) -> "RunIndex":
        """Raises: ValueError when the columns of a chunk are not five of one length."""
        index = RunIndex()
        index._chunks.clear()
        for columns in frozen:
            if len(columns) != 5 or len({len(column) for column in columns}) != 1 or not columns[0]:
                raise ValueError("the columns of an index differ in length")
            chunk = _Chunk()
            for column, data in zip(chunk.columns(), columns, strict=True):
                column.frombytes(data)
            chunk.greatest = max(chunk.timestamp)
            index._chunks.append(chunk)
            index._firsts.append(chunk.base[0])
            index.bytes += chunk.bytes()
        if not index._chunks or len(index._chunks[-1].base) == CHUNK_RUNS:
            index._chunks.append(_Chunk())
        return index
