"""The primitive types of the wire, as annotations for the fields of a message, and the limits of the protocol.

A name such as `Int32` is an ordinary Python type with a `Kind` attached: `grammar` reads the kind, and type checkers
see the type.
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
    """A primitive type, by the name that Kafka's message definitions give it."""

    INT8 = "int8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT64 = "float64"
    BOOL = "bool"
    UUID = "uuid"
    STRING = "string"
    BYTES = "bytes"
    RECORDS = "records"


Int8 = Annotated[int, Kind.INT8]
Int16 = Annotated[int, Kind.INT16]
UInt16 = Annotated[int, Kind.UINT16]
Int32 = Annotated[int, Kind.INT32]
Int64 = Annotated[int, Kind.INT64]
Float64 = Annotated[float, Kind.FLOAT64]
Bool = Annotated[bool, Kind.BOOL]
Uuid = Annotated[bytes, Kind.UUID]
"""The sixteen bytes of the wire, not a `uuid.UUID`."""
String = Annotated[str, Kind.STRING]
Bytes = Annotated[bytes, Kind.BYTES]
"""Small opaque bytes, copied out of the frame."""
Records = Annotated[Buffer, Kind.RECORDS]
"""Record batches. Decoding returns a view into the frame, not a copy."""
RecordPieces = Annotated[Buffer | Sequence[Buffer], Kind.RECORDS]
"""Record batches to send: one buffer, or several that are sent one after another without being copied."""
