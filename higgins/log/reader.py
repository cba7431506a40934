"""The reader: from an offset to batches, by way of index, planner and dereferencer."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec
import trio

from higgins.ledger.commit import Commit, commit_key, decode_commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.index import STORED_OFFSETS, Run
from higgins.log.planner import Cursor, pointer_from, serve
from higgins.model.errors import HigginsError, ObjectMissing
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectId, Pointer, commit_number_of, inline_payload, is_inline
from higgins.runtime import Runtime
from higgins.storage.cache import Blob, Cache
from higgins.storage.dereference import Dereferencer
from higgins.storage.store import Store
from higgins_protocol.records.batch import HEADER_BYTES, LENGTH_OVERHEAD, BatchHeader, read_header
from higgins_protocol.records.record import decode_records

RUNS_PER_READ = 256
CURSORS_MAX = 10_000

READS_AT_ONCE = 16
"""Runs read side by side: one after another, a hundred small runs far away would outlast any client's patience."""

READ_PATIENCE_S = 0.25
"""A read that has something serves it once it has taken this long."""


class Read(msgspec.Struct):
    """What a read found: pieces to send, their bytes, and the offset behind the last batch."""

    pieces: list[Buffer]
    length: int
    next_offset: int


class TimedRecord(msgspec.Struct, frozen=True):
    """A record found by time."""

    offset: int
    timestamp: int


