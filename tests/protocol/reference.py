"""The reference that generated codecs are compared with: construct itself parses and builds with the same grammar."""

from io import BytesIO

import construct

from higgins_protocol.constructs import ElementBudget, MessageStruct
from higgins_protocol.errors import DecodeError, EncodeError
from higgins_protocol.schema import Message


def parse(grammar: MessageStruct, data: bytes, *, bounded: bool, whole: bool = True) -> Message:
    """The message in these bytes, which `whole` requires to end with it. Raises: DecodeError."""
    stream = BytesIO(data)
    try:
        message: Message = grammar.parse_stream(stream, budget=ElementBudget() if bounded else None)
    except (construct.ConstructError, UnicodeDecodeError) as error:
        raise DecodeError(str(error), position=stream.tell()) from error
    if whole and stream.tell() != len(data):
        raise DecodeError("bytes left over", position=stream.tell())
    return message


def build(grammar: MessageStruct, message: Message) -> bytes:
    """Raises: EncodeError."""
    try:
        data: bytes = grammar.build(message)
    except (construct.ConstructError, AttributeError, TypeError, UnicodeEncodeError) as error:
        raise EncodeError(str(error)) from error
    return data
