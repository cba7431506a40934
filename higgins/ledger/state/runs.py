"""Runs: which offsets of which partition lie where. Offsets are assigned here, at commit, and nowhere else.

The three frontiers of a partition (log start, last stable offset, high watermark) are computed here and nowhere else.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import TypeAlias

import msgspec

from higgins.ledger.state.append import (
    ABORT_MARKER,
    COMMIT_MARKER,
    INLINE,
    PRODUCER_COLUMNS,
    TRANSACTIONAL_DATA,
    BatchEntry,
    runs_of,
)
from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.index import Run, RunIndex
from higgins.ledger.state.objects import ObjectPut, Objects
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.producers import SEQUENCE_MODULUS, PastBatch, Producers
from higgins.ledger.state.topics import Topic, TopicDeleted, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import ObjectId
from higgins_protocol.errors import ErrorCode

TopicPartition: TypeAlias = tuple[TopicId, int]

HIGH_WATERMARK = -1
"""In place of an offset of DeleteRecords: everything that is there."""


class AbortedRange(msgspec.Struct, frozen=True, array_like=True):
    """The offsets of an aborted transaction in one partition: its first record, and its abort marker."""

    producer_id: int
    first_offset: int
    last_offset: int


class Frontiers(msgspec.Struct, frozen=True):
    """The three frontiers of a partition, each an offset."""

    log_start: int
    """The first offset that can be read."""
    last_stable: int
    """The first offset of the oldest open transaction; the high watermark when none is open."""
    high_watermark: int
    """The offset of the next committed record."""


class RunAppended(Fact, frozen=True, tag=21):
    """A run at the end of a partition, and its batches with a producer id; see `append.AppendedRun`."""

    topic_id: TopicId
    partition: int
    run: Run
    producers: tuple[int, ...] = ()


class RecordsDeleted(Fact, frozen=True, tag=15):
    """The log start of a partition has moved up; records below it can no longer be read."""

    topic_id: TopicId
    partition: int
    log_start: int


class RunsReplaced(Fact, frozen=True, tag=22):
    """The runs within these offsets (both inclusive) are replaced by others, merged or compacted. Offsets stay."""

    topic_id: TopicId
    partition: int
    first_offset: int
    last_offset: int
    runs: tuple[Run, ...]


class Append(Proposal[list[int]], frozen=True, tag=20):
    """Batches for one partition, each accepted or refused by itself, in order.

    The result has one integer for each batch: its base offset, or minus an error code.
    """

    topic_id: TopicId
    partition: int
    object_id: ObjectId
    object_length: int
    batches: tuple[BatchEntry, ...]

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], list[int]]:
        return self.validate_for(draft, "")

    def validate_for(self, draft: Draft, writer: str) -> tuple[Sequence[Fact], list[int]]:
        """Assign offsets. `writer` is the operator whose task appends, or empty for clients.

        Batches of one producer within this append are checked in order against a draft of that producer's record.
        """
        topic = draft[Topics].by_id.get(self.topic_id)
        if topic is None or not 0 <= self.partition < topic.partitions:
            return [], [-ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * len(self.batches)
        if topic.owner != writer:
            return [], [-ErrorCode.POLICY_VIOLATION] * len(self.batches)
        producers = draft[Producers]
        # Only a batch that follows another can depend on what this append itself changes.
        scratch = producers.draft() if len(self.batches) > 1 else None
        base_offset = offset = draft[Runs].high_watermark(self.topic_id, self.partition)
        accepted: list[BatchEntry] = []
        now_ms = draft.moment.time_ms
        results: list[int] = []
        for entry in self.batches:
            if entry.producer_id >= 0 and entry.kind < COMMIT_MARKER:
                key = (self.topic_id, self.partition, entry.producer_id)
                verdict = (scratch or producers).verdict(
                    key, entry.producer_epoch, entry.base_sequence, entry.count, now_ms, entry.begins_anywhere
                )
                if verdict is not None:
                    results.append(verdict)
                    continue
                if scratch is not None:
                    final = (entry.base_sequence + entry.count - 1) % SEQUENCE_MODULUS
                    scratch.note(key, entry.producer_epoch, PastBatch(entry.base_sequence, final, offset), now_ms)
            results.append(offset)
            accepted.append(entry)
            offset += entry.count
        facts: list[Fact] = [
            RunAppended(self.topic_id, self.partition, run, producers_columns)
            for run, producers_columns in runs_of(self.object_id, draft.place, base_offset, accepted)
        ]
        if facts and self.object_id != INLINE and draft[Objects].get(self.object_id) is None:
            facts.insert(0, ObjectPut(self.object_id, self.object_length))
        return facts, results


class DeleteRecords(Proposal[int], frozen=True, tag=21):
    """Move a partition's log start up to an offset; the result is the log start afterwards.

    Refused with UNKNOWN_TOPIC_OR_PARTITION or OFFSET_OUT_OF_RANGE.
    """

    topic_id: TopicId
    partition: int
    offset: int

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], int]:
        topic = partition_of(draft, self.topic_id, self.partition)
        frontiers = draft[Runs].frontiers(topic.id, self.partition)
        end = frontiers.high_watermark
        offset = end if self.offset == HIGH_WATERMARK else self.offset
        if not 0 <= offset <= end:
            raise Refused(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Records cannot be deleted up to offset {offset}: the partition ends at {end}. Use -1 to delete all.",
            )
        if offset <= frontiers.log_start:
            return [], frontiers.log_start
        return [RecordsDeleted(topic.id, self.partition, offset)], offset


class ReplaceRuns(Proposal[bool], frozen=True, tag=22):
    """Replace consecutive runs of a partition by others, if they are still exactly `replaced`.

    The new runs lie within the offsets of the replaced ones, in order; where they leave a gap, the records were
    compacted away. The last offset must stay covered, so that readers who look for it get past the gap. `objects` has
    the length of each object that is put for them. The result is whether the runs were replaced: False when another
    proposal has changed, deleted or replaced any of them.
    """

    topic_id: TopicId
    partition: int
    replaced: tuple[Run, ...]
    runs: tuple[Run, ...]
    objects: tuple[tuple[ObjectId, int], ...] = ()

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], bool]:
        partition_of(draft, self.topic_id, self.partition)
        assert self.replaced and self.runs, self
        first, last = self.replaced[0].base_offset, self.replaced[-1].last_offset
        assert self.runs[-1].last_offset == last, "the last offset stays covered"
        bounds = [first - 1, *(each for run in self.runs for each in (run.base_offset, run.last_offset)), last + 1]
        assert bounds == sorted(bounds), "runs lie in order within the offsets of those they replace"
        if not draft[Runs].holds_exactly(self.topic_id, self.partition, self.replaced):
            return [], False
        known = draft[Objects]
        puts = [ObjectPut(object_id, length) for object_id, length in self.objects if known.get(object_id) is None]
        return [*puts, RunsReplaced(self.topic_id, self.partition, first, last, self.runs)], True


class PartitionRow(msgspec.Struct, frozen=True, array_like=True, tag="partition"):
    """A snapshot row: a partition's frontiers and transactions."""

    topic_id: TopicId
    partition: int
    log_start: int
    high_watermark: int
    open: list[tuple[int, int]]
    """Open transactions: producer id and first offset."""
    aborted: list[AbortedRange]


