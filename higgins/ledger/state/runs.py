"""Runs: which offsets of which partition lie where. Offsets are born here, at commit, and nowhere else."""

from collections.abc import Mapping, MutableMapping
from typing import ClassVar

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.index import Run, RunIndex
from higgins.ledger.state.objects import ObjectPut, Objects
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.producers import SEQUENCE_MODULUS, PastBatch, Producers
from higgins.ledger.state.topics import TopicDeleted, Topics
from higgins.model.errors import Refused
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer, ObjectId, is_inline
from higgins_protocol.errors import ErrorCode

INLINE = ObjectId(0)
"""In a proposal: the bytes ride in the commit; positions count from the start of the proposal's own payload."""

RUN_BYTES_MAX = 1 << 20
"""A run is closed past this, so that finding an offset inside one walks a bounded number of headers."""

TopicPartition = tuple[TopicId, int]


class BatchEntry(msgspec.Struct, frozen=True):
    """One record batch of an append: where it lies, and what its header says."""

    position: int
    length: int
    count: int
    max_timestamp: int
    producer_id: int = -1
    producer_epoch: int = -1
    base_sequence: int = -1


class Append(Proposal, frozen=True):
    """Batches for one partition, each accepted or refused by itself, in order.

    The result has one integer a batch: its base offset, or minus an error code.
    """

    lingers: ClassVar[bool] = True
    topic_id: TopicId
    partition: int
    object_id: ObjectId
    object_length: int
    batches: tuple[BatchEntry, ...]


class RunAppended(Fact, frozen=True, tag=21):
    """A run, and the idempotent batches in it as rows of `PRODUCER_COLUMNS` integers.

    A row: producer id, epoch, first sequence, offset within the run, record count.
    """

    topic_id: TopicId
    partition: int
    base_offset: int
    last_offset: int
    object_id: ObjectId
    position: int
    length: int
    max_timestamp: int
    producers: tuple[int, ...] = ()


PRODUCER_COLUMNS = 5

HIGH_WATERMARK = -1
"""In place of an offset: everything that is there."""


class DeleteRecords(Proposal, frozen=True):
    """Move a partition's log start up to an offset; the result is where the log starts then."""

    topic_id: TopicId
    partition: int
    offset: int


class RecordsDeleted(Fact, frozen=True, tag=15):
    """Records below an offset are no more."""

    topic_id: TopicId
    partition: int
    log_start: int


class Runs:
    """The facet of runs: next offsets, log starts and, but for drafts, the index."""

    def __init__(
        self,
        next_offsets: MutableMapping[TopicPartition, int],
        log_starts: MutableMapping[TopicPartition, int],
        indexes: dict[TopicPartition, RunIndex] | None,
    ) -> None:
        self._next_offsets = next_offsets
        self._log_starts = log_starts
        self._indexes = indexes

    def draft(self) -> "Runs":
        return Runs(Overlay(self._next_offsets), Overlay(self._log_starts), None)

    def next_offset(self, topic_id: TopicId, partition: int) -> int:
        """The high watermark: the offset the next committed record will have."""
        return self._next_offsets.get((topic_id, partition), 0)

    def log_start(self, topic_id: TopicId, partition: int) -> int:
        """The first offset that can still be read."""
        return self._log_starts.get((topic_id, partition), 0)

    def index(self, topic_id: TopicId, partition: int) -> RunIndex | None:
        """The index of a partition; None while nothing has been appended."""
        assert self._indexes is not None, "a draft has no index"
        return self._indexes.get((topic_id, partition))

    def fold(self, fact: RunAppended, moment: Moment, objects: Objects, producers: Producers) -> None:
        key = (fact.topic_id, fact.partition)
        assert fact.base_offset == self._next_offsets.get(key, 0), fact
        self._next_offsets[key] = fact.last_offset + 1
        columns = fact.producers
        for i in range(0, len(columns), PRODUCER_COLUMNS):
            producer_id, epoch, sequence, delta, count = columns[i : i + PRODUCER_COLUMNS]
            final = (sequence + count - 1) % SEQUENCE_MODULUS
            batch = PastBatch(sequence, final, fact.base_offset + delta)
            producers.note((fact.topic_id, fact.partition, producer_id), epoch, batch, moment)
        if self._indexes is None:
            return
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = RunIndex()
        index.append(
            Run(fact.base_offset, fact.last_offset, fact.object_id, fact.position, fact.length, fact.max_timestamp)
        )
        if not is_inline(fact.object_id):
            objects.count(fact.object_id, 1)

    def fold_deletion(self, fact: RecordsDeleted, objects: Objects) -> None:
        """Runs wholly below the new log start leave the index; the one it lies in stays."""
        key = (fact.topic_id, fact.partition)
        self._log_starts[key] = fact.log_start
        if self._indexes is not None and key in self._indexes:
            _release(objects, self._indexes[key].drop_below(fact.log_start))

    def forget_topic(self, fact: TopicDeleted, partitions: int, objects: Objects) -> None:
        """Drop the runs of a deleted topic; their objects lose what pointed into them."""
        for partition in range(partitions):
            key = (fact.topic_id, partition)
            if key not in self._next_offsets:
                continue
            del self._next_offsets[key]
            if key in self._log_starts:
                del self._log_starts[key]
            if self._indexes is not None:
                _release(objects, self._indexes.pop(key).objects())

    def freeze(self) -> list[tuple[TopicId, int, int, list[list[Buffer]]]]:
        assert self._indexes is not None
        return [
            (topic_id, partition, next_offset, self._indexes[topic_id, partition].freeze())
            for (topic_id, partition), next_offset in self._next_offsets.items()
        ]

    def freeze_starts(self) -> list[tuple[TopicId, int, int]]:
        return [(topic_id, partition, start) for (topic_id, partition), start in self._log_starts.items()]

    @staticmethod
    def restore(
        frozen: list[tuple[TopicId, int, int, list[list[bytes]]]], log_starts: list[tuple[TopicId, int, int]]
    ) -> "Runs":
        return Runs(
            {(topic_id, partition): next_offset for topic_id, partition, next_offset, _ in frozen},
            {(topic_id, partition): start for topic_id, partition, start in log_starts},
            {(topic_id, partition): RunIndex.restore(columns) for topic_id, partition, _, columns in frozen},
        )


