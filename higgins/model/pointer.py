"""Pointers: where bytes lie. An object never changes, so a pointer stays good for as long as its object lives."""

from typing import NewType, TypeAlias

import msgspec

Buffer: TypeAlias = bytes | bytearray | memoryview

ObjectKey = NewType("ObjectKey", str)

ObjectId = NewType("ObjectId", int)
"""A data object as one integer: the node epoch that put it, and that epoch's counter; or an inline payload, as the
number of the commit that carries it. One machine word, so that an index of a million runs is a few flat arrays."""

_COUNTER_BITS = 40
_INLINE = 1 << 62


def data_object(epoch: int, counter: int) -> ObjectId:
    """The id of the counter-th object of a node epoch."""
    assert 0 <= counter < 1 << _COUNTER_BITS, counter
    assert 0 <= epoch < 1 << 22, epoch
    return ObjectId(epoch << _COUNTER_BITS | counter)


def inline_payload(commit_number: int) -> ObjectId:
    """The id of the payload that rides in a commit."""
    return ObjectId(_INLINE | commit_number)


def is_inline(object_id: ObjectId) -> bool:
    """Whether the bytes ride in a commit rather than in a data object."""
    return bool(object_id & _INLINE)


def commit_number_of(object_id: ObjectId) -> int:
    """The commit that carries an inline payload."""
    return object_id & (_INLINE - 1)


def object_key(object_id: ObjectId) -> ObjectKey:
    """The key of a data object. Epoch and counter are in it, so that a sweep needs no clock."""
    epoch, counter = object_id >> _COUNTER_BITS, object_id & ((1 << _COUNTER_BITS) - 1)
    return ObjectKey(f"data/{epoch:08d}/{counter:012d}")


class ByteRange(msgspec.Struct, frozen=True):
    """Bytes [position, position + length) of one object."""

    position: int
    length: int


class Pointer(msgspec.Struct, frozen=True, array_like=True):
    """A range of bytes in an object."""

    object_id: ObjectId
    position: int
    length: int
