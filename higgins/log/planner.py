"""Select the batches of a run that a fetch returns, up to a byte budget, and number them. Pure.

A batch is served as it was stored, never decoded. Only its base offset and leader epoch are replaced: both are outside
the range that the checksum covers, so nothing has to be computed again. A batch is stored before its offset is known,
because offsets are assigned by the commit that follows the put. So the stored base offset is the producer's, and the
real one is counted here from the base offset of the run. A compacted run has gaps, so its batches are stored with their
offsets.
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
"""Batches smaller than this on average are copied and patched in place; larger ones are sent as two pieces each, a new
prefix and a view. Below this size the two entries of a gathered write cost more than the copy."""

_PREFIX = Struct(">qii")
_BASE_SIZE_AND_COUNT = Struct(">qi11xi")


class Cursor(msgspec.Struct, frozen=True):
    """Where in a run a batch begins: its base offset and its position in the object."""

    offset: int
    position: int


class Served(msgspec.Struct):
    """The pieces to send, their total length, and where the next batch begins."""

    pieces: list[Buffer]
    length: int
    next: Cursor | None
    """None at the end of the run."""


def pointer_from(run: Run, cursor: Cursor | None) -> Pointer:
    """The pointer to the bytes of a run from a cursor on; to the whole run without one."""
    position = run.position if cursor is None else cursor.position
    return Pointer(run.object_id, position, run.position + run.length - position)


def serve(
    run: Run, cursor: Cursor | None, views: Sequence[memoryview], offset: int, bytes_max: int, first: bool
) -> Served:
    """The batches of a run from the one that contains `offset` on, at most `bytes_max` bytes.

    With `first`, the first batch is included even when it is larger than `bytes_max`, as KIP-74 demands: otherwise a
    consumer could never get past a large batch. `views` are the bytes from the cursor on; no batch crosses from one
    view to the next, because no piece of a put ends inside a batch. Raises: Corrupt.
    """
    base = run.base_offset if cursor is None else cursor.offset
    position = run.position if cursor is None else cursor.position
    offsets_are_stored = bool(run.flags & STORED_OFFSETS)
    pieces: list[Buffer] = []
    total = 0
    for view in views:
        at = selected_bytes = 0
        selected: list[tuple[int, int, int]] = []
        while at < len(view):
            if at + HEADER_BYTES > len(view):
                raise Corrupt(f"Object {run.object_id} ends inside a batch header at position {position}.")
            stored_base, length, last_delta = _BASE_SIZE_AND_COUNT.unpack_from(view, at)
            if offsets_are_stored:
                base = stored_base
            size = length + LENGTH_OVERHEAD
            if size < HEADER_BYTES or at + size > len(view) or last_delta < 0:
                raise Corrupt(f"Object {run.object_id} has no valid batch at position {position}.")
            if base + last_delta >= offset:
                if total + size > bytes_max and not (first and total == 0):
                    pieces += _patched(view, selected, selected_bytes)
                    return Served(pieces, total, Cursor(base, position))
                selected.append((at, size, base))
                total += size
                selected_bytes += size
            base += last_delta + 1
            at += size
            position += size
        pieces += _patched(view, selected, selected_bytes)
    # The batches must end where the ledger says that the run ends: bytes of another object are noticed here.
    if base != run.last_offset + 1 and not (offsets_are_stored and base <= run.last_offset + 1):
        raise Corrupt(
            f"The batches of object {run.object_id} end at offset {base}, their run at {run.last_offset + 1}."
        )
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
