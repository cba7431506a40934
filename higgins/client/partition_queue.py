"""The queue of one partition's batches in a producer, from the first record to the result. Pure: no clock, no I/O.

Kafka's Java client spreads this over RecordAccumulator, ProducerBatch and TransactionManager; here one partition's part
of all three is one object, and the caller passes the time in.

*Idempotent producers* (KIP-98). A batch gets the next sequence number when it is first taken, and keeps its bytes until
its result is known. Up to `in_flight_max` batches are in flight, so when the first of them is refused, the broker
refuses the following ones with OUT_OF_ORDER_SEQUENCE_NUMBER; all of them are sent again, in order, with the same bytes.
The broker recognises a repeated batch by producer id, epoch and sequence, so a batch whose response was lost can be
sent again without being stored twice.

*Giving up on a batch* leaves a gap in the sequence, after which the broker would refuse every later batch. KIP-360 lets
a client bump its epoch there. This client has no transactions and asks for a new producer id instead, which needs no
extra state: the queue then starts at sequence 0. Batches that were sent under the old producer id may move to the new
one only if no attempt can have stored them, because the broker could not recognise the duplicate.

*A batch that is refused for some of its records* must not take the others along. If the broker names the records, they
fail and the others are sent again; if it does not, the batch is cut in halves until the reason stands alone.

*Without idempotence* one batch is in flight, so that a retry cannot reorder batches, and a batch whose outcome is
unknown is not sent again, because that could store it twice.
"""

from collections import deque
from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from higgins.client.errors import OUTCOME_UNKNOWN_CODES, RETRIABLE
from higgins.client.results import NotStored, SendResult, Stored, Unresolved
from higgins.client.settings import ProducerSettings
from higgins.model.future import Future
from higgins.runtime import Backoff
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import HEADER_BYTES
from higgins_protocol.records.record import Record, encode_batch

SEQUENCE_LIMIT = 1 << 31
RECORD_OVERHEAD_BYTES = 24

TIMESTAMP_SPAN_MAX = (1 << 63) - 1
"""A record's timestamp is stored as a difference from the first of its batch, a signed number of 64 bits."""

REFUSED_FOR_RECORDS = frozenset(
    {
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.INVALID_RECORD,
        ErrorCode.INVALID_TIMESTAMP,
    }
)
"""Refusals of a whole batch that only some of its records may be the reason for."""

Header = tuple[str, bytes | None]


class ProducerIdAndEpoch(msgspec.Struct, frozen=True):
    """What InitProducerId returned. Compared by identity: each instance has its own sequence from 0."""

    producer_id: int
    producer_epoch: int


NO_PRODUCER_ID = ProducerIdAndEpoch(-1, -1)
"""What the batches of a producer without idempotence carry."""


def record_bytes(key: bytes | None, value: bytes | None, headers: tuple[Header, ...]) -> int:
    """An estimate of a record's size in a batch, a little too large; exact sizes are not needed to bound a buffer."""
    header_bytes = sum(len(name) + len(content or b"") + 8 for name, content in headers)
    return len(key or b"") + len(value or b"") + header_bytes + RECORD_OVERHEAD_BYTES


class BatchState(Enum):
    """Where a batch is on its way."""

    OPEN = auto()
    """Takes more records; sent when full, or after `linger_ms`."""
    QUEUED = auto()
    """Closed, waiting to be sent for the first time or again."""
    IN_FLIGHT = auto()
    DONE = auto()


class PendingRecord(msgspec.Struct, frozen=True):
    """A record without a result yet."""

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    result: Future[SendResult]


class ProducerBatch:
    """Records that are sent together."""

    def __init__(self, created_ms: int) -> None:
        self.records: list[PendingRecord] = []
        self.size = HEADER_BYTES
        self.created_ms = created_ms
        self.state = BatchState.OPEN
        self.producer: ProducerIdAndEpoch | None = None
        """The producer id that `data` was encoded with; None until the batch is first taken."""
        self.data = b""
        """The encoded batch. It never changes under the same producer id: the broker recognises a repeated batch by its
        sequence alone, so a retry with other records would lose some of them."""
        self.maybe_stored = False
        """Whether the outcome of an earlier attempt is unknown."""

    def __repr__(self) -> str:
        return f"<ProducerBatch {len(self.records)} {self.state.name} maybe_stored={self.maybe_stored}>"


