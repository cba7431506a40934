"""Validation of produced batches: what is stored can be read by every reader, and its header says what its records say.

As in Kafka, each record is checked, also in compressed batches: its structure, its timestamp and, for compacted topics,
its key. The max timestamp of the header is worked out from the records and corrected where the producer got it wrong,
because lookups by time rely on it.

Small work is done at once. Anything that could hold the event loop for milliseconds (decompression of more than 64 KiB,
thousands of records of different sizes) is left for a thread: `attempt` returns False, and the caller offloads
`finish`. A batch is decompressed in one piece of at most 64 MiB, and the number of threads is limited, so the memory of
a node is, too.
"""

from collections.abc import Sequence

import msgspec

from higgins.admin.configs.live import AppendRules
from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records.batch import HEADER_BYTES, LOG_APPEND_TIME, BatchHeader, correct_max_timestamp
from higgins_protocol.records.compression import Codec, unpack
from higgins_protocol.records.lz4_frames import check_readable
from higgins_protocol.records.record import OUTPUT_BYTES_MAX
from higgins_protocol.records.survey import NO_TIMESTAMP, UNLIMITED, Survey, Surveyor, keyless, timestamps

THREADS = "validate"
PACKED_BYTES_MAX = 4 << 10
"""A compressed batch of at most this size is decompressed at once, if its output is small, too."""
UNPACKED_BYTES_MAX = 64 << 10
RECORDS_MAX = 2_000
"""Records of a request that are read one by one before the rest is left for a thread: about two milliseconds."""
BYTES_PER_RECORD = 64
"""Decompressing this many bytes costs about as much as reading a record."""
RECORDS_NAMED_MAX = 1_000
"""The most invalid records that a response lists; a batch may hold a million."""
_UNLIMITED_BEFORE_MS = 1 << 62


