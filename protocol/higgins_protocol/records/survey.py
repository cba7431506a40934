"""Check every record of a batch, and learn their timestamps, without building them: for a broker that stores batches.

Each record is checked completely: its length, the lengths inside it, its offset, the count of all. Reading a record
takes a fraction of a microsecond in Python, which would be as much as everything else that a broker does for it. But
most batches are long runs of records of the same shape, which `record_runs` checks all at once.
"""

from collections.abc import Iterator

import msgspec

from higgins_protocol.errors import DecodeError, ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records.batch import BatchHeader
from higgins_protocol.records.record_runs import find_run
from higgins_protocol.varint import read_signed

RECORD_BYTES_MIN = 7
"""Length, attributes, timestamp, offset, null key, null value and the number of headers: a byte each."""
NO_TIMESTAMP = -1
UNLIMITED = 1 << 62
TIMESTAMP_MIN, TIMESTAMP_MAX = -(1 << 63), (1 << 63) - 1

_PAUSE_MAX = 256
"""The most records that are read one by one before the next search for a run."""


class Survey(msgspec.Struct, frozen=True):
    """What the records of a batch say. Timestamps are those of the records, whatever the header says."""

    max_timestamp: int
    """The greatest timestamp, at least -1."""
    min_timestamp: int
    """The least timestamp, or an earlier one than every record has if it was not asked for."""
    is_keyless: bool
    """Whether any record has no key."""


def survey(header: BatchHeader, records: Buffer, *, wants_min: bool = False) -> Survey:
    """Check all records, which follow the header and are not compressed.

    Raises: RecordError, with INVALID_RECORD for anything that a reader would stumble over.
    """
    surveyor = Surveyor(header, records, wants_min=wants_min)
    surveyor.advance(UNLIMITED)
    return surveyor.survey()


def timestamps(header: BatchHeader, records: Buffer) -> Iterator[tuple[int, int]]:
    """(offset delta, timestamp) of each record, in order, read no further than the caller goes.

    Raises: RecordError when the bytes are not records.
    """
    position, base, end = 0, header.base_timestamp, len(records)
    for _ in range(header.record_count):
        try:
            size, position = read_signed(records, position, bytes_max=5)
            delta, at = read_signed(records, position + 1)
            offset, _ = read_signed(records, at, bytes_max=5)
        except (IndexError, DecodeError):
            raise _invalid("the records are cut off") from None
        position += size
        if size < 0 or position > end:
            raise _invalid("the records are cut off")
        yield offset, base + delta


def keyless(header: BatchHeader, records: Buffer) -> list[int]:
    """The indexes of the records without a key. The records are known to be valid."""
    position = 0
    indexes = []
    for index in range(header.record_count):
        size, position = read_signed(records, position)
        _, at = read_signed(records, position + 1)
        _, at = read_signed(records, at)
        if read_signed(records, at)[0] < 0:
            indexes.append(index)
        position += size
    return indexes


class _TooManyHeaders(Exception):
    """The headers of a record would take longer to check than the caller wants to wait."""