def _release(objects: Objects, runs: Mapping[ObjectId, int]) -> None:
    """So many runs fewer point into each object."""
    for object_id, count in runs.items():
        if not is_inline(object_id):
            objects.count(object_id, -count)


class Place(msgspec.Struct, frozen=True):
    """Where an inline proposal's payload will lie: the commit's own id as an object, and the first byte's position."""

    object_id: ObjectId
    position: int


class _RunBuilder:
    """Gathers accepted batches into as few runs as their positions allow."""

    def __init__(self, append: Append, place: Place) -> None:
        inline = append.object_id == INLINE
        self._append = append
        self._object_id = place.object_id if inline else append.object_id
        self._shift = place.position if inline else 0
        self._entries: list[BatchEntry] = []
        self._base = 0
        self.facts: list[Fact] = []

    def add(self, entry: BatchEntry, offset: int) -> None:
        if self._entries:
            previous = self._entries[-1]
            end = previous.position + previous.length
            if end != entry.position or end - self._entries[0].position >= RUN_BYTES_MAX:
                self.close()
        if not self._entries:
            self._base = offset
        self._entries.append(entry)

    def close(self) -> None:
        entries = self._entries
        if not entries:
            return
        self._entries = []
        columns: list[int] = []
        offset, greatest = self._base, entries[0].max_timestamp
        for entry in entries:
            if entry.producer_id >= 0:
                columns += (
                    entry.producer_id,
                    entry.producer_epoch,
                    entry.base_sequence,
                    offset - self._base,
                    entry.count,
                )
            offset += entry.count
            greatest = max(greatest, entry.max_timestamp)
        first, last = entries[0], entries[-1]
        self.facts.append(
            RunAppended(
                self._append.topic_id,
                self._append.partition,
                self._base,
                offset - 1,
                self._object_id,
                self._shift + first.position,
                last.position + last.length - first.position,
                greatest,
                tuple(columns),
            )
        )


def append(
    topics: Topics,
    runs: Runs,
    objects: Objects,
    producers: Producers,
    proposal: Append,
    *,
    place: Place,
    now_ms: int,
    writer: str = "",
) -> tuple[list[Fact], list[int]]:
    """Assign offsets to what may be appended. `writer` is the operator whose task asks, or empty for clients.

    Pure, and blind to its own facts: batches of one producer within this append are judged in order by a scratch
    copy of that producer's record.
    """
    topic = topics.by_id.get(proposal.topic_id)
    if topic is None or not 0 <= proposal.partition < topic.partitions:
        return [], [-ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * len(proposal.batches)
    if topic.owner != writer:
        return [], [-ErrorCode.POLICY_VIOLATION] * len(proposal.batches)
    # Only a batch that follows another can be judged by what this very append has changed.
    scratch = producers.draft() if len(proposal.batches) > 1 else None
    offset = runs.next_offset(proposal.topic_id, proposal.partition)
    builder = _RunBuilder(proposal, place)
    results: list[int] = []
    for entry in proposal.batches:
        if entry.producer_id >= 0:
            key = (proposal.topic_id, proposal.partition, entry.producer_id)
            judge = scratch or producers
            verdict = judge.verdict(key, entry.producer_epoch, entry.base_sequence, entry.count, now_ms)
            if verdict is not None:
                results.append(verdict)
                continue
            if scratch is not None:
                final = (entry.base_sequence + entry.count - 1) % SEQUENCE_MODULUS
                batch = PastBatch(entry.base_sequence, final, offset)
                scratch.note(key, entry.producer_epoch, batch, Moment(0, now_ms, 0))
        results.append(offset)
        builder.add(entry, offset)
        offset += entry.count
    builder.close()
    facts = builder.facts
    if facts and proposal.object_id != INLINE and proposal.object_id not in objects.records:
        facts.insert(0, ObjectPut(proposal.object_id, proposal.object_length))
    return facts, results


def delete_records(topics: Topics, runs: Runs, proposal: DeleteRecords) -> tuple[list[Fact], int]:
    """The fact of a log start that moves, and where the log starts then; no fact where it lies there already.

    Raises: Refused(UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE).
    """
    topic = topics.by_id.get(proposal.topic_id)
    if topic is None or not 0 <= proposal.partition < topic.partitions:
        raise Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This partition does not exist (any more).")
    start = runs.log_start(topic.id, proposal.partition)
    end = runs.next_offset(topic.id, proposal.partition)
    offset = end if proposal.offset == HIGH_WATERMARK else proposal.offset
    if not 0 <= offset <= end:
        raise Refused(
            ErrorCode.OFFSET_OUT_OF_RANGE, f"Records can be deleted up to offset {end}, not {offset}; -1 means all."
        )
    if offset <= start:
        return [], start
    return [RecordsDeleted(topic.id, proposal.partition, offset)], offset
