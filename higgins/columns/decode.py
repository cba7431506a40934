"""Record batches to columns: `stored` splits batches, `gather` groups them into blocks, `rows` decodes the records.

Behaviour: small uncompressed batches are gathered into one block, so that a read of many one-record batches costs
little more than one large batch. A compressed batch stays packed until the caller expands it, because that can take
long enough to belong in a thread. Control batches have no rows. In a batch with LogAppendTime every record has the
batch's timestamp. All three functions are generators, so that the caller can yield to the event loop between values.
Not done: records that cannot be decoded are counted and skipped to the end of their batch. They are refused when they
are produced, but earlier versions stored them, and an operator has to get past them. A wrong checksum raises Corrupt,
because it means that stored bytes have changed.
"""

import mmap
from collections.abc import Iterable, Iterator
from typing import cast

import msgspec

from higgins.columns.columns import BatchRows, Columns, StoredBatch, read_headers
from higgins.model.errors import Corrupt
from higgins.model.pointer import Buffer
from higgins_protocol.errors import DecodeError, ErrorCode, RecordError
from higgins_protocol.records.batch import ATTRIBUTES_AT, HEADER_BYTES, PREFIX_BYTES, BatchHeader, read_header
from higgins_protocol.records.compression import unpack
from higgins_protocol.records.crc import crc32c
from higgins_protocol.records.record import OUTPUT_BYTES_MAX
from higgins_protocol.varint import read_signed

BLOCK_BYTES_MAX = 1 << 20
BLOCK_SECTIONS_MAX = 1_000
EXPANDED_AT_ONCE_BYTES_MAX = 64 << 10
DECOMPRESSED_BYTES_MAX = OUTPUT_BYTES_MAX
"""As much as is accepted when a batch is produced."""
ROWS_MAX = 1_000
SLICE_BYTES_MAX = 1 << 18
"""Decoding a slice within both bounds takes well under five milliseconds. One larger record is a slice of its own."""
_NOT_STAMPED = -1
_RECORDS_AT = HEADER_BYTES - ATTRIBUTES_AT


PASSED_ROWS_MIN = 16
PASSED_BYTES_MIN = 64 << 10
"""Batches below both bounds are not passed on as stored. A batch costs about 5 us to append and to read again, whatever
it holds, and 61 bytes of header; encoding a small record again costs 0.5 us. An operator that keeps everything would
turn a topic of one-record batches into another one; instead, their records are gathered into large batches."""