class Surveyor:
    """A survey in steps, for a caller who must not be held up by a batch of many different records."""

    def __init__(self, header: BatchHeader, records: Buffer, *, wants_min: bool = False) -> None:
        """With `wants_min` the least timestamp is looked for, too. Raises: RecordError."""
        self._count = count = header.record_count
        if not 0 <= count <= len(records) // RECORD_BYTES_MIN:
            raise _invalid(f"{count} records cannot be in {len(records)} bytes")
        self._base_timestamp = header.base_timestamp
        self._records = records
        self._wants_min = wants_min
        self._position = 0
        self._index = 0
        self.records_read = 0
        """How many records were read one by one."""
        self._headers_max = 0
        self._pause = 0
        """How many records are read one by one before the next search for a run; more after each that found none."""
        self._greatest = -(1 << 64)
        self._least = 1 << 64
        self._is_keyless = False

    def advance(self, records_max: int) -> bool:
        """Check records until all are checked, or `records_max` were read one by one; whether all are checked.

        Records in runs are not counted: ten of them cost as much as one. Headers are counted as records are, and a
        record with more of them is left for a call with a larger bound. Raises: RecordError.
        """
        self._headers_max = records_max
        try:
            while self._index < self._count and records_max > 0:
                before = self._index
                start = self._read(min(before + records_max, self._count))
                records_max -= self._index - before
                self.records_read += self._index - before
                if self._index < self._count:
                    self._skip_run(start, self._position - start)
        except _TooManyHeaders:
            return False  # The records since the last run or pause will be read again.
        except IndexError:
            raise _invalid("the records are cut off") from None
        except DecodeError as error:
            raise _invalid(f"a record is damaged: {error}") from None
        if self._index < self._count:
            return False
        if self._position != len(self._records):
            raise _invalid(f"{len(self._records) - self._position} bytes follow after {self._count} records")
        return True

    def survey(self) -> Survey:
        """What the records say, once all are checked. Raises: RecordError."""
        assert self._index == self._count
        if not self._count:
            return Survey(NO_TIMESTAMP, TIMESTAMP_MIN, is_keyless=False)
        greatest = self._base_timestamp + self._greatest
        least = self._base_timestamp + self._least if self._wants_min else TIMESTAMP_MIN
        if greatest > TIMESTAMP_MAX or least < TIMESTAMP_MIN:
            raise _invalid("a timestamp has more than 64 bits")
        return Survey(max(greatest, NO_TIMESTAMP), least, self._is_keyless)

    def _skip_run(self, start: int, size: int) -> None:
        """Check the records that have the shape of the last one, which begins at `start`, all at once."""
        run = find_run(self._records, start, size, self._index, self._count, wants_min=self._wants_min)
        if run is None:
            self._pause = min(2 * self._pause + 4, _PAUSE_MAX)
            return
        self._pause = 0
        self._index += run.records
        self._position += run.records * size
        self._greatest = max(self._greatest, run.greatest)
        self._least = min(self._least, run.least)

    def _read(self, index_max: int) -> int:
        """Read records one by one up to `index_max`, or until the pause is over and the last two have the same size.

        Numbers of one and two bytes, which are nearly all, are read in place: a call for each number would cost more
        than the rest of the record. Returns: where the last one begins.
        """
        records, position, index = self._records, self._position, self._index
        greatest, least = self._greatest, self._least
        keyless = self._is_keyless
        index_min = index + self._pause
        size_before = -1
        while True:
            start = position
            byte = records[position]
            if byte < 0x80:
                size = byte >> 1 ^ -(byte & 1)
                position += 1
            elif (high := records[position + 1]) < 0x80:
                size = (byte & 0x7F | high << 7) >> 1 ^ -(byte & 1)
                position += 2
            else:
                size, position = read_signed(records, position, bytes_max=5)
            stop = position + size
            position += 1  # the attributes, which have no meaning
            byte = records[position]
            if byte < 0x80:
                delta = byte >> 1 ^ -(byte & 1)
                position += 1
            elif (high := records[position + 1]) < 0x80:
                delta = (byte & 0x7F | high << 7) >> 1 ^ -(byte & 1)
                position += 2
            else:
                delta, position = read_signed(records, position)
            greatest = max(greatest, delta)
            least = min(least, delta)
            byte = records[position]
            if byte < 0x80:
                offset = byte >> 1 ^ -(byte & 1)
                position += 1
            elif (high := records[position + 1]) < 0x80:
                offset = (byte & 0x7F | high << 7) >> 1 ^ -(byte & 1)
                position += 2
            else:
                offset, position = read_signed(records, position, bytes_max=5)
            if offset != index:
                raise _invalid(f"record {index} has offset delta {offset}")
            byte = records[position]
            if byte == 1:
                keyless = True
                position += 1
            elif byte < 0x80 and not byte & 1:
                position += 1 + (byte >> 1)
            else:
                length, position = read_signed(records, position, bytes_max=5)
                position = self._skip(length, position, stop, index)
                keyless = keyless or length < 0
            byte = records[position]
            if byte < 0x80 and not byte & 1:
                position += 1 + (byte >> 1)
            elif not byte & 1 and (high := records[position + 1]) < 0x80:
                position += 2 + ((byte & 0x7F | high << 7) >> 1)
            else:
                length, position = read_signed(records, position, bytes_max=5)
                position = self._skip(length, position, stop, index)
            if records[position]:
                position = self._skip_headers(position, stop, index)
            else:
                position += 1
            if position != stop:
                raise _invalid(f"record {index} does not end where its length says")
            index += 1
            if index == index_max or (size == size_before and index >= index_min):
                self._greatest, self._least, self._is_keyless = greatest, least, keyless
                self._position, self._index = position, index
                return start
            size_before = size

    def _skip(self, length: int, position: int, stop: int, index: int) -> int:
        """Behind a key or a value of this length; -1 is null."""
        if not -1 <= length <= stop - position:
            raise _invalid(f"record {index} has a part of {length} bytes where {stop - position} remain")
        return position + max(length, 0)

    def _skip_headers(self, position: int, stop: int, index: int) -> int:
        count, position = read_signed(self._records, position, bytes_max=5)
        if not 0 <= count <= (stop - position) // 2:
            raise _invalid(f"record {index} has {count} headers in {stop - position} bytes")
        self._headers_max -= count
        if self._headers_max < 0:
            raise _TooManyHeaders
        for _ in range(count):
            length, position = read_signed(self._records, position, bytes_max=5)
            if length < 0:
                raise _invalid(f"record {index} has a header without a name")
            position = self._skip(length, position, stop, index)
            length, position = read_signed(self._records, position, bytes_max=5)
            position = self._skip(length, position, stop, index)
        return position


def _invalid(what: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, what)
