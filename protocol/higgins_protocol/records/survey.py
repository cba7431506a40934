"""Check every record of a batch, and learn their timestamps, without building them: for a broker that stores batches.

Each record is checked completely: its length, the lengths inside it, its offset, the count of all. Reading a record
takes a fraction of a microsecond in Python, which would be as much as everything else that a broker does for it. But
most batches are long runs of records of one *shape*: the same lengths at the same places. The shape of the first is
taken, and the bytes of the others at each place are compared in one strided slice, at about a nanosecond per record.
"""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from higgins_protocol.errors import DecodeError, ErrorCode, RecordError
from higgins_protocol.primitives import Buffer
from higgins_protocol.records.batch import BatchHeader
from higgins_protocol.varint import read_signed, write_signed

RECORD_BYTES_MIN = 7
"""Length, attributes, timestamp, offset, null key, null value and the number of headers: a byte each."""
NO_TIMESTAMP = -1
UNLIMITED = 1 << 62
TIMESTAMP_MIN, TIMESTAMP_MAX = -(1 << 63), (1 << 63) - 1

_RUN_RECORDS_MIN = 8
_RUN_RECORD_BYTES_MAX = 32 << 10
"""Larger records are few, so that reading each one costs little."""
_RUN_RECORDS_MAX = 8192
"""A run does not cross a multiple of this: then the bytes of its offsets above the second one are all equal."""
_MARKS_MAX = 40
_PAUSE_MAX = 256

_WINDOW_BYTES_MIN = 1 << 12
_WINDOW_BYTES_MAX = 1 << 20
_WINDOWS = {1 << bits: ctypes.c_char * (1 << bits) for bits in range(12, 21)}
"""Strided slices of a memoryview are ten times slower than those of bytes and of ctypes arrays. Copying what has just
been received into bytes would cost more than all the rest, so an array is laid over it."""
_Window: TypeAlias = "bytes | bytearray | ctypes.Array[ctypes.c_char]"

_LOW = bytes(range(0x80))
_HIGH = bytes(range(0x80, 0x100))
_INVERTED = bytes(byte ^ 0x80 for byte in range(256))
_ODD = bytes(byte & 1 for byte in range(256))
_UP_TO = [bytes(range(byte + 1)) for byte in range(256)]

_OFFSETS_ONLY = bytes(2 * index & 0x7F for index in range(64))
_OFFSETS_FIRST = bytes(2 * index & 0x7F | 0x80 for index in range(_RUN_RECORDS_MAX))
_OFFSETS_LAST = bytes(index >> 6 for index in range(_RUN_RECORDS_MAX))
_OFFSETS_SECOND = bytes(index >> 6 | 0x80 for index in range(_RUN_RECORDS_MAX))


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


class _Shape(msgspec.Struct):
    """Where the parts of a record lie that all records of a run share, relative to its first byte."""

    marks: list[tuple[int, int]]
    """(position, byte) of each length."""
    timestamp_at: int
    timestamp_bytes: int
    offset_at: int
    offset_bytes: int


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
                size = self._position - start
                if self._index < self._count and size <= _RUN_RECORD_BYTES_MAX:
                    more = self._run(start, size, self._index)
                    self._index += more
                    self._position += more * size
                    self._pause = 0 if more else min(2 * self._pause + 4, _PAUSE_MAX)
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

    # ---- runs of records of one shape -------------------------------------------------------------------------------

    def _run(self, start: int, stride: int, index: int) -> int:
        """How many records that follow the one at `start`, from `index` on, have its shape; they are then checked."""
        end = len(self._records)
        stop = start + (_RUN_RECORDS_MIN + 1) * stride
        if stop > end or bytes(self._records[start:stop:stride]) != bytes((self._records[start],)) * (
            _RUN_RECORDS_MIN + 1
        ):
            return 0
        shape = _shape(bytes(self._records[start : start + stride]))
        if shape is None or shape.offset_bytes != len(write_signed(index)):
            return 0
        window, first = _window(self._records, start, end)
        first += stride
        records = min(
            self._count - index,
            (len(window) - first) // stride,
            _RUN_RECORDS_MAX - index % _RUN_RECORDS_MAX,
            64 - index if index < 64 else _RUN_RECORDS_MAX,
        )
        for at, byte in shape.marks:
            column = _column(window, first + at, stride, records)
            if column != bytes((byte,)) * records:
                records = len(column) - len(column.lstrip(bytes((byte,))))
                if records < _RUN_RECORDS_MIN:
                    return 0
        offsets = write_signed(index)
        for i in range(shape.offset_bytes):
            column = _column(window, first + shape.offset_at + i, stride, records)
            if column != _offset_column(i, offsets, index % _RUN_RECORDS_MAX, records):
                return 0  # Reading them one by one will say which of them is wrong.
        return self._take_timestamps(window, first, shape, stride, records)

    def _take_timestamps(self, window: _Window, first: int, shape: _Shape, stride: int, records: int) -> int:
        """Count the timestamps of a run in; how many of its records have timestamps of the width of its shape."""
        columns: list[bytes] = []
        for i in range(shape.timestamp_bytes):
            column = _column(window, first + shape.timestamp_at + i, stride, records)
            is_last = i == shape.timestamp_bytes - 1
            if not (column if is_last else column.translate(_INVERTED)).isascii():
                records = len(column) - len(column.lstrip(_LOW if is_last else _HIGH))
                if not records:
                    return 0
            columns.append(column)
        least, greatest = _extremes([column[:records] for column in columns], wants_min=self._wants_min)
        self._greatest = max(self._greatest, greatest)
        self._least = min(self._least, least)
        return records


