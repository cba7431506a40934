"""The reader: finds the runs of an offset in the index, gets their bytes and selects whole batches. Also by timestamp.

A fetch may need a hundred small runs, each an object of its own on a remote store. Read one after another they would
take longer than any client waits, so up to 16 are read at the same time. And once a read has something to serve and has
taken 250 ms, it serves that instead of filling the response: the consumer continues, and later reads hit the cache.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec
import trio

from higgins.ledger.commit import Commit, commit_key, decode_commit
from higgins.ledger.ledger import Ledger
from higgins.ledger.state.index import STORED_OFFSETS, Run
from higgins.log.planner import Cursor, pointer_from, serve
from higgins.log.verify import Verifier
from higgins.model.errors import Corrupt, HigginsError, ObjectMissing
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectId, Pointer, commit_number_of, inline_payload, is_inline
from higgins.runtime import Runtime
from higgins.storage.cache import Blob, Cache
from higgins.storage.dereference import Dereferencer
from higgins.storage.store import Store
from higgins_protocol.errors import RecordError
from higgins_protocol.records.batch import HEADER_BYTES, LENGTH_OVERHEAD, BatchHeader, read_header
from higgins_protocol.records.compression import unpack
from higgins_protocol.records.record import OUTPUT_BYTES_MAX
from higgins_protocol.records.survey import timestamps

RUNS_PER_READ = 256
CURSORS_MAX = 10_000

CONCURRENT_READS_MAX = 16

READ_TARGET_S = 0.25
"""A read that has found records returns after this time, even if the response is not full."""


class Read(msgspec.Struct):
    """The result of a read: the pieces to send, their total length, and the offset after the last batch."""

    pieces: list[Buffer]
    length: int
    next_offset: int


class TimedRecord(msgspec.Struct, frozen=True):
    """The offset and timestamp of a record."""

    offset: int
    timestamp: int


class Reader:
    """Reads the log through one node: everything that this node has acknowledged, nothing beyond the high watermark."""

    def __init__(self, runtime: Runtime, store: Store, ledger: Ledger, cache: Cache) -> None:
        self._runtime = runtime
        self._store = store
        self._ledger = ledger
        self._cache = cache
        self._dereferencer = Dereferencer(store, cache, self._read_inline, Verifier(runtime))
        self._cursors: OrderedDict[tuple[TopicId, int, int], tuple[Run, Cursor]] = OrderedDict()
        ledger.subscribe(self._cache_payload)

    def available(self, topic_id: TopicId, partition: int, offset: int, bytes_max: int) -> int:
        """Roughly how many bytes there are from an offset on, counted up to `bytes_max`."""
        index = self._ledger.state.runs.index(topic_id, partition)
        return 0 if index is None else sum(run.length for run in index.find(offset, RUNS_PER_READ, bytes_max))

    def read_nowait(
        self, topic_id: TopicId, partition: int, offset: int, bytes_max: int, *, first: bool = True
    ) -> Read | None:
        """Whole batches from the one that contains `offset`, or None when that would have to wait for the store.

        At most `bytes_max` bytes; with `first`, at least one batch whatever its size. Raises: Corrupt.
        """
        read = Read([], 0, offset)
        for run, cursor in self._runs(topic_id, partition, offset, bytes_max):
            views = self._dereferencer.fetch_nowait(pointer_from(run, cursor))
            if views is None:
                return read if read.pieces else None
            if not self._add(read, topic_id, partition, run, cursor, views, bytes_max, first):
                break
        return read

    async def read(self, topic_id: TopicId, partition: int, offset: int, bytes_max: int, *, first: bool = True) -> Read:
        """As `read_nowait`, but waits for the store.

        Raises: StorageUnavailable, Corrupt.
        """
        read = Read([], 0, offset)
        started_s = trio.current_time()
        runs = list(self._runs(topic_id, partition, offset, bytes_max))
        for start in range(0, len(runs), CONCURRENT_READS_MAX):
            window = runs[start : start + CONCURRENT_READS_MAX]
            for (run, cursor), views in zip(window, await self._fetch_all(window), strict=True):
                if isinstance(views, HigginsError):
                    if read.length:
                        return read
                    raise views
                if not self._add(read, topic_id, partition, run, cursor, views, bytes_max, first):
                    return read
            if read.length and trio.current_time() - started_s > READ_TARGET_S:
                break
        return read

    async def read_pointers(self, pointers: Sequence[Pointer]) -> list[bytes]:
        """The bytes of each pointer, such as those to operator state in the ledger.

        Raises: StorageUnavailable, Corrupt.
        """
        blocks: list[bytes] = []
        for start in range(0, len(pointers), CONCURRENT_READS_MAX):
            for views in await self._fetch_pointers(pointers[start : start + CONCURRENT_READS_MAX], batches=False):
                if isinstance(views, HigginsError):
                    raise views
                blocks.append(b"".join(views))
        return blocks

    async def find_by_time(self, topic_id: TopicId, partition: int, timestamp: int) -> TimedRecord | None:
        """The first record with a timestamp of at least `timestamp`. Raises: StorageUnavailable, Corrupt."""
        index = self._ledger.state.runs.index(topic_id, partition)
        offset = self._ledger.state.runs.log_start(topic_id, partition)
        while index is not None and (runs := index.first_not_before(timestamp, offset)):
            record = await self._search(runs[0], timestamp, offset)
            if record is not None:
                return record
            # No record is as new as the batch header says: producers write that field, and may be wrong. Try the next.
            offset = runs[0].last_offset + 1
        return None

    async def find_newest(self, topic_id: TopicId, partition: int) -> TimedRecord | None:
        """The first record with the greatest timestamp. Raises: StorageUnavailable, Corrupt."""
        index = self._ledger.state.runs.index(topic_id, partition)
        if index is None:
            return None
        start = self._ledger.state.runs.log_start(topic_id, partition)
        runs = index.newest(start)
        if not runs or runs[0].base_offset >= start:
            if not runs:
                return None
            return await self._search(runs[0], runs[0].max_timestamp, max(start, runs[0].max_timestamp_offset))
        # The log starts inside this run, and the record with its greatest timestamp may have been deleted: look at the
        # records. The index answers for the other runs.
        first = await self._newest_of(runs[0], start)
        others = index.newest(runs[0].last_offset + 1)
        if others and (first is None or others[0].max_timestamp > first.timestamp):
            return await self._search(others[0], others[0].max_timestamp, others[0].max_timestamp_offset)
        return first

    # ---- internals ----------------------------------------------------------------------------------------------

    def _runs(
        self, topic_id: TopicId, partition: int, offset: int, bytes_max: int
    ) -> Iterator[tuple[Run, Cursor | None]]:
        index = self._ledger.state.runs.index(topic_id, partition)
        if index is None:
            return
        saved = self._cursors.get((topic_id, partition, offset))
        for run in index.find(offset, RUNS_PER_READ, bytes_max + (1 << 20)):
            cursor = saved[1] if saved is not None and saved[0] == run else None
            yield run, cursor

    def _add(
        self,
        read: Read,
        topic_id: TopicId,
        partition: int,
        run: Run,
        cursor: Cursor | None,
        views: list[memoryview],
        bytes_max: int,
        first: bool,
    ) -> bool:
        """Add the batches of a run that fit; False when the response is full."""
        offset = max(read.next_offset, run.base_offset)
        served = serve(run, cursor, views, offset, bytes_max - read.length, first and not read.length)
        read.pieces += served.pieces
        read.length += served.length
        if served.next is None:
            read.next_offset = run.last_offset + 1
            return read.length < bytes_max
        read.next_offset = max(served.next.offset, read.next_offset)
        self._save_cursor(topic_id, partition, run, served.next)
        return False

    def _save_cursor(self, topic_id: TopicId, partition: int, run: Run, cursor: Cursor) -> None:
        # The next fetch of this consumer starts at this batch and need not walk the headers of the run before it.
        self._cursors[topic_id, partition, cursor.offset] = (run, cursor)
        if len(self._cursors) > CURSORS_MAX:
            self._cursors.popitem(last=False)

    async def _fetch_all(self, runs: Sequence[tuple[Run, Cursor | None]]) -> list[list[memoryview] | HigginsError]:
        """The bytes of each run, or the error."""
        return await self._fetch_pointers([pointer_from(run, cursor) for run, cursor in runs])

    async def _fetch_pointers(
        self, pointers: Sequence[Pointer], *, batches: bool = True
    ) -> list[list[memoryview] | HigginsError]:
        """The bytes of each pointer, or the error. Pointers that need the store are read concurrently."""
        ready = [self._dereferencer.fetch_nowait(pointer) for pointer in pointers]
        results: list[list[memoryview] | HigginsError] = [[] if views is None else views for views in ready]

        async def fetch(i: int) -> None:
            try:
                results[i] = await self._fetch(pointers[i], batches=batches)
            except HigginsError as error:
                results[i] = error

        missing = [i for i, views in enumerate(ready) if views is None]
        if len(missing) == 1:
            await fetch(missing[0])
        elif missing:
            async with trio.open_nursery() as nursery:
                for i in missing:
                    nursery.start_soon(fetch, i)
        return results

    async def _fetch(self, pointer: Pointer, *, batches: bool = True) -> list[memoryview]:
        try:
            return await self._dereferencer.fetch(
                pointer, self._object_length(pointer.object_id), batches=batches
            )
        except ObjectMissing:
            # Not an error yet: the records may have been moved to another object, in a commit that this node has not
            # seen. Catch up with the ledger and try once more.
            await self._ledger.barrier()
            return await self._dereferencer.fetch(
                pointer, self._object_length(pointer.object_id), batches=batches
            )

    def _object_length(self, object_id: ObjectId) -> int:
        record = self._ledger.state.objects.get(object_id)
        return 0 if record is None else record.length

    async def _newest_of(self, run: Run, from_offset: int) -> TimedRecord | None:
        """The first record with the greatest timestamp of a run, from an offset on."""
        views = await self._fetch(pointer_from(run, None))
        return _record_or_raise(await self._runtime.offload("decode", _newest_in_run, run, views, from_offset))

    async def _search(self, run: Run, timestamp: int, from_offset: int) -> TimedRecord | None:
        """The first record of a run, from an offset on, with a timestamp of at least `timestamp`."""
        views = await self._fetch(pointer_from(run, None))
        for header, batch, base in _batches(run, views, from_offset):
            if header.max_timestamp >= timestamp:
                # In a thread: a batch can have ten thousand records or decompress to megabytes.
                record = _record_or_raise(
                    await self._runtime.offload("decode", _first_in_batch, batch, base, timestamp, from_offset)
                )
                if record is not None:
                    return record
        return None

    def _cache_payload(self, commit: Commit) -> None:
        # Consumers that keep up read the newest payloads, and here they are in memory: no read from the store needed.
        if commit.payload:
            self._cache.put(inline_payload(commit.head.number), Blob(commit.payload, commit.head.payload_length))

    async def _read_inline(self, object_id: ObjectId) -> Blob:
        assert is_inline(object_id)
        number = commit_number_of(object_id)
        commit = decode_commit(await self._store.get(commit_key(number)), number)
        return Blob(commit.payload)


def _batches(run: Run, views: Sequence[memoryview], from_offset: int) -> Iterator[tuple[BatchHeader, memoryview, int]]:
    """Header, bytes and base offset of each batch of a run whose last offset is at least `from_offset`."""
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


def _record_or_raise(found: TimedRecord | Corrupt | None) -> TimedRecord | None:
    if isinstance(found, Corrupt):
        raise found
    return found


def _first_in_batch(
    batch: memoryview, base_offset: int, timestamp: int, from_offset: int
) -> TimedRecord | Corrupt | None:
    """The first record from an offset on that is not older than `timestamp`.

    An error is returned and not raised: a raised one holds the frames of this thread, and with them decompressed bytes.
    """
    try:
        for record in _timed(batch, base_offset, from_offset):
            if record.timestamp >= timestamp:
                return record
    except RecordError as error:
        return _unreadable(base_offset, error)
    return None


def _newest_in_run(run: Run, views: Sequence[memoryview], from_offset: int) -> TimedRecord | Corrupt | None:
    """The first record with the greatest timestamp of a run, from an offset on; an error is returned, as above."""
    best: TimedRecord | None = None
    for header, batch, base in _batches(run, views, from_offset):
        if best is None or header.max_timestamp > best.timestamp:
            try:
                for record in _timed(batch, base, from_offset):
                    if best is None or record.timestamp > best.timestamp:
                        best = record
            except RecordError as error:
                return _unreadable(base, error)
    return best


def _unreadable(base_offset: int, error: RecordError) -> Corrupt:
    return Corrupt(f"The records of the batch at offset {base_offset} cannot be read: {error.what}.")


def _timed(batch: memoryview, base_offset: int, from_offset: int) -> Iterator[TimedRecord]:
    """The records of a batch from an offset on. With LogAppendTime all have the same timestamp: only the first.

    Only what is looked at is read, and no records are built: a batch may hold millions.
    """
    header = read_header(batch)
    if header.is_log_append_time:
        yield TimedRecord(max(base_offset, from_offset), header.max_timestamp)
        return
    records = unpack(header.codec, batch[HEADER_BYTES:], bytes_max=OUTPUT_BYTES_MAX)
    for delta, timestamp in timestamps(header, records):
        if base_offset + delta >= from_offset:
            yield TimedRecord(base_offset + delta, timestamp)
