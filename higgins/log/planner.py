"""From runs to the bytes that a reader is served: whole batches with their offsets, up to a byte budget. Pure.

A batch is served as it was stored. Only its base offset and leader epoch are written anew; both lie outside what the
checksum covers. A batch from a producer is stored with the producer's base offset, and is numbered here by counting
from the base offset of its run; a compacted run has gaps, so its batches are stored with their own offsets.
"""

from collections.abc import Sequence
from struct import Struct

import msgspec

from higgins.ledger.state.index import STORED_OFFSETS, Run
from higgins.model.errors import Corrupt
from higgins.model.names import LEADER_EPOCH
from higgins.model.pointer import Buffer, Pointer
from higgins_protocol.records.batch import HEADER_BYTES, LENGTH_OVERHEAD, PREFIX_BYTES

COPY_BELOW_BYTES = 16 << 10
"""Smaller batches are copied and patched in place: two pieces of a gather write each would cost more."""

_PREFIX = Struct(">qii")
_BASE_SIZE_AND_COUNT = Struct(">qi11xi")


class Cursor(msgspec.Struct, frozen=True):
    """Where in a run a batch begins: its base offset and its position in the object."""

    offset: int
    position: int


class Served(msgspec.Struct):
    """Pieces to send, how many bytes they are, and where the next batch begins."""

    pieces: list[Buffer]
    length: int
    next: Cursor | None
    """None at the end of the run."""


def pointer_from(run: Run, cursor: Cursor | None) -> Pointer:
    """The bytes of a run from a cursor on."""
    position = run.position if cursor is None else cursor.position
    return Pointer(run.object_id, position, run.position + run.length - position)


def serve(
    run: Run, cursor: Cursor | None, views: Sequence[memoryview], offset: int, bytes_max: int, first: bool
) -> Served:
    """Batches of a run from the one that holds `offset` on, at most `bytes_max` bytes (the first one whole if `first`).

    `views` are the bytes from the cursor on; a batch lies inside one view. Raises: Corrupt.
    """
    base = run.base_offset if cursor is None else cursor.offset
    position = run.position if cursor is None else cursor.position
    offsets_are_stored = bool(run.flags & STORED_OFFSETS)
    pieces: list[Buffer] = []
    total = 0
    for view in views:
        at = kept = 0
        taken: list[tuple[int, int, int]] = []
        while at < len(view):
            if at + HEADER_BYTES > len(view):
                raise Corrupt(f"Object {run.object_id} ends inside a batch header at position {position}.")
            stored_base, length, last_delta = _BASE_SIZE_AND_COUNT.unpack_from(view, at)
            if offsets_are_stored:
                base = stored_base
            size = length + LENGTH_OVERHEAD
            if size < HEADER_BYTES or at + size > len(view) or last_delta < 0:
                raise Corrupt(f"Object {run.object_id} holds no batch at position {position}.")
            if base + last_delta >= offset:
                if total + size > bytes_max and not (first and total == 0):
                    pieces += _patched(view, taken, kept)
                    return Served(pieces, total, Cursor(base, position))
                taken.append((at, size, base))
                total += size
                kept += size
            base += last_delta + 1
            at += size
            position += size
        pieces += _patched(view, taken, kept)
    if base != run.last_offset + 1 and not (offsets_are_stored and base <= run.last_offset + 1):
        raise Corrupt(f"Object {run.object_id} ends at offset {base}, its run at {run.last_offset + 1}.")
    return Served(pieces, total, None)


def _patched(view: memoryview, batches: Sequence[tuple[int, int, int]], length: int) -> list[Buffer]:
    if not batches:
        return []
    if length < COPY_BELOW_BYTES * len(batches):
        start = batches[0][0]
        copy = bytearray(view[start : start + length])
        for at, size, base in batches:
            _PREFIX.pack_into(copy, at - start, base, size - LENGTH_OVERHEAD, LEADER_EPOCH)
        return [copy]
    pieces: list[Buffer] = []
    for at, size, base in batches:
        pieces.append(_PREFIX.pack(base, size - LENGTH_OVERHEAD, LEADER_EPOCH))
        pieces.append(view[at + PREFIX_BYTES : at + size])
    return pieces
