"""Rows back to record batches (format 2). Pure.

Behaviour: a row that is passed on keeps its key, value, headers and timestamp byte for byte; only the two deltas and
the record's length are written again. A batch all of whose rows are passed on is appended with its records as stored,
compressed or not. Every other batch is uncompressed and bounded; a record larger than the bound has a batch of its own,
which is never larger than the uncompressed batch it came from.
"""

from bisect import bisect_left
from collections.abc import Sequence

from higgins.columns.columns import BatchRows, Columns, Header, StoredBatch
from higgins_protocol.records.batch import ATTRIBUTES_AT, HEADER_BYTES, TRANSACTIONAL, assemble
from higgins_protocol.varint import write_signed

BATCH_BYTES_MAX = 1 << 20
BATCH_ROWS_MAX = 10_000
_RECORD_OVERHEAD_MAX = 32
"""Length, attributes and two deltas."""
_VARINTS = tuple(write_signed(value) for value in range(16_384))
"""Lengths, offset deltas and most timestamp deltas are small, and an index costs a tenth of encoding them."""
_NULL = write_signed(-1)


class BatchBuilder:
    """Accumulates the rows of one output partition. Offsets are assigned when the batches are committed."""

    def __init__(self, *, bytes_max: int = BATCH_BYTES_MAX, rows_max: int = BATCH_ROWS_MAX) -> None:
        assert rows_max <= len(_VARINTS)
        self._records_bytes_max = bytes_max - HEADER_BYTES
        self._rows_max = rows_max
        self._batches: list[bytes] = []
        # Rows of a batch that has been passed on completely so far. Whether it is completely passed on is known only
        # at its last row, perhaps several slices later; until then its rows wait here without being encoded.
        self._waiting: list[tuple[Columns, Sequence[int]]] = []
        self._waiting_batch: StoredBatch | None = None
        self._waiting_rows = 0
        self._open()

    def __repr__(self) -> str:
        return f"<BatchBuilder batches={len(self._batches)} open_rows={len(self._records)}>"

    def pass_on(self, columns: Columns, rows: Sequence[int]) -> None:
        """Append these rows of `columns`, ascending, as they are; whole batches as stored."""
        position = 0
        for batch_rows in columns.batches:
            first = bisect_left(rows, batch_rows.first, position)
            stop = bisect_left(rows, batch_rows.stop, first)
            if first > position:
                self.add(columns, rows[position:first])
            if stop > first:
                self._pass_batch(columns, rows[first:stop], batch_rows)
            position = stop
        if position < len(rows):
            self.add(columns, rows[position:] if position else rows)

    def add(self, columns: Columns, rows: Sequence[int]) -> None:
        """Append these rows of `columns`, in this order, as records of new batches."""
        if self._waiting:
            self._encode_waiting()
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

    def append(self, timestamp: int, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()) -> None:
        """Append one new record."""
        body = encode_body(key, value, headers)
        # The same loop as for rows that are passed on, over one row.
        self.add(Columns(0, body, [0], [timestamp], [0], [len(body)], [value], []), (0,))

    def finish(self) -> list[bytes]:
        """The batches of everything added, and begin again. Base offsets are 0."""
        if self._waiting:
            self._encode_waiting()
        if self._records:
            self._close()
        batches, self._batches = self._batches, []
        return batches

    def _pass_batch(self, columns: Columns, rows: Sequence[int], batch_rows: BatchRows) -> None:
        """Append rows of one batch: later and as stored while none has been left out, else encoded again."""
        is_complete = len(rows) == batch_rows.stop - batch_rows.first
        if not is_complete or not (batch_rows.begins or self._waiting_batch is batch_rows.batch):
            self.add(columns, rows)
            return
        if batch_rows.begins and self._waiting:
            self._encode_waiting()
        self._waiting.append((columns, rows))
        self._waiting_batch = batch_rows.batch
        self._waiting_rows += len(rows)
        if batch_rows.ends:
            # A slice of which no row was passed on was not seen here: only the count tells.
            if self._waiting_rows < batch_rows.batch.header.record_count:
                self._encode_waiting()
                return
            self._forget_waiting()
            if self._records:
                self._close()
            self._batches.append(as_appended(batch_rows.batch))

    def _encode_waiting(self) -> None:
        waiting = self._waiting
        self._forget_waiting()
        for columns, rows in waiting:
            self.add(columns, rows)

    def _forget_waiting(self) -> None:
        self._waiting, self._waiting_batch, self._waiting_rows = [], None, 0

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


def as_appended(batch: StoredBatch) -> bytes:
    """A stored batch as an operator appends it elsewhere: its records as they are, without offset and producer.

    The producer id and the sequence number belong to the partition that the producer wrote to. In the output they would
    look like a producer that skips sequence numbers, and the append would be refused. For the same reason the batch is
    no longer part of a transaction: only committed records are read by operators.
    """
    header = batch.header
    return assemble(
        batch.covered[HEADER_BYTES - ATTRIBUTES_AT :],
        count=header.record_count,
        attributes=header.attributes & ~TRANSACTIONAL,
        base_timestamp=header.base_timestamp,
        max_timestamp=header.max_timestamp,
    )


def encode_body(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> bytes:
    """Key, value and headers of a record with their lengths, as they are stored."""
    parts = [_sized(key), _sized(value), write_signed(len(headers))]
    for name, content in headers:
        parts += (_sized(name.encode("utf-8", "surrogateescape")), _sized(content))
    return b"".join(parts)


def _sized(data: bytes | None) -> bytes:
    if data is None:
        return _NULL
    length = len(data)
    return (_VARINTS[length] if length < len(_VARINTS) else write_signed(length)) + data
