"""The consumer protocol: what the members of a consumer group write into the opaque bytes of JoinGroup and SyncGroup.

A member joins with a subscription, and the leader of the group gives each member an assignment. Both begin with an
int16 version, followed by the fields of that version. No version is flexible.

Version notes: v1 adds the partitions that the member owned before (KIP-429); v2 the generation they are from (KIP-792);
v3 the rack (KIP-881). Assignments are the same in all versions.

A version later than the last known one is read as the last known one, and bytes after the last known field are ignored:
Kafka's clients do the same, and rely on later versions only adding fields at the end.
"""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, TypeVar

from higgins_protocol.compiler import Decode, Encode, compile_decoder, compile_encoder
from higgins_protocol.errors import DecodeError
from higgins_protocol.grammar import message_grammar
from higgins_protocol.primitives import Buffer, Bytes, Int32, String
from higgins_protocol.schema import Message, ignorable, since

LAST_VERSION = 3
VERSION_BYTES = 2

_M = TypeVar("_M", bound=Message)


class TopicPartitions(Message, frozen=True):
    """Kafka's definitions call it TopicPartition; one of them holds any number of partitions."""

    topic: String = ""
    partitions: Sequence[Int32] = []


class ConsumerProtocolSubscription(Message, frozen=True):
    topics: Sequence[String] = []
    user_data: Bytes | None = None
    owned_partitions: Annotated[Sequence[TopicPartitions], since(1), ignorable] = []
    generation_id: Annotated[Int32, since(2), ignorable] = -1
    rack_id: Annotated[String | None, since(3), ignorable] = None


class ConsumerProtocolAssignment(Message, frozen=True):
    assigned_partitions: Sequence[TopicPartitions] = []
    user_data: Bytes | None = None


def encode_subscription(subscription: ConsumerProtocolSubscription, *, version: int = LAST_VERSION) -> bytes:
    """The metadata with which a member joins. Fields that the version does not have are dropped.

    Raises: EncodeError for values that do not fit.
    """
    return _encode(subscription, version)


def decode_subscription(data: Buffer, *, last_version: int = LAST_VERSION) -> ConsumerProtocolSubscription:
    """The metadata of a member. `last_version=0` reads only the fields that every version has, as Kafka's broker does.

    Raises: DecodeError where the bytes are not a subscription.
    """
    version = min(_version(data), last_version)
    try:
        return _decode(ConsumerProtocolSubscription, data, version)[0]
    except DecodeError:
        # There are clients that write version 1 and leave out the owned partitions. Bytes that end exactly where
        # version 0 ends are read as version 0; Sarama accepts them too. A leader that refused them could not assign
        # partitions to anybody in the group.
        if version == 0:
            raise
        subscription, end = _decode(ConsumerProtocolSubscription, data, 0)
        if end != len(data):
            raise
        return subscription


def encode_assignment(assignment: ConsumerProtocolAssignment, *, version: int = LAST_VERSION) -> bytes:
    """What the leader of a group gives one member. Raises: EncodeError for values that do not fit."""
    return _encode(assignment, version)


def decode_assignment(data: Buffer) -> ConsumerProtocolAssignment:
    """The assignment of a member. No bytes are an empty assignment: the member may not have one yet.

    Raises: DecodeError where the bytes are not an assignment.
    """
    if not len(data):
        return ConsumerProtocolAssignment()
    return _decode(ConsumerProtocolAssignment, data, min(_version(data), LAST_VERSION))[0]


@cache
def _encoder(message: type[Message], version: int) -> Encode:
    return compile_encoder(message_grammar(message, version, flexible=False))


@cache
def _decoder(message: type[Message], version: int) -> Decode:
    # The limits of a request do not apply: these bytes came inside a frame whose size was limited, and a leader must be
    # able to read the subscriptions of a large group. Counts are checked against the bytes that remain.
    return compile_decoder(message_grammar(message, version, flexible=False), bounded=False)


def _encode(message: Message, version: int) -> bytes:
    assert 0 <= version <= LAST_VERSION, f"the consumer protocol has no version {version}"
    out = bytearray(version.to_bytes(VERSION_BYTES, "big"))
    return b"".join(_encoder(type(message), version)(message, out))


def _version(data: Buffer) -> int:
    if len(data) < VERSION_BYTES:
        raise DecodeError(f"cut off: {len(data)} bytes left", field="consumer protocol version", position=0)
    version = int.from_bytes(data[:VERSION_BYTES], "big", signed=True)
    if version < 0:
        raise DecodeError(f"version {version}", field="consumer protocol version", position=0)
    return version


def _decode(message: type[_M], data: Buffer, version: int) -> tuple[_M, int]:
    """The message, and where it ended."""
    value, end = _decoder(message, version)(memoryview(data), VERSION_BYTES, len(data))
    assert isinstance(value, message)
    return value, end
