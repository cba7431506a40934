"""Recognise the message sets of magic 0 and 1, which were before Kafka 0.11, so that they can be refused by name.

Their magic byte lies where a batch has it, behind the offset, the size and four more bytes. Nothing here reads further.
"""

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer

MAGIC_AT = 16
_LEGACY_MAGICS = (0, 1)


def is_legacy(records: Buffer) -> bool:
    """Whether this begins with a message of magic 0 or 1."""
    return len(records) > MAGIC_AT and records[MAGIC_AT] in _LEGACY_MAGICS


def refusal(magic: int) -> RecordError:
    """What to answer to a magic that is not 2: INVALID_RECORD for the old formats, as Kafka 4 does."""
    if magic in _LEGACY_MAGICS:
        return RecordError(
            ErrorCode.INVALID_RECORD,
            f"message format v{magic} is not accepted; clients since Kafka 0.11 send v2",
        )
    return RecordError(ErrorCode.CORRUPT_MESSAGE, f"there is no message format with magic {magic}")
