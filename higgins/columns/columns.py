"""The columns that every operator sees: partition, offset, timestamp, key, value, headers. A value, made by `decode`.

Values are decoded for every row, because nearly every operator reads them. Keys and headers are decoded on demand, row
by row. The *body* of a record is its bytes from the key length to the last header, as the producer wrote them: an
operator that passes records through copies bodies and does not look inside.
"""

from bisect import bisect_left

import msgspec

from higgins.model.words import counted
from higgins_protocol.errors import DecodeError
from higgins_protocol.records.batch import BatchHeader
from higgins_protocol.varint import read_signed

Header = tuple[str, bytes | None]


class StoredBatch(msgspec.Struct, frozen=True, gc=False):
    """A batch as read from the log: its header, and the bytes that its checksum covers (from the attributes on)."""

    header: BatchHeader
    covered: memoryview


class BatchRows(msgspec.Struct, frozen=True, gc=False):
    """The rows of a slice that came from one batch: from `first` up to `stop`, exclusive."""

    first: int
    stop: int
    batch: StoredBatch
    begins: bool
    """Whether the batch begins with these rows; a large batch is spread over several slices."""
    ends: bool
    """Whether the batch ends with these rows."""


class Columns(msgspec.Struct, frozen=True, gc=False):
    """Rows of one partition, in offset order. The lists run in parallel and must not be changed."""

    partition: int
    data: bytes
    offsets: list[int]
    timestamps: list[int]
    starts: list[int]
    ends: list[int]
    values: list[bytes | None]
    batches: list[BatchRows]
    """Which rows came from which batch, for batches that may be passed on as stored. Ascending; may leave rows out."""

    def __len__(self) -> int:
        return len(self.offsets)

    def body(self, row: int) -> bytes:
        """Key, value and headers of a row with their lengths, as stored."""
        return self.data[self.starts[row] : self.ends[row]]

    def key(self, row: int) -> bytes | None:
        """The key of a row, or None for a record without a key."""
        return _optional_bytes(self.data, self.starts[row])[0]

    def headers(self, row: int) -> list[Header]:
        """The headers of a row, in order. A name may occur more than once."""
        position = _optional_bytes(self.data, self.starts[row])[1]
        position = _optional_bytes(self.data, position)[1]
        return read_headers(self.data, position)[0]

    def from_offset(self, offset: int) -> "Columns":
        """The rows from an offset on."""
        first = bisect_left(self.offsets, offset)
        return self.between(first, len(self)) if first else self

    def between(self, first: int, stop: int) -> "Columns":
        """The rows from `first` up to `stop`, exclusive. The bytes are shared; batches count as incomplete."""
        return Columns(
            partition=self.partition,
            data=self.data,
            offsets=self.offsets[first:stop],
            timestamps=self.timestamps[first:stop],
            starts=self.starts[first:stop],
            ends=self.ends[first:stop],
            values=self.values[first:stop],
            batches=[],
        )


def read_headers(data: bytes, position: int) -> tuple[list[Header], int]:
    """The headers that begin with their count at `position`, and the position after them.

    A name that is not UTF-8 is kept with surrogate escapes, so that it can be written unchanged.
    Raises: DecodeError, IndexError.
    """
    count, position = read_signed(data, position)
    if not 0 <= count <= len(data) - position:
        raise DecodeError(f"{counted(count, 'header')} in {len(data) - position} bytes")
    headers: list[Header] = []
    for _ in range(count):
        name, position = _optional_bytes(data, position)
        if name is None:
            raise DecodeError("a header without a name")
        value, position = _optional_bytes(data, position)
        headers.append((name.decode("utf-8", "surrogateescape"), value))
    return headers, position


def _optional_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = read_signed(data, position)
    if length < 0:
        if length == -1:
            return None, position
        raise DecodeError(f"a length of {length}")
    stop = position + length
    if stop > len(data):
        raise DecodeError(f"a length of {length} where {len(data) - position} bytes remain")
    return data[position:stop], stop
