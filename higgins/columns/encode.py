"""Selected rows back to record batches (format 2), without touching what is in them. Pure.

A row keeps its key, value, headers and timestamp byte for byte; only the two deltas and the record's length are
written anew. Batches are uncompressed and bounded; a single record larger than the bound has a batch of its own, which
is never larger than the uncompressed batch it came in.
"""

from collections.abc import Sequence

from higgins.columns.columns import Columns
from higgins_protocol.records.batch import HEADER_BYTES, assemble
from higgins_protocol.varint import write_signed

BATCH_BYTES_MAX = 1 << 20
BATCH_ROWS_MAX = 10_000
_RECORD_OVERHEAD_MAX = 32
"""Length, attributes and two deltas."""
_VARINTS = tuple(write_signed(value) for value in range(16_384))
"""Lengths, offset deltas and most timestamp deltas are small: an index is a tenth of the loop's price."""


class BatchBuilder:
    """Accumulate rows of one output partition; `finish` gives the batches. Offsets are assigned by whoever appends."""

    def __init__(self, *, bytes_max: int = BATCH_BYTES_MAX, rows_max: int = BATCH_ROWS_MAX) -> None:
        assert rows_max <= len(_VARINTS)
        self._records_bytes_max = bytes_max - HEADER_BYTES
        self._rows_max = rows_max
        self._batches: list[bytes] = []
        self._open()

    def __repr__(self) -> str:
        return f"<BatchBuilder batches={len(self._batches)} open_rows={len(self._records)}>"

    def add(self, columns: Columns, rows: Sequence[int]) -> None:
        """Append these rows of `columns`, in this order."""
        table, table_entries = _VARINTS, len(_VARINTS)
        data, starts, ends, timestamps = columns.data, columns.starts, columns.ends, columns.timestamps
        records = self._records
        for row in rows:
            start, end, timestamp = starts[row], ends[row], timestamps[row]
            size = end - start
            if records and (
                self._records_bytes + size + _RECORD_OVERHEAD_MAX > self._records_bytes_max
                or len(records) >= self._rows_max
            ):
                self._close()
                records = self._records
            if not records:
                self._base_timestamp = self._max_timestamp = timestamp
            elif timestamp > self._max_timestamp:
                self._max_timestamp = timestamp
            delta = timestamp - self._base_timestamp
            time_delta = table[delta] if 0 <= delta < table_entries else write_signed(delta)
            offset_delta = table[len(records)]
            length = size + len(time_delta) + len(offset_delta) + 1
            prefix = table[length] if length < table_entries else write_signed(length)
            record = b"%b\0%b%b%b" % (prefix, time_delta, offset_delta, data[start:end])
            records.append(record)
            self._records_bytes += len(record)

    def finish(self) -> list[bytes]:
        """The batches of everything added, and begin again. Base offsets are 0."""
        if self._records:
            self._close()
        batches, self._batches = self._batches, []
        return batches

    def _open(self) -> None:
        self._records: list[bytes] = []
        self._records_bytes = 0
        self._base_timestamp = self._max_timestamp = 0

    def _close(self) -> None:
        batch = assemble(
            b"".join(self._records),
            count=len(self._records),
            attributes=0,
            base_timestamp=self._base_timestamp,
            max_timestamp=self._max_timestamp,
        )
        self._batches.append(batch)
        self._open()
