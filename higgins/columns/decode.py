"""Record batches to columns: `stored` finds the batches, `gather` makes blocks of them, `rows` reads the records.

Behaviour: small uncompressed batches are gathered into one block, so that a fetch of many one-record batches costs
little more than one large batch; a compressed one stays packed until the caller says where it may be expanded (it can
take long). Control batches have no rows. A batch stamped by the broker (LogAppendTime) gives its own time to every
record. All three are generators: between two values the caller may give the loop back.
Not done: records that do not parse are skipped to the end of their batch and counted, because the broker stores what
it was sent without looking inside, and an operator must get past it; a wrong checksum is Corrupt, because stored bytes
changed.
"""

from collections.abc import Iterable, Iterator

import msgspec

from higgins.columns.columns import Columns, read_headers
from higgins.model.errors import Corrupt
from higgins.model.pointer import Buffer
from higgins_protocol.errors import DecodeError, ProtocolError, RecordError
from higgins_protocol.records.batch import ATTRIBUTES_AT, HEADER_BYTES, PREFIX_BYTES, BatchHeader, read_header
from higgins_protocol.records.compression import decompress
from higgins_protocol.records.crc import crc32c
from higgins_protocol.varint import read_signed

BLOCK_BYTES_MAX = 1 << 20
BLOCK_SECTIONS_MAX = 1_000
COSTLY_BYTES = 16_384
DECOMPRESSED_BYTES_MAX = 64 << 20
ROWS_MAX = 1_000
"""A slice that any operator of ours gets through well within five milliseconds."""
_NOT_STAMPED = -1
_RECORDS_AT = HEADER_BYTES - ATTRIBUTES_AT


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A batch as read: its header, and everything that its checksum covers (from the attributes on)."""

    header: BatchHeader
    covered: memoryview


class Section(msgspec.Struct, frozen=True, gc=False):
    """One batch's records inside a block; `append_ms` is the batch's own time where the broker stamped it."""

    start: int
    end: int
    count: int
    base_offset: int
    base_timestamp: int
    append_ms: int


class Block(msgspec.Struct, frozen=True, gc=False):
    """Records of several batches in one buffer; `unreadable` counts those whose batch could not be expanded."""

    data: bytes
    sections: tuple[Section, ...]
    unreadable: int = 0


class Packed(msgspec.Struct, frozen=True, gc=False):
    """The compressed records of one batch."""

    header: BatchHeader
    records: memoryview

    @property
    def is_costly(self) -> bool:
        """Whether to expand it takes long enough to belong into a thread."""
        return len(self.records) > COSTLY_BYTES

    def expand(self) -> Block:
        """Decompress, within bounds."""
        try:
            data = decompress(self.header.codec, self.records, bytes_max=DECOMPRESSED_BYTES_MAX)
        except ProtocolError:
            return Block(b"", (), unreadable=self.header.record_count)
        return Block(data, (_section(self.header, 0, len(data)),))


class Tally(msgspec.Struct):
    """What `rows` could not give: records whose bytes are no record."""

    unreadable: int = 0


def stored(pieces: Iterable[Buffer]) -> Iterator[Stored]:
    """The batches in what a reader of the log returns: each piece holds whole batches, or is the prefix of one whose
    rest is the next piece. Raises: Corrupt."""
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


def gather(batches: Iterable[Stored]) -> Iterator[Block | Packed]:
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
            yield Packed(header, records)
            continue
        sections.append(_section(header, size, size + len(records)))
        pieces.append(records)
        size += len(records)
    if pieces:
        yield Block(b"".join(pieces), tuple(sections))


def rows(block: Block, partition: int, tally: Tally, *, rows_max: int = ROWS_MAX) -> Iterator[Columns]:
    """The block's records as slices of at most `rows_max` rows; what cannot be read is added to `tally`."""
    tally.unreadable += block.unreadable
    columns = _empty(partition, block.data)
    for section in block.sections:
        position, left = section.start, section.count
        while left:
            before = len(columns)
            wanted = min(left, rows_max - before)
            try:
                position = _read(columns, section, position, wanted)
            except (DecodeError, IndexError):
                _even_out(columns)
                tally.unreadable += left - (len(columns) - before)
                break
            left -= wanted
            if len(columns) >= rows_max:
                yield columns
                columns = _empty(partition, block.data)
    if len(columns):
        yield columns


def _header(view: Buffer, position: int) -> BatchHeader:
    try:
        return read_header(view, position)
    except RecordError as error:
        raise Corrupt(f"What is stored is no batch: {error}.") from error


def _checked(header: BatchHeader, covered: memoryview) -> Stored:
    missing = header.size - ATTRIBUTES_AT - len(covered)
    if missing or len(covered) < _RECORDS_AT:
        raise Corrupt(f"A stored batch at offset {header.base_offset} lacks {missing} of its {header.size} bytes.")
    if crc32c(covered) != header.crc:
        raise Corrupt(f"A stored batch at offset {header.base_offset} does not match its checksum.")
    return Stored(header, covered)


def _section(header: BatchHeader, start: int, end: int) -> Section:
    stamped = header.max_timestamp if header.is_log_append_time else _NOT_STAMPED
    return Section(start, end, header.record_count, header.base_offset, header.base_timestamp, stamped)


def _empty(partition: int, data: bytes) -> Columns:
    return Columns(partition, data, [], [], [], [], [])


def _even_out(columns: Columns) -> None:
    """Drop what was begun of a record that could not be finished; `ends` is filled last."""
    whole = len(columns.ends)
    for column in (columns.offsets, columns.timestamps, columns.starts, columns.values):
        del column[whole:]


def _read(columns: Columns, section: Section, position: int, count: int) -> int:
    """Append `count` records from `position`; the position after them. Raises DecodeError, IndexError.

    The one loop of the computation engine that sees every byte pattern of every record: varints of one and two bytes
    (nearly all) are read in place, the rest by `read_signed`. A record ends where its length said, or is malformed.
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
    return position
