"""From the batches of an append to the runs that a commit records. Pure."""

from collections.abc import Sequence

import msgspec

from higgins.ledger.state.base import PayloadPlace
from higgins.ledger.state.index import CONTROL, TRANSACTIONAL, Run
from higgins.model.pointer import ObjectId

INLINE = ObjectId(0)
"""In a proposal: the bytes are the proposal's own payload, stored in the commit; positions count from its start."""

RUN_BYTES_MAX = 1 << 20
"""A run is closed past this, so that finding an offset inside one walks a bounded number of headers."""

IDEMPOTENT = 0
TRANSACTIONAL_DATA = 1
COMMIT_MARKER = 2
ABORT_MARKER = 3
"""What a batch with a producer id is."""

PRODUCER_COLUMNS = 6


class BatchEntry(msgspec.Struct, frozen=True, array_like=True):
    """One record batch of an append: where it lies, and what its header says."""

    position: int
    length: int
    count: int
    """How many offsets it takes."""
    max_timestamp: int
    producer_id: int = -1
    producer_epoch: int = -1
    base_sequence: int = -1
    kind: int = IDEMPOTENT
    """What it is, if it has a producer id: IDEMPOTENT, TRANSACTIONAL_DATA, COMMIT_MARKER or ABORT_MARKER."""


class AppendedRun(msgspec.Struct, frozen=True, array_like=True):
    """A run, and its batches with a producer id as rows of `PRODUCER_COLUMNS` integers.

    A row: producer id, epoch, first sequence, offset relative to the run's base offset, record count, kind.
    """

    run: Run
    producers: tuple[int, ...] = ()


class RunBuilder:
    """Gathers accepted batches into as few runs as their positions allow."""

    def __init__(self, object_id: ObjectId, place: PayloadPlace) -> None:
        """`object_id` and `place` are those of the proposal; an inline one's bytes lie at its place."""
        is_inline = object_id == INLINE
        self._object_id = place.object_id if is_inline else object_id
        self._shift = place.position if is_inline else 0
        self._entries: list[BatchEntry] = []
        self._base = 0
        self._runs: list[AppendedRun] = []

    def add(self, entry: BatchEntry, offset: int) -> None:
        """Add a batch behind the others, with its base offset."""
        if self._entries:
            previous = self._entries[-1]
            end = previous.position + previous.length
            if end != entry.position or end - self._entries[0].position >= RUN_BYTES_MAX:
                self._close()
        if not self._entries:
            self._base = offset
        self._entries.append(entry)

    def finish(self) -> Sequence[AppendedRun]:
        """The runs."""
        self._close()
        return self._runs

    def _close(self) -> None:
        entries = self._entries
        if not entries:
            return
        self._entries = []
        columns: list[int] = []
        base = offset = greatest_at = self._base
        greatest, flags = entries[0].max_timestamp, 0
        for entry in entries:
            if entry.producer_id >= 0:
                columns += (
                    entry.producer_id,
                    entry.producer_epoch,
                    entry.base_sequence,
                    offset - base,
                    entry.count,
                    entry.kind,
                )
                if entry.kind:
                    flags |= TRANSACTIONAL if entry.kind == TRANSACTIONAL_DATA else TRANSACTIONAL | CONTROL
            if entry.max_timestamp > greatest:
                greatest, greatest_at = entry.max_timestamp, offset
            offset += entry.count
        first, last = entries[0], entries[-1]
        run = Run(
            base,
            offset - 1,
            self._object_id,
            self._shift + first.position,
            last.position + last.length - first.position,
            greatest,
            greatest_at,
            flags,
        )
        self._runs.append(AppendedRun(run, tuple(columns)))