class RecordsRefused(Exception):
    """The records of a batch are invalid: those at `indexes`, or the batch as a whole."""

    def __init__(self, code: ErrorCode, message: str, indexes: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.indexes = indexes[:RECORDS_NAMED_MAX]


class Allowance:
    """What the validation of one request may still cost on the event loop, in records that are read one by one."""

    def __init__(self) -> None:
        self.records = RECORDS_MAX


class Validation:
    """The validation of one batch, whose header has been checked."""

    def __init__(self, header: BatchHeader, batch: memoryview, rules: AppendRules, now_ms: int) -> None:
        self._header = header
        self._batch = batch
        self._rules = rules
        self._earliest_ms = now_ms - rules.timestamp_before_max_ms
        self._latest_ms = now_ms + rules.timestamp_after_max_ms
        self._wants_min = not rules.stamps and rules.timestamp_before_max_ms < _UNLIMITED_BEFORE_MS
        self._surveyor: Surveyor | None = None
        self._result: tuple[BatchHeader, Buffer] | None = None

    @property
    def result(self) -> tuple[BatchHeader, Buffer]:
        """The batch to append, once it is valid."""
        assert self._result is not None
        return self._result

    def attempt(self, allowance: Allowance) -> bool:
        """Validate now, unless that costs more than is allowed; whether it is done.

        Raises: RecordsRefused.
        """
        if allowance.records <= 0:
            return False
        try:
            return self._attempt(allowance)
        except RecordError as error:
            raise _refusal(error) from None

    def finish(self) -> None:
        """Validate, however long it takes: for a thread. Raises: RecordsRefused."""
        header = self._header
        packed = self._batch[HEADER_BYTES:]
        records: Buffer = packed
        try:
            if header.codec != Codec.NONE:
                records = _unpack(header, packed, OUTPUT_BYTES_MAX)
            surveyor = self._surveyor or Surveyor(header, records, wants_min=self._wants_min)
            self._surveyor = None
            surveyor.advance(UNLIMITED)
            survey = surveyor.survey()
        except RecordError as error:
            raise _refusal(error) from None
        self._complete(survey, records)

    def _attempt(self, allowance: Allowance) -> bool:
        header = self._header
        packed = self._batch[HEADER_BYTES:]
        records: Buffer = packed
        if header.codec != Codec.NONE:
            if len(records) > PACKED_BYTES_MAX:
                return False
            try:
                records = _unpack(header, packed, UNPACKED_BYTES_MAX)
            except RecordError as error:
                if error.code is not ErrorCode.MESSAGE_TOO_LARGE:
                    raise
                allowance.records -= UNPACKED_BYTES_MAX // BYTES_PER_RECORD
                return False
            allowance.records -= len(records) // BYTES_PER_RECORD
        surveyor = Surveyor(header, records, wants_min=self._wants_min)
        if not surveyor.advance(max(allowance.records, 1)):
            allowance.records = 0
            if header.codec == Codec.NONE:
                self._surveyor = surveyor
            return False
        allowance.records -= surveyor.records_read
        survey = surveyor.survey()
        if self._is_refused(survey) and header.record_count > RECORDS_MAX:
            return False
        self._complete(survey, records)
        return True

    def _is_refused(self, survey: Survey) -> bool:
        """Whether some record may be refused; not certain, as a record without a timestamp is none too old."""
        if self._rules.wants_keys and survey.is_keyless:
            return True
        is_timely = self._earliest_ms <= survey.min_timestamp or not self._wants_min
        return not self._rules.stamps and (survey.max_timestamp > self._latest_ms or not is_timely)

    def _complete(self, survey: Survey, records: Buffer) -> None:
        if self._is_refused(survey):
            self._refuse_records(records)
        header, batch = self._header, self._batch
        if self._rules.stamps:
            self._result = (header, batch)
            return
        attributes = header.attributes & ~LOG_APPEND_TIME
        if (header.max_timestamp, header.attributes) == (survey.max_timestamp, attributes):
            self._result = (header, batch)
            return
        corrected = msgspec.structs.replace(header, attributes=attributes, max_timestamp=survey.max_timestamp)
        self._result = corrected, correct_max_timestamp(batch, survey.max_timestamp)

    def _refuse_records(self, records: Buffer) -> None:
        """Find the records to refuse. Raises: RecordsRefused."""
        if self._rules.wants_keys and (indexes := keyless(self._header, records)):
            message = "A compacted topic (cleanup.policy=compact) accepts only records with a key."
            raise RecordsRefused(ErrorCode.INVALID_RECORD, message, indexes)
        if self._rules.stamps:
            return
        earliest, latest = self._earliest_ms, self._latest_ms
        outside = [
            (index, at_ms)
            for index, (_, at_ms) in enumerate(timestamps(self._header, records))
            if at_ms > latest or (at_ms < earliest and at_ms != NO_TIMESTAMP)
        ]
        if outside:
            index, at_ms = outside[0]
            message = (
                f"Record {index} of the batch has timestamp {at_ms}; those from {earliest} to {latest} are accepted "
                "(message.timestamp.before.max.ms and message.timestamp.after.max.ms, by the broker's clock)."
            )
            raise RecordsRefused(ErrorCode.INVALID_TIMESTAMP, message, [index for index, _ in outside])


def _unpack(header: BatchHeader, packed: memoryview, bytes_max: int) -> Buffer:
    # Readers are more lenient: they also read what was stored before this was checked.
    if header.codec == Codec.LZ4:
        check_readable(packed)
    return unpack(header.codec, packed, bytes_max=bytes_max)


def _refusal(error: RecordError) -> RecordsRefused:
    # CORRUPT_MESSAGE would make clients send the batch again and again, as one that was damaged on the way; but the
    # checksum is right, so these bytes are what the client made.
    code = ErrorCode.INVALID_RECORD if error.code is ErrorCode.CORRUPT_MESSAGE else error.code
    return RecordsRefused(code, error.what)
