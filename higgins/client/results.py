"""The result of sending one record: stored, not stored, or unknown."""

from typing import TypeAlias

import msgspec

from higgins_protocol.errors import ErrorCode


class Stored(msgspec.Struct, frozen=True):
    """The record was acknowledged. The offset is -1 where the broker sends none: acks = 0, or a known duplicate."""

    topic: str
    partition: int
    offset: int


class NotStored(msgspec.Struct, frozen=True):
    """The record is certainly not in the log; the code and the message say why."""

    topic: str
    partition: int
    code: ErrorCode
    message: str


class Unresolved(msgspec.Struct, frozen=True):
    """The record was sent and its outcome is unknown: it may be in the log, or may still be appended."""

    topic: str
    partition: int
    message: str


SendResult: TypeAlias = Stored | NotStored | Unresolved
