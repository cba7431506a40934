"""Every message of every served version in both directions, with its grammar, its codec and the reference."""

from collections.abc import Generator
from functools import cache
from typing import TypeVar

import msgspec

from higgins_protocol.compiler import (
    Decode,
    DecodeInSteps,
    Encode,
    EncodeInSteps,
    compile_decoder,
    compile_decoder_in_steps,
    compile_encoder,
    compile_encoder_in_steps,
)
from higgins_protocol.constructs import MessageStruct
from higgins_protocol.errors import DecodeError
from higgins_protocol.grammar import message_grammar
from higgins_protocol.registry import APIS
from higgins_protocol.schema import Message
from tests.protocol import reference


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
def grammar(lane: Lane) -> MessageStruct:
    return message_grammar(lane.message, lane.version, flexible=lane.flexible)


@cache
def decoder(lane: Lane) -> Decode:
    return compile_decoder(grammar(lane), bounded=lane.bounded)


@cache
def encoder(lane: Lane) -> Encode:
    return compile_encoder(grammar(lane))


@cache
def decoder_in_steps(lane: Lane) -> DecodeInSteps:
    return compile_decoder_in_steps(grammar(lane), bounded=lane.bounded, step_elements=1)


@cache
def encoder_in_steps(lane: Lane) -> EncodeInSteps:
    return compile_encoder_in_steps(grammar(lane), step_elements=1)


T = TypeVar("T")


def finished(steps: Generator[object, None, T]) -> T:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def encode(lane: Lane, message: Message) -> bytes:
    """The body as the generated codecs write it, at once and in the smallest steps; pieces joined."""
    body = b"".join(encoder(lane)(message, bytearray()))
    assert b"".join(finished(encoder_in_steps(lane)(message, bytearray()))) == body
    return body


def decode(lane: Lane, body: bytes) -> Message:
    """The body as the generated codecs read it, at once and in the smallest steps; it has to fill the bytes."""
    try:
        message, position = decoder(lane)(memoryview(body), 0, len(body))
    except DecodeError as refusal:
        try:
            finished(decoder_in_steps(lane)(memoryview(body), 0, len(body)))
        except DecodeError as again:
            assert (again.what, again.field, again.position) == (refusal.what, refusal.field, refusal.position)
            raise
        raise AssertionError("refused at once, and not in steps") from refusal
    stepped, end = finished(decoder_in_steps(lane)(memoryview(body), 0, len(body)))
    # NaN is unequal to itself, and a view has no representation of its content.
    assert end == position and (stepped == message or repr(stepped) == repr(message))
    if position != len(body):
        raise DecodeError("bytes left over", position=position)
    return message


def build(lane: Lane, message: Message) -> bytes:
    """The body as construct builds it."""
    return reference.build(grammar(lane), message)


def parse(lane: Lane, body: bytes) -> Message:
    """The body as construct parses it, which has to fill the bytes."""
    return reference.parse(grammar(lane), body, bounded=lane.bounded)


def decode_or_none(lane: Lane, body: bytes) -> Message | None:
    """None for a refusal; anything but a DecodeError passes through, and fails the test."""
    try:
        return decode(lane, body)
    except DecodeError:
        return None


def parse_or_none(lane: Lane, body: bytes) -> Message | None:
    """As `decode_or_none`, by construct."""
    try:
        return parse(lane, body)
    except DecodeError:
        return None
