"""The batches of one partition on their way to its leader. Pure: no clock, no I/O; the caller says what time it is.

An idempotent lane gives each batch a sequence when it is first taken, keeps its bytes until its fate is known, and
sends it again in order. A plain lane has one batch under way, and lets go of one whose outcome is unknown, because a
repeat might store it twice. A batch that is given up leaves a gap in the sequence, so the lane asks for a new identity.
"""

from collections import deque
from enum import Enum, auto

import msgspec

from higgins.client.errors import RETRIABLE, UNDECIDED
from higgins.client.results import NotStored, Resolve, SendResult, Stored, Unresolved
from higgins.client.settings import ProducerSettings
from higgins.runtime import Backoff
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import HEADER_BYTES
from higgins_protocol.records.record import Record, encode_batch

SEQUENCE_LIMIT = 1 << 31
RECORD_OVERHEAD_BYTES = 24

Header = tuple[str, bytes | None]


class Identity(msgspec.Struct, frozen=True):
    """A producer id and epoch, as the broker gave them."""

    producer_id: int
    producer_epoch: int


ANONYMOUS = Identity(-1, -1)


def record_bytes(key: bytes | None, value: bytes | None, headers: tuple[Header, ...]) -> int:
    """About how many bytes a record takes in a batch."""
    of_headers = sum(len(name) + len(content or b"") + 8 for name, content in headers)
    return len(key or b"") + len(value or b"") + of_headers + RECORD_OVERHEAD_BYTES


class Place(Enum):
    """Where a batch stands."""

    OPEN = auto()
    QUEUED = auto()
    IN_FLIGHT = auto()
    SETTLED = auto()


class Pending(msgspec.Struct, frozen=True):
    """A record that waits to be stored, and whom to tell."""

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    resolve: Resolve


class Batch:
    """Records that go together. `data` is fixed when it is first taken, and never changes under the same identity."""

    def __init__(self, created_ms: int) -> None:
        self.records: list[Pending] = []
        self.size = HEADER_BYTES
        self.created_ms = created_ms
        self.place = Place.OPEN
        self.identity: Identity | None = None
        self.data = b""
        self.uncertain = False

    def __repr__(self) -> str:
        return f"<Batch {len(self.records)} {self.place.name} uncertain={self.uncertain}>"


