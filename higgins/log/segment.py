"""The segment: the format of a data object. It holds the batches and state blocks of one flush, and a footer.

Layout: batches, sorted by topic and partition, then output and state of operators; the footer as MessagePack; its
length (u32, big-endian); magic. `docs/formats.md` specifies it. Readers follow the pointers in the ledger and never
read the footer; it lists the contents for recovery when only the data objects of a cluster are left.
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
    """Consecutive batches of one partition: their position, and their number of records.

    A block of operator state has topic id 0, the number of its task in `partition`, and no records.
    """

    topic_id: TopicId
    partition: int
    position: int
    length: int
    records: int


def footer(rows: Sequence[FooterRow]) -> bytes:
    """The bytes that follow the batches of a segment."""
    body = msgspec.msgpack.encode(list(rows))
    return body + _TAIL.pack(len(body), MAGIC)


def read_footer(segment: Buffer) -> list[FooterRow]:
    """The footer rows of a segment, from its bytes. Raises: Corrupt."""
    view = memoryview(segment)
    if len(view) < _TAIL.size:
        raise Corrupt(f"A segment of {len(view)} bytes is too short to have a footer.")
    length, magic = _TAIL.unpack_from(view, len(view) - _TAIL.size)
    if magic != MAGIC or length > len(view) - _TAIL.size:
        raise Corrupt("The object is not a segment: its last bytes are not the magic number of one.")
    try:
        return msgspec.msgpack.decode(view[-_TAIL.size - length : -_TAIL.size], type=list[FooterRow])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"The footer of a segment cannot be decoded: {error}.") from error
