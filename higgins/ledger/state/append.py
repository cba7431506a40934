"""From the batches of an append to the runs that a commit records. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

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


class BatchEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
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
    begins_anywhere: bool = False
    """Whether it may be its producer's first batch in this partition with any sequence: it has waited for others."""


AppendedRun: TypeAlias = tuple[Run, tuple[int, ...]]
"""A run, and its batches with a producer id as rows of `PRODUCER_COLUMNS` integers.

A row: producer id, epoch, first sequence, offset relative to the run's base offset, record count, kind.
"""


def runs_of(
    object_id: ObjectId, place: PayloadPlace, base_offset: int, entries: Sequence[BatchEntry]
) -> list[AppendedRun]:
    """Accepted batches as few runs as their positions allow; the first batch has `base_offset`.

    `object_id` and `place` are those of the proposal: an inline one's bytes lie at its place.
    """
    runs: list[AppendedRun] = []
    start, at, offset = 0, base_offset, base_offset
    for i, entry in enumerate(entries):
        if i > start:
            previous = entries[i - 1]
            end = previous.position + previous.length
            if end != entry.position or end - entries[start].position >= RUN_BYTES_MAX:
                runs.append(_run(object_id, place, at, entries[start:i]))
                start, at = i, offset
        offset += entry.count
    if entries:
        runs.append(_run(object_id, place, at, entries[start:] if start else entries))
    return runs


def _run(object_id: ObjectId, place: PayloadPlace, base: int, entries: Sequence[BatchEntry]) -> AppendedRun:
    columns: list[int] = []
    offset = greatest_at = base
    first, last = entries[0], entries[-1]
    greatest, flags = first.max_timestamp, 0
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
    position, length = first.position, last.position + last.length - first.position
    if object_id == INLINE:
        object_id, position = place.object_id, position + place.position
    return Run(base, offset - 1, object_id, position, length, greatest, greatest_at, flags), tuple(columns)