class IndexRow(msgspec.Struct, frozen=True, array_like=True, tag="index"):
    """A snapshot row: the next chunk of a partition's index, as columns of little-endian 64-bit integers."""

    topic_id: TopicId
    partition: int
    columns: list[memoryview]


INDEX_CHUNKS_PER_SLICE = 50


class Runs(Facet, name="runs"):
    """The facet of runs: the frontiers, the transactions and the index of every partition."""

    ROW = PartitionRow | IndexRow

    def __init__(self, below: "Runs | None" = None) -> None:
        """With `below`, a draft over it. A draft reads the index of State and never changes it."""
        self._is_draft = below is not None
        self._high_watermarks: MutableMapping[TopicPartition, int] = {}
        self._log_starts: MutableMapping[TopicPartition, int] = {}
        self._open: MutableMapping[TopicPartition, Mapping[int, int]] = {}
        """Open transactions: the first offset by producer id."""
        self._aborted: MutableMapping[TopicPartition, list[AbortedRange]] = {}
        self._indexes: dict[TopicPartition, RunIndex] = {}
        self._replaced: dict[TopicPartition, int] = {}
        """In a draft: up to which offset runs were replaced by the commit itself."""
        if below is not None:
            self._high_watermarks = Overlay(below._high_watermarks)
            self._log_starts = Overlay(below._log_starts)
            self._open = Overlay(below._open)
            self._indexes = below._indexes
            self._replaced = dict(below._replaced)

    def draft(self) -> "Runs":
        return Runs(self)

    # ---- queries ------------------------------------------------------------------------------------------------

    def frontiers(self, topic_id: TopicId, partition: int) -> Frontiers:
        """Log start, last stable offset and high watermark."""
        return Frontiers(
            self.log_start(topic_id, partition),
            self.last_stable_offset(topic_id, partition),
            self.high_watermark(topic_id, partition),
        )

    def high_watermark(self, topic_id: TopicId, partition: int) -> int:
        """The offset that the next committed record will have."""
        return self._high_watermarks.get((topic_id, partition), 0)

    def log_start(self, topic_id: TopicId, partition: int) -> int:
        """The first offset that can be read."""
        return self._log_starts.get((topic_id, partition), 0)

    def last_stable_offset(self, topic_id: TopicId, partition: int) -> int:
        """The offset up to which read_committed consumers read: before the oldest open transaction."""
        transactions = self._open.get((topic_id, partition))
        if transactions:
            return min(transactions.values())
        return self._high_watermarks.get((topic_id, partition), 0)

    def readable_end(self, topic_id: TopicId, partition: int, *, committed_only: bool) -> int:
        """The first offset that a consumer of this isolation level may not read yet."""
        if committed_only:
            return self.last_stable_offset(topic_id, partition)
        return self.high_watermark(topic_id, partition)

    def aborted(self, topic_id: TopicId, partition: int, first_offset: int, last_offset: int) -> list[AbortedRange]:
        """The aborted transactions that overlap these offsets, both inclusive, by first offset."""
        ranges = [
            each
            for each in self._aborted.get((topic_id, partition), ())
            if each.first_offset <= last_offset and each.last_offset >= first_offset
        ]
        return sorted(ranges, key=lambda each: each.first_offset)

    def index(self, topic_id: TopicId, partition: int) -> RunIndex | None:
        """The index of a partition; None while nothing has been appended."""
        return self._indexes.get((topic_id, partition))

    def holds_exactly(self, topic_id: TopicId, partition: int, runs: Sequence[Run]) -> bool:
        """Whether exactly these consecutive runs lie in the index, untouched by the facts of a draft."""
        key = (topic_id, partition)
        index = self._indexes.get(key)
        first, last = runs[0].base_offset, runs[-1].last_offset
        if index is None or self.log_start(topic_id, partition) > runs[0].last_offset:
            return False
        if self._is_draft and first <= self._replaced.get(key, -1):
            return False
        return index.between(first, last) == list(runs)

    # ---- folds --------------------------------------------------------------------------------------------------

    @folds(RunAppended)
    def _append(self, fact: RunAppended, moment: Moment, state: Facets) -> None:
        key, run = (fact.topic_id, fact.partition), fact.run
        assert run.base_offset == self._high_watermarks.get(key, 0), fact
        self._high_watermarks[key] = run.last_offset + 1
        if fact.producers:
            self._note_producers(key, run, fact.producers, moment, state[Producers])
        state[Objects].count(run.object_id, 1)
        if self._is_draft:
            return
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = RunIndex()
        index.append(run)

    def _note_producers(
        self, key: TopicPartition, run: Run, columns: Sequence[int], moment: Moment, producers: Producers
    ) -> None:
        topic_id, partition = key
        for i in range(0, len(columns), PRODUCER_COLUMNS):
            producer_id, epoch, sequence, delta, count, kind = columns[i : i + PRODUCER_COLUMNS]
            offset = run.base_offset + delta
            if kind in {COMMIT_MARKER, ABORT_MARKER}:
                self._end_transaction(key, producer_id, offset, aborts=kind == ABORT_MARKER)
                continue
            if kind == TRANSACTIONAL_DATA:
                self._begin_transaction(key, producer_id, offset)
            batch = PastBatch(sequence, (sequence + count - 1) % SEQUENCE_MODULUS, offset)
            producers.note((topic_id, partition, producer_id), epoch, batch, moment.time_ms)

    def _begin_transaction(self, key: TopicPartition, producer_id: int, offset: int) -> None:
        transactions = self._open.get(key) or {}
        if producer_id not in transactions:
            self._open[key] = {**transactions, producer_id: offset}

    def _end_transaction(self, key: TopicPartition, producer_id: int, marker_offset: int, *, aborts: bool) -> None:
        transactions = dict(self._open.get(key) or {})
        first_offset = transactions.pop(producer_id, None)
        if first_offset is None:
            return
        if transactions:
            self._open[key] = transactions
        else:
            del self._open[key]
        if aborts and not self._is_draft:
            ranges = self._aborted.setdefault(key, [])
            ranges.append(AbortedRange(producer_id, first_offset, marker_offset))

    @folds(RecordsDeleted)
    def _delete_records(self, fact: RecordsDeleted, moment: Moment, state: Facets) -> None:
        """Runs wholly below the new log start leave the index; the one that holds it stays."""
        key = (fact.topic_id, fact.partition)
        self._log_starts[key] = fact.log_start
        if self._is_draft:
            return
        if key in self._indexes:
            _release(state[Objects], self._indexes[key].drop_below(fact.log_start))
        if key in self._aborted:
            self._aborted[key] = [each for each in self._aborted[key] if each.last_offset >= fact.log_start]
            if not self._aborted[key]:
                del self._aborted[key]

    @folds(RunsReplaced)
    def _replace(self, fact: RunsReplaced, moment: Moment, state: Facets) -> None:
        key, objects = (fact.topic_id, fact.partition), state[Objects]
        for run in fact.runs:
            objects.count(run.object_id, 1)
        if self._is_draft:
            self._replaced[key] = max(self._replaced.get(key, -1), fact.last_offset)
            return
        _release(objects, self._indexes[key].replace(fact.first_offset, fact.last_offset, fact.runs))

    @folds(TopicDeleted)
    def _delete_topic(self, fact: TopicDeleted, moment: Moment, state: Facets) -> None:
        for partition in range(state[Topics].by_id[fact.topic_id].partitions):
            key = (fact.topic_id, partition)
            if key not in self._high_watermarks:
                continue
            for mapping in (self._high_watermarks, self._log_starts, self._open, self._aborted):
                if key in mapping:
                    del mapping[key]
            if not self._is_draft:
                _release(state[Objects], self._indexes.pop(key).objects())

    # ---- snapshot -----------------------------------------------------------------------------------------------

    def freeze(self) -> Iterator[Sequence[PartitionRow | IndexRow]]:
        yield from slices((self._partition_row(key) for key in self._high_watermarks), size=1000)
        chunks = (
            IndexRow(topic_id, partition, columns)
            for (topic_id, partition), index in self._indexes.items()
            for columns in index.freeze()
        )
        yield from slices(chunks, size=INDEX_CHUNKS_PER_SLICE)

    def _partition_row(self, key: TopicPartition) -> PartitionRow:
        return PartitionRow(
            key[0],
            key[1],
            self._log_starts.get(key, 0),
            self._high_watermarks[key],
            list(self._open.get(key, {}).items()),
            list(self._aborted.get(key, ())),
        )

    def restore(self, level: int, rows: Sequence[PartitionRow | IndexRow]) -> None:
        for row in rows:
            key = (row.topic_id, row.partition)
            if isinstance(row, IndexRow):
                self._indexes[key].restore(row.columns)
                continue
            self._high_watermarks[key] = row.high_watermark
            self._indexes[key] = RunIndex()
            if row.log_start:
                self._log_starts[key] = row.log_start
            if row.open:
                self._open[key] = dict(row.open)
            if row.aborted:
                self._aborted[key] = list(row.aborted)


def partition_of(draft: Draft, topic_id: TopicId, partition: int) -> Topic:
    """The topic of a partition that exists. Raises: Refused(UNKNOWN_TOPIC_OR_PARTITION)."""
    topic = draft[Topics].by_id.get(topic_id)
    if topic is None or not 0 <= partition < topic.partitions:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This partition does not exist.")
    return topic


def _release(objects: Objects, dropped: Counter[ObjectId]) -> None:
    """Decrease the pointer count of each object by the number of its runs that were removed."""
    for object_id, count in dropped.items():
        objects.count(object_id, -count)