class Lane:
    """One partition's queue, oldest batch first."""

    def __init__(self, topic: str, partition: int, settings: ProducerSettings, backoff: Backoff) -> None:
        self.topic = topic
        self.partition = partition
        self.flushing = False
        self.stale = False
        self.left_identity = False
        self._settings = settings
        self._backoff = backoff
        self._queue: deque[Batch] = deque()
        self._identity: Identity | None = None if settings.idempotent else ANONYMOUS
        self._next_sequence = 0
        self._pause_until_ms = 0
        self._last_failure = "no leader was reached"

    def __repr__(self) -> str:
        return f"<Lane {self.topic} [{self.partition}] {list(self._queue)}>"

    @property
    def empty(self) -> bool:
        """Whether every record so far has its result."""
        return not self._queue

    @property
    def needs_identity(self) -> bool:
        """Whether a producer id must be given by `adopt` before anything more can be taken."""
        return self._identity is None and bool(self._queue)

    def adopt(self, identity: Identity) -> None:
        """Go on under this identity, from sequence 0."""
        self._identity = identity
        self._next_sequence = 0

    def without_identity(self, why: str, now_ms: int) -> None:
        """No producer id could be had for now: drop what has run out of time."""
        self._last_failure = why
        self._expire(now_ms)

    def append(self, record: Pending, now_ms: int) -> None:
        """Add a record to the open batch, or to a new one when it is full."""
        size = record_bytes(record.key, record.value, record.headers)
        batch = self._queue[-1] if self._queue and self._queue[-1].place is Place.OPEN else None
        if batch is not None and self._full(batch, size):
            batch.place = Place.QUEUED
            batch = None
        if batch is None:
            batch = Batch(now_ms)
            self._queue.append(batch)
        batch.records.append(record)
        batch.size += size

    def take(self, now_ms: int) -> Batch | None:
        """The next batch to send, now in flight; None while there is nothing to send, or not yet."""
        self._expire(now_ms)
        batch = self._next_ready(now_ms)
        if batch is None or self._identity is None:
            return None
        if batch.identity is None:
            self._seal(batch, self._identity)
        batch.place = Place.IN_FLIGHT
        return batch

    def wake_at_ms(self, now_ms: int) -> int | None:
        """When to call `take` again if nothing else happens; None when only an event can change anything."""
        waiting = next((one for one in self._queue if one.place is not Place.IN_FLIGHT), None)
        if waiting is None:
            return None
        moments: list[int] = []
        if self._queue[0].place is not Place.IN_FLIGHT:
            moments.append(self._expires_ms(self._queue[0]))
        lingers_until_ms = waiting.created_ms + self._settings.linger_ms
        if self._pause_until_ms > now_ms:
            moments.append(self._pause_until_ms)
        elif waiting.place is Place.OPEN and not self.flushing and lingers_until_ms > now_ms:
            moments.append(lingers_until_ms)
        # Past both, it waits for those in flight, and only an answer can change that.
        return max(now_ms + 1, min(moments)) if moments else None

    def answered(self, batch: Batch, code: ErrorCode, base_offset: int, message: str, now_ms: int) -> None:
        """The broker has answered for a batch."""
        if batch.place is Place.SETTLED:
            return
        self._last_failure = f"{code.name} {message}".strip()
        if code is ErrorCode.NONE or code is ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
            self._backoff.reset()
            self._stored(batch, base_offset if code is ErrorCode.NONE else -1)
        elif code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER and self._follows_another(batch):
            # Refused only because a batch before it is not stored; it goes again behind that one, or without it.
            self._send_again(batch, now_ms)
        elif code in UNDECIDED:
            self.lost(batch, self._last_failure, now_ms)
        elif code in RETRIABLE:
            self.stale = True
            self._send_again(batch, now_ms)
        else:
            self._finish(batch, NotStored(self.topic, self.partition, code, message))

    def lost(self, batch: Batch, why: str, now_ms: int) -> None:
        """No answer, or one that leaves it open: what became of the batch is unknown."""
        if batch.place is Place.SETTLED:
            return
        self._last_failure = why
        self.stale = True
        batch.uncertain = True
        if self._settings.idempotent:
            self._send_again(batch, now_ms)
        else:
            self._finish(batch, Unresolved(self.topic, self.partition, why))

    def unsent(self, batch: Batch, why: str, now_ms: int) -> None:
        """The batch was not sent after all."""
        if batch.place is Place.SETTLED:
            return
        self._last_failure = why
        self.stale = True
        self._send_again(batch, now_ms)

    def abandon(self, why: str, code: ErrorCode = ErrorCode.NETWORK_EXCEPTION) -> None:
        """Settle everything now: what was sent is unknown, what was not is not stored."""
        while self._queue:
            batch = self._queue[0]
            batch.uncertain = batch.uncertain or batch.place is Place.IN_FLIGHT
            self._finish(batch, NotStored(self.topic, self.partition, code, why))

    def _full(self, batch: Batch, more_bytes: int) -> bool:
        settings = self._settings
        return (
            batch.size + more_bytes > settings.batch_bytes_max
            or len(batch.records) >= settings.batch_records_max
        )

    def _next_ready(self, now_ms: int) -> Batch | None:
        in_flight = [one for one in self._queue if one.place is Place.IN_FLIGHT]
        window = self._settings.in_flight_max if self._settings.idempotent else 1
        if now_ms < self._pause_until_ms or len(in_flight) >= window:
            return None
        index, batch = next(
            ((i, one) for i, one in enumerate(self._queue) if one.place is not Place.IN_FLIGHT), (-1, None)
        )
        if batch is None or len(in_flight) > index:
            # The second: a batch behind this one is still in flight, and order holds only once it is settled.
            return None
        if any(one.identity is not self._identity for one in in_flight):
            return None
        lingered = now_ms >= batch.created_ms + self._settings.linger_ms
        return batch if batch.place is Place.QUEUED or self.flushing or lingered else None

    def _seal(self, batch: Batch, identity: Identity) -> None:
        sequence = self._next_sequence if self._settings.idempotent else -1
        batch.identity = identity
        batch.data = bytes(
            encode_batch(
                [
                    Record(offset, one.timestamp_ms, one.key, one.value, one.headers)
                    for offset, one in enumerate(batch.records)
                ],
                codec=self._settings.codec,
                producer_id=identity.producer_id,
                producer_epoch=identity.producer_epoch,
                base_sequence=sequence,
            )
        )
        self._next_sequence = (self._next_sequence + len(batch.records)) % SEQUENCE_LIMIT

    def _expires_ms(self, batch: Batch) -> int:
        return batch.created_ms + self._settings.delivery_timeout_ms

    def _expire(self, now_ms: int) -> None:
        while self._queue and self._queue[0].place is not Place.IN_FLIGHT:
            batch = self._queue[0]
            if now_ms < self._expires_ms(batch):
                return
            why = f"Not stored within {self._settings.delivery_timeout_ms} ms: {self._last_failure}"
            self._finish(batch, NotStored(self.topic, self.partition, ErrorCode.REQUEST_TIMED_OUT, why))

    def _follows_another(self, batch: Batch) -> bool:
        return batch is not self._queue[0] or batch.identity is not self._identity

    def _stored(self, batch: Batch, base_offset: int) -> None:
        self._queue.remove(batch)
        batch.place = Place.SETTLED
        for index, one in enumerate(batch.records):
            offset = base_offset + index if base_offset >= 0 else -1
            one.resolve(Stored(self.topic, self.partition, offset))

    def _send_again(self, batch: Batch, now_ms: int) -> None:
        if batch.identity is not None and batch.identity is not self._identity:
            self._move_over(batch)
            return
        batch.place = Place.QUEUED
        self._pause_until_ms = now_ms + int(self._backoff.next_s() * 1000)

    def _finish(self, batch: Batch, result: SendResult) -> None:
        self._queue.remove(batch)
        batch.place = Place.SETTLED
        if batch.uncertain and isinstance(result, NotStored):
            # This attempt was refused, yet an earlier one may have been stored.
            result = Unresolved(self.topic, self.partition, result.message or result.code.name)
        for one in batch.records:
            one.resolve(result)
        if self._settings.idempotent and batch.identity is not None and batch.identity is self._identity:
            self._leave_identity()

    def _leave_identity(self) -> None:
        self._identity = None
        self.left_identity = True
        for batch in [one for one in self._queue if one.place is Place.QUEUED and one.identity is not None]:
            self._move_over(batch)

    def _move_over(self, batch: Batch) -> None:
        """Take a batch out of an identity that was left: it may go again only if no attempt can have been stored."""
        if batch.uncertain:
            self._finish(batch, Unresolved(self.topic, self.partition, self._last_failure))
            return
        batch.place = Place.QUEUED
        batch.identity = None
        batch.data = b""
