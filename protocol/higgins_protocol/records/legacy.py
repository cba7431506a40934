"""Recognise the message sets of magic 0 and 1, from before Kafka 0.11, to refuse them with a clear message.

Their magic byte is at the position where a batch has it too. Nothing else of them is read.
"""

from higgins_protocol.errors import ErrorCode, RecordError
from higgins_protocol.primitives import Buffer

MAGIC_AT = 16
_LEGACY_MAGICS = (0, 1)


def is_legacy(records: Buffer) -> bool:
    """Whether these bytes begin with a message of magic 0 or 1."""
    return len(records) > MAGIC_AT and records[MAGIC_AT] in _LEGACY_MAGICS


def refusal(magic: int) -> RecordError:
    """The error for a magic other than 2: INVALID_RECORD for the old formats, as in Kafka 4."""
    if magic in _LEGACY_MAGICS:
        return RecordError(
            ErrorCode.INVALID_RECORD,
            f"message format v{magic} is not accepted; clients since Kafka 0.11 send v2",
        )
    return RecordError(ErrorCode.CORRUPT_MESSAGE, f"there is no message format with magic {magic}")
