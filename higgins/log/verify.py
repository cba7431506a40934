"""Check bytes that come from the store: every batch has a checksum, and damaged ones must not be served.

Bytes are checked once, when they arrive, and not again when they are served from the cache. A whole object is checked
by its footer, so that one damaged batch is told from the others: the rest of the object is still served. Blocks of
operator state have no checksum of their own and are not checked here.
"""

import struct

import structlog

from higgins.log.segment import read_footer
from higgins.model.errors import Corrupt
from higgins.model.names import NO_TOPIC_ID
from higgins.model.pointer import ObjectId, object_key
from higgins.runtime import Runtime
from higgins_protocol.records.batch import HEADER_BYTES, LENGTH_OVERHEAD
from higgins_protocol.records.crc import crc32c

log = structlog.get_logger("higgins.log")

ON_LOOP_BYTES_MAX = 128 << 10
"""Up to this size bytes are checked in the loop, in less than a millisecond; larger ones in a thread."""

NAMED_MAX = 1000
"""Damaged places that the log names; more are refused to readers in the same way, without a line."""

_LENGTH_AND_CRC = struct.Struct(">8xi4xbI")
_ATTRIBUTES_AT = 21
_MAGIC = 2


class Verifier:
    """Checks what one node reads, and names each damaged place in the log once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._named: set[tuple[ObjectId, int]] = set()

    async def check_batches(self, object_id: ObjectId, view: memoryview, position: int) -> None:
        """Check batches that begin at `position` of an object. Raises: Corrupt, which names the object."""
        if len(view) <= ON_LOOP_BYTES_MAX:
            damage = damage_in(view)
        else:
            damage = await self._runtime.offload("decode", damage_in, view)
        if damage is not None:
            raise self._corrupt(object_id, position + damage)

    async def is_sound(self, object_id: ObjectId, view: memoryview) -> bool:
        """Whether all batches of a whole object have their checksums."""
        if len(view) <= ON_LOOP_BYTES_MAX:
            damage = damage_in_segment(view)
        else:
            damage = await self._runtime.offload("decode", damage_in_segment, view)
        if damage is not None:
            self._corrupt(object_id, damage)
        return damage is None

    def _corrupt(self, object_id: ObjectId, position: int) -> Corrupt:
        key = object_key(object_id)
        if (object_id, position) not in self._named and len(self._named) < NAMED_MAX:
            self._named.add((object_id, position))
            log.error("object.damaged", key=key, position=position)
        return Corrupt(
            f"Object {key} is damaged at position {position} (CRC-32C). Restore it from a copy of the bucket."
        )


def damage_in(view: memoryview) -> int | None:
    """The position of the first batch that does not have its checksum, or None."""
    at, end = 0, len(view)
    while at < end:
        if at + HEADER_BYTES > end:
            return at
        length, magic, crc = _LENGTH_AND_CRC.unpack_from(view, at)
        size = length + LENGTH_OVERHEAD
        if magic != _MAGIC or size < HEADER_BYTES or at + size > end:
            return at
        if crc32c(view[at + _ATTRIBUTES_AT : at + size]) != crc:
            return at
        at += size
    return None


def damage_in_segment(view: memoryview) -> int | None:
    """The position of the first damaged batch of a whole data object, or of its damaged footer, or None."""
    try:
        rows = read_footer(view)
    except Corrupt:
        return len(view)
    for row in rows:
        if row.topic_id == NO_TOPIC_ID:
            continue
        if row.position + row.length > len(view):
            return row.position
        damage = damage_in(view[row.position : row.position + row.length])
        if damage is not None:
            return row.position + damage
    return None
