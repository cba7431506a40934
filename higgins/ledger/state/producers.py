"""Idempotent producers: which sequences each has committed in each partition.

The check lives where the offset is assigned, so it is good on every node and after every restart.
"""

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence

import msgspec

from higgins.ledger.state.base import Draft, Facet, Facets, Fact, Moment, Proposal, folds, slices
from higgins.ledger.state.overlay import Overlay
from higgins.ledger.state.topics import TopicDeleted
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode

BATCHES_REMEMBERED = 5
"""As many as a producer may have in flight: any of them may be sent again."""

PRODUCER_RETENTION_MS = 24 * 3600 * 1000
SEQUENCE_MODULUS = 1 << 31
GRANTS_REMEMBERED = 1000


class PastBatch(msgspec.Struct, frozen=True, array_like=True):
    """A committed batch of a producer: its first and last sequence, and where it begins."""

    first_sequence: int
    last_sequence: int
    base_offset: int


class ProducerRecord(msgspec.Struct, frozen=True, array_like=True):
    """A producer in one partition: its epoch, its newest batches (oldest first), and when it last wrote."""

    epoch: int
    batches: tuple[PastBatch, ...]
    updated_ms: int


class ProducerIdsGranted(Fact, frozen=True, tag=30):
    """A block of producer ids that no producer has had."""

    first: int
    count: int


class GrantProducerIds(Proposal[int], frozen=True, tag=30):
    """Reserve `count` producer ids that no producer has had; the result is the first."""

    count: int

    def validate(self, draft: Draft) -> tuple[Sequence[Fact], int]:
        assert self.count > 0, self
        first = draft[Producers].next_id
        return [ProducerIdsGranted(first, self.count)], first


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """A block of ids and when it was granted."""

    first: int
    count: int
    time_ms: int


ProducerKey = tuple[TopicId, int, int]
"""Topic id, partition, producer id."""


class ProducerRow(msgspec.Struct, frozen=True, array_like=True, tag="producer"):
    """A snapshot row: a producer in one partition."""

    key: ProducerKey
    record: ProducerRecord


class GrantsRow(msgspec.Struct, frozen=True, array_like=True, tag="grants"):
    """A snapshot row: the next free producer id, and the blocks granted lately."""

    next_id: int
    grants: tuple[Grant, ...]


class Producers(Facet, name="producers"):
    """The facet of producers. Records are in the order of their last write: idle ones are dropped from the front."""

    ROW = ProducerRow | GrantsRow

    def __init__(
        self,
        records: MutableMapping[ProducerKey, ProducerRecord] | None = None,
        next_id: int = 1,
        grants: tuple[Grant, ...] = (),
    ) -> None:
        # Ordered, because a plain dict is slow to name its first key once many before it were deleted.
        self.records: MutableMapping[ProducerKey, ProducerRecord] = OrderedDict() if records is None else records
        self.next_id = next_id
        self.grants = grants

    def draft(self) -> "Producers":
        return Producers(Overlay(self.records), self.next_id, self.grants)

    @folds(ProducerIdsGranted)
    def _grant(self, fact: ProducerIdsGranted, moment: Moment, state: Facets) -> None:
        self.next_id = fact.first + fact.count
        grant = Grant(fact.first, fact.count, moment.time_ms)
        self.grants = (*self.grants[-(GRANTS_REMEMBERED - 1) :], grant)

    @folds(TopicDeleted)
    def _delete_topic(self, fact: TopicDeleted, moment: Moment, state: Facets) -> None:
        for key in [key for key in self.records if key[0] == fact.topic_id]:
            del self.records[key]

    def note(self, key: ProducerKey, epoch: int, batch: PastBatch, now_ms: int) -> None:
        """A batch of an idempotent producer has been committed."""
        record = self.records.get(key)
        batches: tuple[PastBatch, ...] = (batch,)
        if record is not None:
            del self.records[key]
            if record.epoch == epoch:
                batches = (*record.batches[-(BATCHES_REMEMBERED - 1) :], batch)
        self.records[key] = ProducerRecord(epoch, batches, now_ms)

    def commit_folded(self, moment: Moment) -> None:
        """Drop producers that have not written for a day, by commit time, so that every node drops the same ones."""
        while self.records:
            key = next(iter(self.records))
            if self.records[key].updated_ms > moment.time_ms - PRODUCER_RETENTION_MS:
                return
            del self.records[key]

    def is_fresh(self, producer_id: int, now_ms: int) -> bool:
        """Whether the id was granted within the retention time, so that none of its records has been dropped."""
        for grant in reversed(self.grants):
            if grant.first <= producer_id < grant.first + grant.count:
                return grant.time_ms > now_ms - PRODUCER_RETENTION_MS
        return False

    def verdict(
        self, key: ProducerKey, epoch: int, sequence: int, count: int, now_ms: int, begins_anywhere: bool = False
    ) -> int | None:
        """None to append; the original offset of a repeat; or minus the error code of a refusal.

        A partition that knows nothing of a producer takes any first sequence, as in Kafka: the topic may have been
        deleted and created again, or the producer forgotten. But a producer whose id is recent may also be new here,
        with its first batch still on the way through another node, and a batch before the first one is never taken.
        So its batches have to wait before: UNKNOWN_PRODUCER_ID until `begins_anywhere` says that they have.
        """
        record = self.records.get(key)
        if record is None:
            fits = sequence == 0 or begins_anywhere or not self.is_fresh(key[2], now_ms)
            return None if fits else -ErrorCode.UNKNOWN_PRODUCER_ID
        if epoch < record.epoch:
            return -ErrorCode.INVALID_PRODUCER_EPOCH
        if epoch > record.epoch:
            return None if sequence == 0 else -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        last = record.batches[-1].last_sequence
        if sequence == (last + 1) % SEQUENCE_MODULUS:
            return None
        for batch in record.batches:
            # A repeat may be a part of the batch: librdkafka leaves out the records that have timed out meanwhile.
            # Within one batch, offsets grow as sequences do.
            skipped = (sequence - batch.first_sequence) % SEQUENCE_MODULUS
            if skipped + count - 1 <= (batch.last_sequence - batch.first_sequence) % SEQUENCE_MODULUS:
                return batch.base_offset + skipped
        # Sequences wrap: one that lies less than half the range before the last is old, the others are ahead. A batch
        # that ends ahead holds new records, wherever it begins; it must not be answered as a duplicate, which clients
        # take for written.
        final = (sequence + count - 1) % SEQUENCE_MODULUS
        behind = (last - final) % SEQUENCE_MODULUS < SEQUENCE_MODULUS // 2
        # While every batch of the producer is on record, what begins before all of them was never written.
        before = (sequence - record.batches[0].first_sequence) % SEQUENCE_MODULUS >= SEQUENCE_MODULUS // 2
        was_written = behind and not (before and len(record.batches) < BATCHES_REMEMBERED)
        return -ErrorCode.DUPLICATE_SEQUENCE_NUMBER if was_written else -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def freeze(self) -> Iterator[Sequence[ProducerRow | GrantsRow]]:
        yield [GrantsRow(self.next_id, self.grants)]
        yield from slices(ProducerRow(key, record) for key, record in self.records.items())

    def restore(self, level: int, rows: Sequence[ProducerRow | GrantsRow]) -> None:
        for row in rows:
            if isinstance(row, GrantsRow):
                self.next_id, self.grants = row.next_id, row.grants
            else:
                self.records[row.key] = row.record
