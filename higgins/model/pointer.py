"""Pointers: the object, position and length of stored bytes. Objects never change, so a pointer stays valid until its
object is deleted."""

from typing import NewType, TypeAlias

import msgspec

Buffer: TypeAlias = bytes | bytearray | memoryview

ObjectKey = NewType("ObjectKey", str)

ObjectId = NewType("ObjectId", int)
"""An object as one integer: for a data object the session epoch that put it and a counter, for an inline payload the
number of its commit. One machine word, so that the index can keep a million runs in a few flat arrays (38 to 46 MB)."""

_COUNTER_BITS = 40
_INLINE = 1 << 62


def data_object(epoch: int, counter: int) -> ObjectId:
    """The id of a data object: the counter-th of a session epoch."""
    assert 0 <= counter < 1 << _COUNTER_BITS, counter
    assert 0 <= epoch < 1 << 22, epoch
    return ObjectId(epoch << _COUNTER_BITS | counter)


def inline_payload(commit_number: int) -> ObjectId:
    """The id of the payload of a commit."""
    return ObjectId(_INLINE | commit_number)


def is_inline(object_id: ObjectId) -> bool:
    """Whether the bytes are stored in a commit, not in a data object."""
    return bool(object_id & _INLINE)


def commit_number_of(object_id: ObjectId) -> int:
    """The commit that holds an inline payload."""
    return object_id & (_INLINE - 1)


def object_key(object_id: ObjectId) -> ObjectKey:
    """The key of a data object. It contains epoch and counter, so that a sweep can order objects without a clock."""
    epoch, counter = object_id >> _COUNTER_BITS, object_id & ((1 << _COUNTER_BITS) - 1)
    return ObjectKey(f"data/{epoch:08d}/{counter:012d}")


class Pointer(msgspec.Struct, frozen=True, array_like=True):
    """Bytes [position, position + length) of an object."""

    object_id: ObjectId
    position: int
    length: int