class Section(msgspec.Struct, frozen=True, gc=False):
    """One batch's records inside a block. `append_ms` is the batch's timestamp for LogAppendTime, else -1."""

    start: int
    end: int
    count: int
    base_offset: int
    base_timestamp: int
    append_ms: int
    batch: StoredBatch | None
    """The batch as stored, if it may be passed on as a whole."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """Records of several batches in one buffer. `unreadable` counts the records of batches that did not decompress."""

    data: bytes
    sections: tuple[Section, ...]
    unreadable: int = 0


class Packed(msgspec.Struct, frozen=True, gc=False):
    """One compressed batch."""

    batch: StoredBatch

    def expand_at_once(self) -> Block | None:
        """Decompress if that is quick; None when it belongs in a thread, however few bytes the batch has."""
        if len(self.batch.covered) > EXPANDED_AT_ONCE_BYTES_MAX // 4:
            return None
        try:
            return self._expand(EXPANDED_AT_ONCE_BYTES_MAX)
        except RecordError as error:
            return None if error.code is ErrorCode.MESSAGE_TOO_LARGE else self._unreadable()

    def expand(self) -> Block:
        """Decompress to at most DECOMPRESSED_BYTES_MAX bytes."""
        try:
            return self._expand(DECOMPRESSED_BYTES_MAX)
        except RecordError:
            return self._unreadable()

    def _expand(self, bytes_max: int) -> Block:
        unpacked = unpack(self.batch.header.codec, self.batch.covered[_RECORDS_AT:], bytes_max=bytes_max)
        section = _section(self.batch, 0, len(unpacked))
        if isinstance(unpacked, memoryview) and isinstance(unpacked.obj, mmap.mmap):
            # Its elements and slices are those of bytes. A copy of many mebibytes would hold the interpreter lock for
            # longer than the event loop may be held.
            return Block(cast("bytes", unpacked.obj), (section,))
        return Block(bytes(unpacked), (section,))

    def _unreadable(self) -> Block:
        return Block(b"", (), unreadable=self.batch.header.record_count)


class Tally(msgspec.Struct):
    """How many records `rows` could not decode."""

    unreadable: int = 0


def stored(pieces: Iterable[Buffer]) -> Iterator[StoredBatch]:
    """The batches in the pieces that a reader of the log returns.

    A piece holds whole batches, or it is the prefix of a batch whose other bytes are the next piece. Raises: Corrupt.
    """
    waiting = iter(pieces)
    for piece in waiting:
        if len(piece) == PREFIX_BYTES:
            rest = memoryview(next(waiting))
            header = _header(bytes(piece) + bytes(rest[: HEADER_BYTES - PREFIX_BYTES]), 0)
            yield _checked(header, rest[ATTRIBUTES_AT - PREFIX_BYTES :])
            continue
        view, position = memoryview(piece), 0
        while position < len(view):
            header = _header(view, position)
            yield _checked(header, view[position + ATTRIBUTES_AT : position + header.size])
            position += header.size


def gather(batches: Iterable[StoredBatch]) -> Iterator[Block | Packed]:
    """Blocks of at most BLOCK_BYTES_MAX (or one batch) and BLOCK_SECTIONS_MAX batches, in order. Raises: Corrupt."""
    pieces: list[memoryview] = []
    sections: list[Section] = []
    size = 0
    for batch in batches:
        header = batch.header
        if header.is_control:
            continue
        compressed = header.codec != 0
        records = batch.covered[_RECORDS_AT:]
        is_full = size + len(records) > BLOCK_BYTES_MAX or len(pieces) == BLOCK_SECTIONS_MAX
        if pieces and (compressed or is_full):
            yield Block(b"".join(pieces), tuple(sections))
            pieces, sections, size = [], [], 0
        if compressed:
            yield Packed(batch)
            continue
        sections.append(_section(batch, size, size + len(records)))
        pieces.append(records)
        size += len(records)
    if pieces:
        yield Block(b"".join(pieces), tuple(sections))


def rows(
    block: Block, partition: int, tally: Tally, *, rows_max: int = ROWS_MAX, bytes_max: int = SLICE_BYTES_MAX
) -> Iterator[Columns]:
    """The block's records as slices of at most `rows_max` rows, and about `bytes_max` bytes or one record.

    What cannot be decoded is added to `tally`.
    """
    tally.unreadable += block.unreadable
    columns = _empty(partition, block.data)
    bytes_left = bytes_max
    for section in block.sections:
        position, remaining = section.start, section.count
        while remaining:
            before, start = len(columns), position
            try:
                position = _read(columns, section, position, min(remaining, rows_max - before), position + bytes_left)
            except (DecodeError, IndexError):
                _even_out(columns)
                tally.unreadable += remaining - (len(columns) - before)
                break
            count = len(columns) - before
            bytes_left -= position - start
            if section.batch is not None:
                begins, ends = remaining == section.count, remaining == count
                columns.batches.append(BatchRows(before, before + count, section.batch, begins, ends))
            remaining -= count
            if len(columns) >= rows_max or bytes_left <= 0:
                yield columns
                columns = _empty(partition, block.data)
                bytes_left = bytes_max
    if len(columns):
        yield columns


def _header(view: Buffer, position: int) -> BatchHeader:
    try:
        return read_header(view, position)
    except RecordError as error:
        raise Corrupt(f"The log holds bytes that are not a record batch: {error}.") from error


def _checked(header: BatchHeader, covered: memoryview) -> StoredBatch:
    missing = header.size - ATTRIBUTES_AT - len(covered)
    if missing or len(covered) < _RECORDS_AT:
        raise Corrupt(f"A stored batch at offset {header.base_offset} lacks {missing} of its {header.size} bytes.")
    if crc32c(covered) != header.crc:
        raise Corrupt(f"A stored batch at offset {header.base_offset} does not match its checksum.")
    return StoredBatch(header, covered)


def _section(batch: StoredBatch, start: int, end: int) -> Section:
    header = batch.header
    append_ms = header.max_timestamp if header.is_log_append_time else _NOT_STAMPED
    passable = batch if _is_passable(header, end - start) else None
    return Section(start, end, header.record_count, header.base_offset, header.base_timestamp, append_ms, passable)


def _is_passable(header: BatchHeader, records_bytes: int) -> bool:
    """Whether the batch may be passed on as stored: it is worth it, and compaction has left no gaps in its offsets."""
    is_large = header.record_count >= PASSED_ROWS_MIN or records_bytes >= PASSED_BYTES_MIN
    return is_large and header.record_count == header.count


def _empty(partition: int, data: bytes) -> Columns:
    return Columns(partition, data, [], [], [], [], [], [])


def _even_out(columns: Columns) -> None:
    """Drop the columns of a record that was decoded in part; `ends` is filled last."""
    whole = len(columns.ends)
    for column in (columns.offsets, columns.timestamps, columns.starts, columns.values):
        del column[whole:]


def _read(columns: Columns, section: Section, position: int, count: int, enough: int) -> int:
    """Append `count` records from `position`, or fewer if one ends at `enough` or behind it; the position after them.

    Raises: DecodeError, IndexError.

    The only loop of the computation engine that decodes every record, so it is written out instead of calling
    functions: varints of one and two bytes (nearly all of them) are read in place, longer ones by `read_signed`.
    A record that does not end where its length says is malformed.
    """
    data, end = columns.data, section.end
    base_offset, base_timestamp, append_ms = section.base_offset, section.base_timestamp, section.append_ms
    add_offset, add_timestamp = columns.offsets.append, columns.timestamps.append
    add_start, add_end, add_value = columns.starts.append, columns.ends.append, columns.values.append
    for _ in range(count):
        byte = data[position]
        if byte < 128:
            length = byte >> 1
            stop = position + 1 + length
            position += 2  # the length, and the attributes: unused in format 2
        elif (high := data[position + 1]) < 128:
            stop = position + 2 + ((byte & 127 | high << 7) >> 1)
            position += 3
        else:
            length, position = read_signed(data, position)
            stop = position + length
            position += 1
        if stop > end:
            raise DecodeError("a record longer than its batch")

        byte = data[position]
        if byte < 128:
            delta = byte >> 1 ^ -(byte & 1)
            position += 1
        elif (high := data[position + 1]) < 128:
            byte = byte & 127 | high << 7
            delta = byte >> 1 ^ -(byte & 1)
            position += 2
        else:
            delta, position = read_signed(data, position)
        add_timestamp(base_timestamp + delta if append_ms < 0 else append_ms)

        byte = data[position]
        if byte < 128:
            delta = byte >> 1 ^ -(byte & 1)
            position += 1
        elif (high := data[position + 1]) < 128:
            byte = byte & 127 | high << 7
            delta = byte >> 1 ^ -(byte & 1)
            position += 2
        else:
            delta, position = read_signed(data, position)
        add_offset(base_offset + delta)

        add_start(position)
        byte = data[position]
        if byte < 128 and not byte & 1:
            position += 1 + (byte >> 1)
        else:
            length, position = read_signed(data, position)
            if length < -1:
                raise DecodeError("a key of negative length")
            position += length if length > 0 else 0

        byte = data[position]
        if byte < 128 and not byte & 1:
            position += 1
            value_end = position + (byte >> 1)
            add_value(data[position:value_end])
            position = value_end
        elif not byte & 1 and (high := data[position + 1]) < 128:
            position += 2
            value_end = position + ((byte & 127 | high << 7) >> 1)
            add_value(data[position:value_end])
            position = value_end
        else:
            length, position = read_signed(data, position)
            if length < -1:
                raise DecodeError("a value of negative length")
            add_value(data[position : position + length] if length >= 0 else None)
            position += length if length > 0 else 0

        if data[position]:
            position = read_headers(data, position)[1]
        else:
            position += 1
        if position != stop:
            raise DecodeError("a record whose parts do not fill its length")
        add_end(stop)
        if stop >= enough:
            break
    return position
