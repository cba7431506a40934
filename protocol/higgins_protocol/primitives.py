"""The wire's primitive types, as annotations a message declares its fields with, and the limits they carry.

A name here is an ordinary Python type (`int`, `str`, `bytes`) with a `Kind` attached; the compiler and the grammar read
the kind, everybody else sees the type. No codec lives here.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

Buffer = bytes | bytearray | memoryview

STRING_BYTES_MAX = 32_767
TAGS_MAX = 64
PARTITIONS_MAX = 20_000
ELEMENTS_MAX = 60_000
ZERO_UUID = bytes(16)


class Kind(Enum):
    """A primitive of the wire; the value is its struct format, or its name where the size varies."""

    INT8 = "b"
    INT16 = "h"
    UINT16 = "H"
    INT32 = "i"
    INT64 = "q"
    FLOAT64 = "d"
    BOOL = "?"
    UUID = "16s"
    STRING = "string"
    BYTES = "bytes"
    RECORDS = "records"

    @property
    def is_fixed(self) -> bool:
        return self not in (Kind.STRING, Kind.BYTES, Kind.RECORDS)


Int8 = Annotated[int, Kind.INT8]
Int16 = Annotated[int, Kind.INT16]
UInt16 = Annotated[int, Kind.UINT16]
Int32 = Annotated[int, Kind.INT32]
Int64 = Annotated[int, Kind.INT64]
Float64 = Annotated[float, Kind.FLOAT64]
Bool = Annotated[bool, Kind.BOOL]
Uuid = Annotated[bytes, Kind.UUID]
"""Sixteen bytes, as they are on the wire."""
String = Annotated[str, Kind.STRING]
Bytes = Annotated[bytes, Kind.BYTES]
"""Small opaque bytes, copied out of the frame."""
Records = Annotated[Buffer, Kind.RECORDS]
"""Record batches: on decode a view into the frame, never a copy."""
RecordPieces = Annotated[Buffer | Sequence[Buffer], Kind.RECORDS]
"""Record batches to send: one buffer, or several that go out one after another as they are."""