class Reader:
    """One node's way out of the log. Never behind what this node has acknowledged, never past the high watermark."""

    def __init__(self, runtime: Runtime, store: Store, ledger: Ledger, cache: Cache) -> None:
        self._runtime = runtime
        self._store = store
        self._ledger = ledger
        self._cache = cache
        self._dereferencer = Dereferencer(store, cache, self._read_inline)
        self._cursors: OrderedDict[tuple[TopicId, int, int], tuple[Run, Cursor]] = OrderedDict()
        ledger.subscribe(self._keep_payload)

    def available(self, topic_id: TopicId, partition: int, offset: int, bytes_max: int) -> int:
        """About how many bytes lie at and behind an offset, counted up to `bytes_max`."""
        index = self._ledger.state.runs.index(topic_id, partition)
        return 0 if index is None else sum(run.length for run in index.find(offset, RUNS_PER_READ, bytes_max))

    def read_nowait(
        self, topic_id: TopicId, partition: int, offset: int, bytes_max: int, *, first: bool = True
    ) -> Read | None:
        """Whole batches from the one that holds `offset`, if they can be had without waiting; None where they cannot.

        At most `bytes_max` bytes; with `first`, at least one batch however large. Raises: Corrupt.
        """
        found = Read([], 0, offset)
        for run, cursor in self._runs(topic_id, partition, offset, bytes_max):
            views = self._dereferencer.fetch_nowait(pointer_from(run, cursor))
            if views is None:
                return None if not found.pieces else found
            if not self._take(found, topic_id, partition, run, cursor, views, bytes_max, first):
                break
        return found

    async def read(self, topic_id: TopicId, partition: int, offset: int, bytes_max: int, *, first: bool = True) -> Read:
        """The same, waiting for the store; what took long to get is served without waiting for more.

        Raises: StorageUnavailable, Corrupt.
        """
        found = Read([], 0, offset)
        begun = trio.current_time()
        runs = list(self._runs(topic_id, partition, offset, bytes_max))
        for start in range(0, len(runs), READS_AT_ONCE):
            window = runs[start : start + READS_AT_ONCE]
            for (run, cursor), views in zip(window, await self._fetch_all(window), strict=True):
                if isinstance(views, HigginsError):
                    if found.length:
                        return found
                    raise views
                if not self._take(found, topic_id, partition, run, cursor, views, bytes_max, first):
                    return found
            if found.length and trio.current_time() - begun > READ_PATIENCE_S:
                break
        return found

    async def read_pointers(self, pointers: Sequence[Pointer]) -> list[bytes]:
        """The bytes of pointers that the ledger keeps, in their order. Raises: StorageUnavailable, Corrupt."""
        blocks: list[bytes] = []
        for start in range(0, len(pointers), READS_AT_ONCE):
            for views in await self._fetch_pointers(pointers[start : start + READS_AT_ONCE]):
                if isinstance(views, HigginsError):
                    raise views
                blocks.append(b"".join(views))
        return blocks

    async def find_by_time(self, topic_id: TopicId, partition: int, timestamp: int) -> TimedRecord | None:
        """The first record whose timestamp is not before `timestamp`. Raises: StorageUnavailable, Corrupt."""
        index = self._ledger.state.runs.index(topic_id, partition)
        offset = self._ledger.state.runs.log_start(topic_id, partition)
        while index is not None and (runs := index.first_not_before(timestamp, offset)):
            found = await self._search(runs[0], timestamp, offset)
            if found is not None:
                return found
            # The header promised more than the records hold (its producer says what it likes): look further.
            offset = runs[0].last_offset + 1
        return None

    async def find_newest(self, topic_id: TopicId, partition: int) -> TimedRecord | None:
        """The first record with the greatest timestamp of all. Raises: StorageUnavailable, Corrupt."""
        index = self._ledger.state.runs.index(topic_id, partition)
        if index is None:
            return None
        start = self._ledger.state.runs.log_start(topic_id, partition)
        runs = index.newest(start)
        if not runs or runs[0].base_offset >= start:
            if not runs:
                return None
            return await self._search(runs[0], runs[0].max_timestamp, max(start, runs[0].max_timestamp_offset))
        # The log starts inside this run, and its newest record may be among those that were deleted.
        first = await self._newest_of(runs[0], start)
        others = index.newest(runs[0].last_offset + 1)
        if others and (first is None or others[0].max_timestamp > first.timestamp):
            return await self._search(others[0], others[0].max_timestamp, others[0].max_timestamp_offset)
        return first

    # ---- within -------------------------------------------------------------------------------------------------

    def _runs(
        self, topic_id: TopicId, partition: int, offset: int, bytes_max: int
    ) -> Iterator[tuple[Run, Cursor | None]]:
        index = self._ledger.state.runs.index(topic_id, partition)
        if index is None:
            return
        known = self._cursors.get((topic_id, partition, offset))
        for run in index.find(offset, RUNS_PER_READ, bytes_max + (1 << 20)):
            cursor = known[1] if known is not None and known[0] == run else None
            yield run, cursor

    def _take(
        self,
        found: Read,
        topic_id: TopicId,
        partition: int,
        run: Run,
        cursor: Cursor | None,
        views: list[memoryview],
        bytes_max: int,
        first: bool,
    ) -> bool:
        """Add what fits of a run; False when the answer is full."""
        wanted = max(found.next_offset, run.base_offset)
        served = serve(run, cursor, views, wanted, bytes_max - found.length, first and not found.length)
        found.pieces += served.pieces
        found.length += served.length
        if served.next is None:
            found.next_offset = run.last_offset + 1
            return found.length < bytes_max
        found.next_offset = max(served.next.offset, found.next_offset)
        self._remember(topic_id, partition, run, served.next)
        return False

    def _remember(self, topic_id: TopicId, partition: int, run: Run, cursor: Cursor) -> None:
        # A reader that comes back for the next batch need not walk the run's headers again.
        self._cursors[topic_id, partition, cursor.offset] = (run, cursor)
        if len(self._cursors) > CURSORS_MAX:
            self._cursors.popitem(last=False)

    async def _fetch_all(self, runs: Sequence[tuple[Run, Cursor | None]]) -> list[list[memoryview] | HigginsError]:
        """The bytes of each run, or why they cannot be had."""
        return await self._fetch_pointers([pointer_from(run, cursor) for run, cursor in runs])

    async def _fetch_pointers(self, pointers: Sequence[Pointer]) -> list[list[memoryview] | HigginsError]:
        """The bytes of each pointer, or why they cannot be had; those that are not at hand are fetched side by side."""
        ready = [self._dereferencer.fetch_nowait(pointer) for pointer in pointers]
        found: list[list[memoryview] | HigginsError] = [[] if views is None else views for views in ready]

        async def fetch(i: int) -> None:
            try:
                found[i] = await self._fetch(pointers[i])
            except HigginsError as error:
                found[i] = error

        missing = [i for i, views in enumerate(ready) if views is None]
        if len(missing) == 1:
            await fetch(missing[0])
        elif missing:
            async with trio.open_nursery() as nursery:
                for i in missing:
                    nursery.start_soon(fetch, i)
        return found

    async def _fetch(self, pointer: Pointer) -> list[memoryview]:
        try:
            return await self._dereferencer.fetch(pointer, self._object_length(pointer.object_id))
        except ObjectMissing:
            # Never an answer: whatever moved the bytes has committed where to. Fold to the tip and look once more.
            await self._ledger.barrier()
            return await self._dereferencer.fetch(pointer, self._object_length(pointer.object_id))

    def _object_length(self, object_id: ObjectId) -> int:
        record = self._ledger.state.objects.get(object_id)
        return 0 if record is None else record.length

    async def _newest_of(self, run: Run, from_offset: int) -> TimedRecord | None:
        """The first record with the greatest timestamp among those of a run from an offset on."""
        views = await self._fetch(pointer_from(run, None))
        return await self._runtime.offload("decode", _newest_in_run, run, views, from_offset)

    async def _search(self, run: Run, timestamp: int, from_offset: int) -> TimedRecord | None:
        """The first record of a run, from an offset on, whose timestamp is not before `timestamp`."""
        views = await self._fetch(pointer_from(run, None))
        for header, batch, base in _batches(run, views, from_offset):
            if header.max_timestamp >= timestamp:
                # A batch may hold ten thousand records, or decompress to megabytes: too long for the loop.
                record = await self._runtime.offload("decode", _first_in_batch, batch, base, timestamp, from_offset)
                if record is not None:
                    return record
        return None

    def _keep_payload(self, commit: Commit) -> None:
        if commit.payload:
            self._cache.put(inline_payload(commit.head.number), Blob(commit.payload, commit.head.payload_length))

    async def _read_inline(self, object_id: ObjectId) -> Blob:
        assert is_inline(object_id)
        commit = decode_commit(await self._store.get(commit_key(commit_number_of(object_id))))
        return Blob(commit.payload)


