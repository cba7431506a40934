"""Every message of every served version in both directions, with its codec and its grammar."""

from functools import cache

import msgspec

from higgins_protocol.compiler import Decode, Encode, compile_decoder, compile_encoder
from higgins_protocol.errors import DecodeError
from higgins_protocol.grammar import Grammar
from higgins_protocol.registry import APIS
from higgins_protocol.schema import Message


class Lane(msgspec.Struct, frozen=True):
    """One message class in one version."""

    api_key: int
    version: int
    message: type[Message]
    flexible: bool
    bounded: bool

    def __str__(self) -> str:
        return f"{self.message.__name__}-v{self.version}"


LANES = [
    Lane(api.key, version, message, version >= api.flexible_from, message is api.request)
    for api in APIS.values()
    for version in range(api.versions[0], api.versions[1] + 1)
    for message in (api.request, api.response)
]


@cache
def decoder(lane: Lane) -> Decode:
    return compile_decoder(lane.message, lane.version, flexible=lane.flexible, bounded=lane.bounded)


@cache
def encoder(lane: Lane) -> Encode:
    return compile_encoder(lane.message, lane.version, flexible=lane.flexible)


@cache
def grammar(lane: Lane) -> Grammar:
    return Grammar(lane.message, lane.version, flexible=lane.flexible, bounded=lane.bounded)


def encode(lane: Lane, message: Message) -> bytes:
    """The body as the emitted codec writes it, pieces joined."""
    return b"".join(encoder(lane)(message, bytearray()))


def decode(lane: Lane, body: bytes) -> Message:
    """The body as the emitted codec reads it, which has to fill the bytes."""
    message, position = decoder(lane)(memoryview(body), 0, len(body))
    if position != len(body):
        raise DecodeError("bytes left over", position=position)
    return message


def decode_or_none(lane: Lane, body: bytes) -> Message | None:
    """None for a refusal; anything but a DecodeError passes through, and fails the test."""
    try:
        return decode(lane, body)
    except DecodeError:
        return None


def parse_or_none(lane: Lane, body: bytes) -> Message | None:
    """As `decode_or_none`, by the grammar."""
    try:
        return grammar(lane).parse(body)
    except DecodeError:
        return None
