"""The segment: our format of a data object. The batches and state blocks of one flush, and a footer that lists them.

Layout: batches, sorted by topic and partition, then the output and state of operators; the footer as MessagePack; its
length (u32, big-endian); magic. The ledger's pointers are what readers follow; the footer is for recovery tools, when
only the data objects are left.
"""

import struct
from collections.abc import Sequence

import msgspec

from higgins.model.errors import Corrupt
from higgins.model.names import TopicId
from higgins.model.pointer import Buffer

MAGIC = b"HGD2"
_TAIL = struct.Struct(">I4s")


class FooterRow(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive batches of one partition: where they lie, and how many offsets they take.

    A block of operator state has a topic id of zeros, the number of its task, and no records.
    """

    topic_id: TopicId
    partition: int
    position: int
    length: int
    records: int


def footer(rows: Sequence[FooterRow]) -> bytes:
    """The end of a segment, behind its batches."""
    body = msgspec.msgpack.encode(list(rows))
    return body + _TAIL.pack(len(body), MAGIC)


def read_footer(segment: Buffer) -> list[FooterRow]:
    """The rows of a whole segment. Raises: Corrupt."""
    view = memoryview(segment)
    if len(view) < _TAIL.size:
        raise Corrupt(f"A segment of {len(view)} bytes is too short.")
    length, magic = _TAIL.unpack_from(view, len(view) - _TAIL.size)
    if magic != MAGIC or length > len(view) - _TAIL.size:
        raise Corrupt("The object under a data key is not a segment (wrong magic).")
    try:
        return msgspec.msgpack.decode(view[-_TAIL.size - length : -_TAIL.size], type=list[FooterRow])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"A segment's footer cannot be read ({error}).") from error