def _batches(
    run: Run, views: Sequence[memoryview], from_offset: int
) -> Iterator[tuple[BatchHeader, memoryview, int]]:
    """Header, bytes and base offset of each batch of a run that reaches to an offset or beyond."""
    base = run.base_offset
    for view in views:
        at = 0
        while at + HEADER_BYTES <= len(view):
            header = read_header(view, at)
            size = header.batch_length + LENGTH_OVERHEAD
            if run.flags & STORED_OFFSETS:
                base = header.base_offset
            if base + header.last_offset_delta >= from_offset:
                yield header, view[at : at + size], base
            base += header.last_offset_delta + 1
            at += size


def _first_in_batch(batch: memoryview, base_offset: int, timestamp: int, from_offset: int) -> TimedRecord | None:
    return next((one for one in _timed(batch, base_offset, from_offset) if one.timestamp >= timestamp), None)


def _newest_in_run(run: Run, views: Sequence[memoryview], from_offset: int) -> TimedRecord | None:
    best: TimedRecord | None = None
    for header, batch, base in _batches(run, views, from_offset):
        if best is None or header.max_timestamp > best.timestamp:
            for one in _timed(batch, base, from_offset):
                if best is None or one.timestamp > best.timestamp:
                    best = one
    return best


def _timed(batch: memoryview, base_offset: int, from_offset: int) -> Iterator[TimedRecord]:
    """The records of a batch from an offset on; of those that the log stamped alike, the first stands for all."""
    header = read_header(batch)
    if header.is_log_append_time:
        yield TimedRecord(max(base_offset, from_offset), header.max_timestamp)
        return
    for record in decode_records(batch):
        offset = base_offset + record.offset - header.base_offset
        if offset >= from_offset:
            yield TimedRecord(offset, record.timestamp)
