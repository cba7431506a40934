"""The segment: our format of a data object. Batches of all partitions of one flush, and a footer that lists them.

Layout: batches side by side, sorted by topic and partition; the footer as MessagePack; its length (u32, big-endian);
magic.
The ledger's pointers are the truth; the footer lets a bucket explain itself when only the objects are left.
"""

import struct
from collections.abc import Sequence

import msgspec

from higgins.model.errors import Corrupt
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer

MAGIC = b"HGD1"
_TAIL = struct.Struct(">I4s")


class FooterRow(msgspec.Struct, frozen=True, array_like=True):
    """The batches of one partition: where they lie side by side, and how many records they hold."""

    topic_id: TopicId
    partition: int
    position: int
    length: int
    records: int


def footer(rows: Sequence[FooterRow]) -> bytes:
    """What follows the batches of a segment."""
    body = msgspec.msgpack.encode(list(rows))
    return body + _TAIL.pack(len(body), MAGIC)


def read_footer(segment: Buffer) -> list[FooterRow]:
    """The rows of a whole segment. Raises: Corrupt."""
    view = memoryview(segment)
    if len(view) < _TAIL.size:
        raise Corrupt(f"A segment of {len(view)} bytes is too short to be one.")
    length, magic = _TAIL.unpack_from(view, len(view) - _TAIL.size)
    if magic != MAGIC or length > len(view) - _TAIL.size:
        raise Corrupt("A data object does not end as a segment does.")
    try:
        return msgspec.msgpack.decode(view[-_TAIL.size - length : -_TAIL.size], type=list[FooterRow])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"A segment's footer cannot be read ({error}).") from error