def _window(records: Buffer, start: int, end: int) -> tuple[_Window, int]:
    """Something whose strided slices are fast, and where in it the byte at `start` is."""
    if isinstance(records, (bytes, bytearray)):
        return records, start
    if not records.readonly and end >= _WINDOW_BYTES_MIN:
        # The smallest array that reaches from `start` to the end, if the records are long enough for it, or else the
        # largest that they are long enough for. It may begin before `start`, so that the last one reaches the end.
        wanted = 1 << (end - start - 1).bit_length()
        size = min(max(wanted, _WINDOW_BYTES_MIN), _WINDOW_BYTES_MAX, 1 << end.bit_length() - 1)
        at = min(start, end - size)
        return _WINDOWS[size].from_buffer(records, at), start - at
    return bytes(records[start : start + _WINDOW_BYTES_MAX]), 0


def _column(window: _Window, at: int, stride: int, records: int) -> bytes:
    """The bytes from `at` on in steps of `stride`."""
    column = window[at : at + (records - 1) * stride + 1 : stride]
    assert not isinstance(column, list)  # A slice of an array of c_char is bytes, which its type does not say.
    return bytes(column)


def _offset_column(i: int, first: bytes, index: int, records: int) -> bytes:
    """Byte `i` of the offsets of a run, the first of which is written as `first`; `index` counts from its multiple."""
    if len(first) == 1:
        return _OFFSETS_ONLY[index : index + records]
    if i == 0:
        return _OFFSETS_FIRST[index : index + records]
    if i == 1:
        return (_OFFSETS_LAST if len(first) == 2 else _OFFSETS_SECOND)[index : index + records]
    return first[i : i + 1] * records


def _extremes(columns: Sequence[bytes], *, wants_min: bool) -> tuple[int, int]:
    """The least (if wanted) and the greatest of zigzag-encoded numbers, with a column for each of their bytes."""
    if wants_min or 1 in columns[0].translate(_ODD):
        numbers = [_decoded(word) for word in _words(columns)]
        return min(numbers), max(numbers)
    # No number is negative, so the greatest has the greatest last byte, and so on. Timestamps mostly ascend: then those
    # with the same last byte are neighbours, and the greatest byte of each column is found without a look at each one.
    word = 0
    low, high = 0, len(columns[0])
    for i in range(len(columns) - 1, -1, -1):
        column = columns[i][low:high]
        byte = _greatest_byte(column)
        first, last = column.find(byte), column.rfind(byte)
        if last - first >= column.count(byte):
            return 0, _decoded(max(_words(columns)))
        low, high = low + first, low + last + 1
        word = word << 8 | byte
    return 0, _decoded(word)


def _greatest_byte(column: bytes) -> int:
    """The greatest byte of at least one; faster than `max` where the last bytes are the greatest."""
    greatest = column[-1]
    while greater := column.translate(None, _UP_TO[greatest]):
        column, greatest = greater, greater[-1]
    return greatest


def _words(columns: Sequence[bytes]) -> Sequence[int]:
    """The bytes of each number side by side in an integer. Continuation bits are kept: they are the same in all."""
    size = next(size for size in (1, 2, 4, 8) if len(columns) <= size)
    words = bytearray(size * len(columns[0]))
    for i, column in enumerate(columns):
        words[i if sys.byteorder == "little" else size - 1 - i :: size] = column
    view = memoryview(words)
    match size:
        case 1:
            return words
        case 2:
            return view.cast("H")
        case 4:
            return view.cast("I")
    return view.cast("Q")


def _decoded(word: int) -> int:
    """The number in a word of seven bits in each byte."""
    value, shift = 0, 0
    while word:
        value |= (word & 0x7F) << shift
        word >>= 8
        shift += 7
    return value >> 1 ^ -(value & 1)


def _shape(record: bytes) -> _Shape | None:
    """The shape of a valid record; None if runs of it are not worth looking for."""
    _, timestamp_at = read_signed(record, 0)
    marks = list(range(timestamp_at))
    timestamp_at += 1
    _, offset_at = read_signed(record, timestamp_at)
    _, position = read_signed(record, offset_at)
    offset_bytes = position - offset_at
    parts = 2
    while parts:
        length, after = read_signed(record, position)
        marks += range(position, after)
        position = after + length if length > 0 else after
        parts -= 1
        if not parts and position < len(record):
            parts, after = read_signed(record, position)
            marks += range(position, after)
            position, parts = after, 2 * parts
            if parts > _MARKS_MAX:
                return None
            if not parts:
                break
    if len(marks) > _MARKS_MAX or offset_at - timestamp_at > 8:
        return None
    return _Shape([(at, record[at]) for at in marks], timestamp_at, offset_at - timestamp_at, offset_at, offset_bytes)


def _invalid(what: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, what)
