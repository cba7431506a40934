"""Find runs of records of one shape, and check them column by column. A part of `survey`.

Records have the same *shape* when the same lengths stand at the same places, and their timestamps and offsets have as
many bytes. The bytes at each of these places are one strided slice, which is compared at about a nanosecond per record.
A record that has the shape of a valid one and follows it directly is valid.
"""

import ctypes
import sys
from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec

from higgins_protocol.primitives import Buffer
from higgins_protocol.varint import read_signed, write_signed

_RUN_RECORDS_MIN = 32
"""Taking a shape and comparing its columns costs as much as reading about this many records."""
_SAMPLE_RECORDS = 9
"""So many first bytes are compared before the shape is taken."""
_RUN_RECORD_BYTES_MAX = 32 << 10
"""Larger records are few, so that reading each one costs little."""
_RUN_RECORDS_MAX = 8192
"""A run does not cross a multiple of this: then the bytes of its offsets above the second one are all equal."""
_MARKS_MAX = 40

_WINDOW_BYTES_MIN = 1 << 12
_WINDOW_BYTES_MAX = 1 << 20
_WINDOWS = {1 << bits: ctypes.c_char * (1 << bits) for bits in range(12, 21)}
"""Strided slices of a memoryview are ten times slower than those of bytes and of ctypes arrays. Copying what has just
been received into bytes would cost more than all the rest, so an array is laid over it."""
_Window: TypeAlias = bytes | bytearray
"""Or such an array, whose slices are bytes, too."""

_LOW = bytes(range(0x80))
_HIGH = bytes(range(0x80, 0x100))
_INVERTED = bytes(byte ^ 0x80 for byte in range(256))
_ODD = bytes(byte & 1 for byte in range(256))
_UP_TO = [bytes(range(byte + 1)) for byte in range(256)]

_OFFSETS_ONLY = bytes(2 * index & 0x7F for index in range(64))
_OFFSETS_FIRST = bytes(2 * index & 0x7F | 0x80 for index in range(_RUN_RECORDS_MAX))
_OFFSETS_LAST = bytes(index >> 6 for index in range(_RUN_RECORDS_MAX))
_OFFSETS_SECOND = bytes(index >> 6 | 0x80 for index in range(_RUN_RECORDS_MAX))


class Run(msgspec.Struct, frozen=True):
    """Valid records of one shape."""

    records: int
    least: int
    """The least timestamp, relative to the base timestamp of the batch; 0 if it was not asked for."""
    greatest: int
    """The greatest, in the same way."""


class _Shape(msgspec.Struct):
    """Where the parts of a record lie that all records of a run share, relative to its first byte."""

    marks: list[tuple[int, bytes]]
    """(position, byte) of each length."""
    timestamp_at: int
    timestamp_bytes: int
    offset_at: int
    offset_bytes: int


def find_run(data: Buffer, start: int, stride: int, index: int, count: int, *, wants_min: bool) -> Run | None:
    """The records from `index` on, up to `count`, that have the shape of the valid one before them; None for none.

    That one begins at `start` and has `stride` bytes.
    """
    end = len(data)
    if count - index < _RUN_RECORDS_MIN or stride > _RUN_RECORD_BYTES_MAX or start + 2 * stride > end:
        return None
    sample = bytes(data[start : start + _SAMPLE_RECORDS * stride : stride])
    if sample != sample[:1] * _SAMPLE_RECORDS:
        return None
    shape = _shape(bytes(data[start : start + stride]))
    if shape is None or shape.offset_bytes != len(write_signed(index)):
        return None
    window, first = _window(data, start, end)
    first += stride
    records = min(
        count - index,
        (len(window) - first) // stride,
        _RUN_RECORDS_MAX - index % _RUN_RECORDS_MAX,
        64 - index if index < 64 else _RUN_RECORDS_MAX,
    )
    length = (records - 1) * stride + 1
    for mark, byte in shape.marks:
        at = first + mark
        column = window[at : at + length : stride]
        if column != byte * records:
            records = len(column) - len(column.lstrip(byte))
            if records < _SAMPLE_RECORDS:
                return None
            length = (records - 1) * stride + 1
    at = first + shape.offset_at
    offsets = write_signed(index)
    for i in range(shape.offset_bytes):
        if window[at + i : at + i + length : stride] != _offset_column(i, offsets, index % _RUN_RECORDS_MAX, records):
            return None  # Reading them one by one will say which of them is wrong.
    return _with_timestamps(window, first, shape, stride, records, wants_min=wants_min)


def _with_timestamps(
    window: _Window, first: int, shape: _Shape, stride: int, records: int, *, wants_min: bool
) -> Run | None:
    """The run, as far as its timestamps have as many bytes as in its shape."""
    columns: list[bytes] = []
    for i in range(shape.timestamp_bytes):
        at = first + shape.timestamp_at + i
        column = bytes(window[at : at + (records - 1) * stride + 1 : stride])
        is_last = i == shape.timestamp_bytes - 1
        if not (column if is_last else column.translate(_INVERTED)).isascii():
            records = len(column) - len(column.lstrip(_LOW if is_last else _HIGH))
            if not records:
                return None
        columns.append(column)
    return Run(records, *_extremes([column[:records] for column in columns], wants_min=wants_min))


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
        return cast("_Window", _WINDOWS[size].from_buffer(records, at)), start - at
    return bytes(records[start : start + _WINDOW_BYTES_MAX]), 0


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
    expected = [(at, record[at : at + 1]) for at in marks]
    return _Shape(expected, timestamp_at, offset_at - timestamp_at, offset_at, offset_bytes)
