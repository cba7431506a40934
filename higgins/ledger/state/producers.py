"""Idempotent producers: which sequences each has committed in each partition.

The check lives where the offset is assigned, so it is good on every node and after every restart.
"""

from collections import OrderedDict
from collections.abc import MutableMapping

import msgspec

from higgins.ledger.state.base import Fact, Moment, Proposal
from higgins.ledger.state.overlay import Overlay
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


class GrantProducerIds(Proposal, frozen=True):
    """Reserve ids that no producer has had; the result is the first of `count`."""

    count: int


class ProducerIdsGranted(Fact, frozen=True, tag=30):
    first: int
    count: int


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """A block of ids and when it was granted."""

    first: int
    count: int
    time_ms: int


ProducerKey = tuple[TopicId, int, int]
"""Topic id, partition, producer id."""


class Producers:
    """The facet of producers. Records are kept in the order of their last write: old ones leave from the front."""

    def __init__(
        self, records: MutableMapping[ProducerKey, ProducerRecord], next_id: int = 1, grants: tuple[Grant, ...] = ()
    ) -> None:
        self.records = records
        self.next_id = next_id
        self.grants = grants

    def draft(self) -> "Producers":
        return Producers(Overlay(self.records), self.next_id, self.grants)

    def fold(self, fact: ProducerIdsGranted, moment: Moment) -> None:
        self.next_id = fact.first + fact.count
        grant = Grant(fact.first, fact.count, moment.time_ms)
        self.grants = (*self.grants[-(GRANTS_REMEMBERED - 1) :], grant)

    def note(self, key: ProducerKey, epoch: int, batch: PastBatch, moment: Moment) -> None:
        """A batch of an idempotent producer has been committed."""
        record = self.records.get(key)
        batches: tuple[PastBatch, ...] = (batch,)
        if record is not None:
            del self.records[key]
            if record.epoch == epoch:
                batches = (*record.batches[-(BATCHES_REMEMBERED - 1) :], batch)
        self.records[key] = ProducerRecord(epoch, batches, moment.time_ms)

    def forget_idle(self, now_ms: int) -> None:
        """Drop who has not written for a day, by commit time, so that every node drops the same."""
        while self.records:
            key = next(iter(self.records))
            if self.records[key].updated_ms > now_ms - PRODUCER_RETENTION_MS:
                return
            del self.records[key]

    def forget_topic(self, topic_id: TopicId) -> None:
        """Drop everything known of a deleted topic."""
        for key in [key for key in self.records if key[0] == topic_id]:
            del self.records[key]

    def is_fresh(self, producer_id: int, now_ms: int) -> bool:
        """Whether the id was granted so lately that nothing of it can have been forgotten."""
        for grant in reversed(self.grants):
            if grant.first <= producer_id < grant.first + grant.count:
                return grant.time_ms > now_ms - PRODUCER_RETENTION_MS
        return False

    def verdict(self, key: ProducerKey, epoch: int, sequence: int, count: int, now_ms: int) -> int | None:
        """None to append; the original offset of a repeat; or minus the error code of a refusal."""
        record = self.records.get(key)
        if record is None:
            # A producer nobody remembers may begin anywhere; one that cannot have been forgotten begins at 0.
            fits = sequence == 0 or not self.is_fresh(key[2], now_ms)
            return None if fits else -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if epoch < record.epoch:
            return -ErrorCode.INVALID_PRODUCER_EPOCH
        if epoch > record.epoch:
            return None if sequence == 0 else -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        last = record.batches[-1].last_sequence
        if sequence == (last + 1) % SEQUENCE_MODULUS:
            return None
        for batch in record.batches:
            # Part of a batch, too: librdkafka leaves out of a repeat what has timed out meanwhile. Within one batch
            # offsets run as sequences do.
            skipped = (sequence - batch.first_sequence) % SEQUENCE_MODULUS
            if skipped + count - 1 <= (batch.last_sequence - batch.first_sequence) % SEQUENCE_MODULUS:
                return batch.base_offset + skipped
        # Sequences wrap, so what lies less than half the circle behind is old, and the rest is ahead. What ends ahead
        # holds something new, whatever it begins with: a client takes "duplicate" for written.
        final = (sequence + count - 1) % SEQUENCE_MODULUS
        behind = (last - final) % SEQUENCE_MODULUS < SEQUENCE_MODULUS // 2
        return -ErrorCode.DUPLICATE_SEQUENCE_NUMBER if behind else -ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def freeze(self) -> tuple[int, tuple[Grant, ...], list[tuple[ProducerKey, ProducerRecord]]]:
        return self.next_id, self.grants, list(self.records.items())

    @staticmethod
    def restore(frozen: tuple[int, tuple[Grant, ...], list[tuple[ProducerKey, ProducerRecord]]]) -> "Producers":
        next_id, grants, records = frozen
        return Producers(OrderedDict(records), next_id, grants)


def grant_producer_ids(producers: Producers, proposal: GrantProducerIds) -> tuple[list[Fact], int]:
    """The fact of a grant, and the first id of the block."""
    assert proposal.count > 0, proposal
    return [ProducerIdsGranted(producers.next_id, proposal.count)], producers.next_id