class PartitionQueue:
    """The batches of one partition, oldest first."""

    def __init__(self, topic: str, partition: int, settings: ProducerSettings, backoff: Backoff) -> None:
        self.topic = topic
        self.partition = partition
        self.flushing = False
        """Set by a flush: open batches are sent without lingering."""
        self.metadata_stale = False
        """Whether the partition's leader should be looked up before the next attempt."""
        self.producer_id_used_up = False
        """Whether the sequence of the last producer id has a gap, so that another one is needed."""
        self._settings = settings
        self._backoff = backoff
        self._batches: deque[ProducerBatch] = deque()
        self._producer: ProducerIdAndEpoch | None = None if settings.idempotent else NO_PRODUCER_ID
        self._next_sequence = 0
        self._retry_at_ms = 0
        self._last_failure = "no leader was reached"

    def __repr__(self) -> str:
        return f"<PartitionQueue {self.topic} [{self.partition}] {list(self._batches)}>"

    @property
    def empty(self) -> bool:
        """Whether every record has its result."""
        return not self._batches

    @property
    def needs_producer_id(self) -> bool:
        """Whether there are batches and no producer id to send them with; see `set_producer_id`."""
        return self._producer is None and bool(self._batches)

    def set_producer_id(self, producer: ProducerIdAndEpoch) -> None:
        """Send under this producer id from now on, starting at sequence 0."""
        self._producer = producer
        self._next_sequence = 0
        self.producer_id_used_up = False

    def on_no_producer_id(self, reason: str, now_ms: int) -> None:
        """InitProducerId failed and will be retried; batches past the delivery timeout end here."""
        self._last_failure = reason
        self._expire(now_ms)

    def append(self, record: PendingRecord, now_ms: int) -> None:
        """Add a record to the open batch, or to a new one when that is full."""
        size = record_bytes(record.key, record.value, record.headers)
        batch = self._batches[-1] if self._batches and self._batches[-1].state is BatchState.OPEN else None
        if batch is not None and self._is_full(batch, record, size):
            batch.state = BatchState.QUEUED
            batch = None
        if batch is None:
            batch = ProducerBatch(now_ms)
            self._batches.append(batch)
        batch.records.append(record)
        batch.size += size

    def take(self, now_ms: int) -> ProducerBatch | None:
        """The next batch to send, now in flight; None when there is nothing to send yet."""
        self._expire(now_ms)
        batch = self._next_ready(now_ms)
        if batch is None or self._producer is None:
            return None
        if batch.producer is None:
            self._encode(batch, self._producer)
        batch.state = BatchState.IN_FLIGHT
        return batch

    def wake_at_ms(self, now_ms: int) -> int | None:
        """When to call `take` again if no response arrives before; None when only a response or a record can help."""
        waiting = next((batch for batch in self._batches if batch.state is not BatchState.IN_FLIGHT), None)
        if waiting is None:
            return None
        times: list[int] = []
        if self._batches[0].state is not BatchState.IN_FLIGHT:
            times.append(self._expires_at_ms(self._batches[0]))
        linger_until_ms = waiting.created_ms + self._settings.linger_ms
        if self._retry_at_ms > now_ms:
            times.append(self._retry_at_ms)
        elif waiting.state is BatchState.OPEN and not self.flushing and linger_until_ms > now_ms:
            times.append(linger_until_ms)
        # With neither a pause nor a linger left, the batch waits for the batches in flight: only a response helps.
        return max(now_ms + 1, min(times)) if times else None

    def on_response(
        self,
        batch: ProducerBatch,
        code: ErrorCode,
        base_offset: int,
        message: str,
        now_ms: int,
        refused: Mapping[int, str] | None = None,
    ) -> None:
        """The broker answered for a batch. `refused` has the records that it names, by their index, and its reasons."""
        if batch.state is BatchState.DONE:
            return
        self._last_failure = f"{code.name} {message}".strip()
        if code is ErrorCode.NONE or code is ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
            self._backoff.reset()
            self._complete(batch, base_offset if code is ErrorCode.NONE else -1)
        elif code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER and self._has_predecessor(batch):
            # Refused only because an earlier batch is not stored yet: retry it behind that one. For the first batch
            # under its producer id the code means that the broker lost our sequence, which a retry cannot repair.
            self._retry(batch, now_ms)
        elif code in OUTCOME_UNKNOWN_CODES:
            self.on_outcome_unknown(batch, self._last_failure, now_ms)
        elif code in RETRIABLE:
            self.metadata_stale = True
            self._retry(batch, now_ms)
        elif code in REFUSED_FOR_RECORDS and len(batch.records) > 1 and not batch.maybe_stored:
            self._divide(batch, code, message, refused or {})
        else:
            reason = (refused or {}).get(0) or message
            self._fail(batch, NotStored(self.topic, self.partition, code, reason))

    def on_outcome_unknown(self, batch: ProducerBatch, reason: str, now_ms: int) -> None:
        """The batch was sent, and whether it was stored is not known."""
        if batch.state is BatchState.DONE:
            return
        self._last_failure = reason
        self.metadata_stale = True
        batch.maybe_stored = True
        if self._settings.idempotent:
            self._retry(batch, now_ms)
        else:
            self._fail(batch, Unresolved(self.topic, self.partition, reason))

    def on_not_sent(self, batch: ProducerBatch, reason: str, now_ms: int) -> None:
        """The batch was taken and could not be sent, so this attempt certainly did not store it."""
        if batch.state is BatchState.DONE:
            return
        self._last_failure = reason
        self.metadata_stale = True
        self._retry(batch, now_ms)

    def abort(self, reason: str, code: ErrorCode = ErrorCode.NETWORK_EXCEPTION) -> None:
        """Give every record a result now: Unresolved if its batch was sent, NotStored otherwise."""
        while self._batches:
            batch = self._batches[0]
            batch.maybe_stored = batch.maybe_stored or batch.state is BatchState.IN_FLIGHT
            self._fail(batch, NotStored(self.topic, self.partition, code, reason))

    def _is_full(self, batch: ProducerBatch, record: PendingRecord, more_bytes: int) -> bool:
        settings = self._settings
        return (
            batch.size + more_bytes > settings.batch_bytes_max
            or len(batch.records) >= settings.batch_records_max
            or abs(record.timestamp_ms - batch.records[0].timestamp_ms) > TIMESTAMP_SPAN_MAX
        )

    def _next_ready(self, now_ms: int) -> ProducerBatch | None:
        in_flight = [batch for batch in self._batches if batch.state is BatchState.IN_FLIGHT]
        in_flight_max = self._settings.in_flight_max if self._settings.idempotent else 1
        if now_ms < self._retry_at_ms or len(in_flight) >= in_flight_max:
            return None
        index, batch = next(
            ((i, batch) for i, batch in enumerate(self._batches) if batch.state is not BatchState.IN_FLIGHT),
            (-1, None),
        )
        if batch is None or len(in_flight) > index:
            # The second condition: this batch was refused, and a later one is still in flight. Sent now, this one could
            # be stored before the later one's OUT_OF_ORDER_SEQUENCE_NUMBER arrives. The later batch would then be the
            # first in the queue, and its refusal would count as final.
            return None
        if any(other.producer is not self._producer for other in in_flight):
            # Batches of the previous producer id may still be stored. A batch with the new one must not overtake them.
            return None
        lingered = now_ms >= batch.created_ms + self._settings.linger_ms
        return batch if batch.state is BatchState.QUEUED or self.flushing or lingered else None

    def _encode(self, batch: ProducerBatch, producer: ProducerIdAndEpoch) -> None:
        batch.producer = producer
        batch.data = bytes(
            encode_batch(
                [
                    Record(offset, record.timestamp_ms, record.key, record.value, record.headers)
                    for offset, record in enumerate(batch.records)
                ],
                codec=self._settings.codec,
                producer_id=producer.producer_id,
                producer_epoch=producer.producer_epoch,
                base_sequence=self._next_sequence if self._settings.idempotent else -1,
            )
        )
        # A sequence number counts records, and wraps to 0 after 2^31 - 1.
        self._next_sequence = (self._next_sequence + len(batch.records)) % SEQUENCE_LIMIT

    def _expires_at_ms(self, batch: ProducerBatch) -> int:
        return batch.created_ms + self._settings.delivery_timeout_ms

    def _expire(self, now_ms: int) -> None:
        # Only from the front, where the oldest batch is. One in flight ends with its own request's timeout.
        while self._batches and self._batches[0].state is not BatchState.IN_FLIGHT:
            batch = self._batches[0]
            if now_ms < self._expires_at_ms(batch):
                return
            message = f"Not stored within {self._settings.delivery_timeout_ms} ms: {self._last_failure}"
            self._fail(batch, NotStored(self.topic, self.partition, ErrorCode.REQUEST_TIMED_OUT, message))

    def _has_predecessor(self, batch: ProducerBatch) -> bool:
        return batch is not self._batches[0] or batch.producer is not self._producer

    def _complete(self, batch: ProducerBatch, base_offset: int) -> None:
        self._batches.remove(batch)
        batch.state = BatchState.DONE
        for index, record in enumerate(batch.records):
            offset = base_offset + index if base_offset >= 0 else -1
            record.result.set_result(Stored(self.topic, self.partition, offset))

    def _retry(self, batch: ProducerBatch, now_ms: int) -> None:
        if batch.producer is not None and batch.producer is not self._producer:
            self._move_to_new_producer_id(batch)
            return
        batch.state = BatchState.QUEUED
        self._retry_at_ms = now_ms + int(self._backoff.next_s() * 1000)

    def _fail(self, batch: ProducerBatch, result: SendResult) -> None:
        self._batches.remove(batch)
        batch.state = BatchState.DONE
        if batch.maybe_stored and isinstance(result, NotStored):
            # This attempt did not store the batch, but an earlier one may have.
            result = Unresolved(self.topic, self.partition, result.message or result.code.name)
        for record in batch.records:
            record.result.set_result(result)
        if self._settings.idempotent and batch.producer is not None and batch.producer is self._producer:
            self._give_up_producer_id()

    def _divide(self, batch: ProducerBatch, code: ErrorCode, message: str, refused: Mapping[int, str]) -> None:
        """Replace a refused batch by its records that were not refused, or by its halves, in the same place.

        The new batches get sequence numbers when they are sent, so the refused batch leaves a gap in the sequence.
        """
        named = {index for index in refused if 0 <= index < len(batch.records)}
        if named:
            parts = [[record for index, record in enumerate(batch.records) if index not in named]]
        else:
            middle = len(batch.records) // 2
            parts = [batch.records[:middle], batch.records[middle:]]
        place = self._batches.index(batch)
        self._batches.remove(batch)
        batch.state = BatchState.DONE
        for records in reversed(parts):
            if records:
                self._batches.insert(place, _closed_batch(records, batch.created_ms))
        for index in sorted(named):
            result = NotStored(self.topic, self.partition, code, refused[index] or message)
            batch.records[index].result.set_result(result)
        if self._settings.idempotent and batch.producer is self._producer:
            self._give_up_producer_id()

    def _give_up_producer_id(self) -> None:
        """The sequence has a gap now: the batches that are not in flight move to the next producer id."""
        self._producer = None
        self.producer_id_used_up = True
        for batch in list(self._batches):
            if batch.state is BatchState.QUEUED and batch.producer is not None:
                self._move_to_new_producer_id(batch)

    def _move_to_new_producer_id(self, batch: ProducerBatch) -> None:
        """Discard the batch's sequence so that it is encoded again; or fail it if an attempt may have stored it."""
        if batch.maybe_stored:
            self._fail(batch, Unresolved(self.topic, self.partition, self._last_failure))
            return
        batch.state = BatchState.QUEUED
        batch.producer = None
        batch.data = b""


def _closed_batch(records: list[PendingRecord], created_ms: int) -> ProducerBatch:
    batch = ProducerBatch(created_ms)
    batch.records = records
    batch.size += sum(record_bytes(one.key, one.value, one.headers) for one in records)
    batch.state = BatchState.QUEUED
    return batch
