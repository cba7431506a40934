"""The columns that every operator sees: partition, offset, timestamp, key, value, headers. A value, made by `decode`.

Keys and headers are found only for the rows somebody asks about; values are there at once, because nearly every
operator wants them. `bodies` are the bytes of a record from its key length to its last header, exactly as the producer
wrote them: a pass-through operator copies those and never looks inside.
"""

from bisect import bisect_left

import msgspec

from higgins_protocol.errors import DecodeError
from higgins_protocol.varint import read_signed

Header = tuple[str, bytes | None]


class Columns(msgspec.Struct, frozen=True, gc=False):
    """Rows of one partition, in offset order; the lists run in parallel, and are not to be changed."""

    partition: int
    data: bytes
    offsets: list[int]
    timestamps: list[int]
    starts: list[int]
    ends: list[int]
    values: list[bytes | None]

    def __len__(self) -> int:
        return len(self.offsets)

    def body(self, row: int) -> bytes:
        """Key, value and headers of a row with their lengths, as stored."""
        return self.data[self.starts[row] : self.ends[row]]

    def key(self, row: int) -> bytes | None:
        """The key of a row; None where the producer gave none."""
        return _optional_bytes(self.data, self.starts[row])[0]

    def headers(self, row: int) -> list[Header]:
        """The headers of a row, in order; names repeat where the producer repeated them."""
        position = _optional_bytes(self.data, self.starts[row])[1]
        position = _optional_bytes(self.data, position)[1]
        return read_headers(self.data, position)[0]

    def from_offset(self, offset: int) -> "Columns":
        """The rows from an offset on."""
        first = bisect_left(self.offsets, offset)
        return self.between(first, len(self)) if first else self

    def between(self, first: int, stop: int) -> "Columns":
        """The rows from `first` up to `stop`; the bytes are shared."""
        return Columns(
            partition=self.partition,
            data=self.data,
            offsets=self.offsets[first:stop],
            timestamps=self.timestamps[first:stop],
            starts=self.starts[first:stop],
            ends=self.ends[first:stop],
            values=self.values[first:stop],
        )


def read_headers(data: bytes, position: int) -> tuple[list[Header], int]:
    """Headers from their count on, and the position after them. Raises DecodeError, IndexError."""
    count, position = read_signed(data, position)
    if not 0 <= count <= len(data) - position:
        raise DecodeError(f"{count} headers in {len(data) - position} bytes")
    headers: list[Header] = []
    for _ in range(count):
        name, position = _optional_bytes(data, position)
        if name is None:
            raise DecodeError("a header without a name")
        value, position = _optional_bytes(data, position)
        headers.append((name.decode("utf-8", "replace"), value))
    return headers, position


def _optional_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = read_signed(data, position)
    if length < 0:
        if length == -1:
            return None, position
        raise DecodeError(f"a length of {length}")
    stop = position + length
    if stop > len(data):
        raise DecodeError(f"{length} bytes were promised, {len(data) - position} are there")
    return data[position:stop], stop
