"""How a message is declared: its fields in the order of the wire, and the versions in which each exists.

A message is a frozen struct whose annotations carry marks:

    rack: Annotated[String | None, since(1), ignorable] = None
    topics: Annotated[Sequence[Topic] | None, nullable_since(2), until(7)] = []
    cluster_id: Annotated[String | None, tagged(0), since(12)] = None

One declaration covers all versions, like Kafka's message definitions. This module only reads declarations; `grammar`
turns one into the layout of a single version.
"""

from collections.abc import Callable, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields as struct_fields

from higgins_protocol.primitives import Kind

VERSION_MAX = 0x7FFF


class Message(msgspec.Struct, frozen=True):
    """A message, or a struct inside one. Every field has Kafka's default, so that callers name only what differs."""


class Marks(msgspec.Struct, frozen=True):
    """What the annotations of one field say in addition to its type."""

    since: int = 0
    until: int = VERSION_MAX
    tag: int = -1
    nullable_since: int = 0
    ignorable: bool = False
    counted: bool = False


Mark = Callable[[Marks], Marks]


def since(version: int) -> Mark:
    """The field exists from this version on."""
    return lambda marks: msgspec.structs.replace(marks, since=version)


def until(version: int) -> Mark:
    """The field exists up to and including this version."""
    return lambda marks: msgspec.structs.replace(marks, until=version)


def tagged(tag: int) -> Mark:
    """The field is in the tag buffer under this tag, and is not written when it equals its default."""
    return lambda marks: msgspec.structs.replace(marks, tag=tag)


def nullable_since(version: int) -> Mark:
    """A field typed `| None` may be null on the wire from this version on. Without the mark: in every version."""
    return lambda marks: msgspec.structs.replace(marks, nullable_since=version)


def ignorable(marks: Marks) -> Marks:
    """In versions without the field its value is dropped. Without the mark, encoding such a value is an error."""
    return msgspec.structs.replace(marks, ignorable=True)


def counted(marks: Marks) -> Marks:
    """The elements of the array are partitions, which have a limit of their own in a request."""
    return msgspec.structs.replace(marks, counted=True)


class ArrayOf(msgspec.Struct, frozen=True):
    """An array of primitives or of messages."""

    element: "Kind | type[Message]"


Shape = Kind | ArrayOf | type[Message]


class Field(msgspec.Struct, frozen=True):
    """One field as declared, for all versions."""

    name: str
    shape: Shape
    marks: Marks
    can_be_none: bool
    default: object

    def is_in(self, version: int) -> bool:
        return self.marks.since <= version <= self.marks.until

    def is_nullable(self, version: int) -> bool:
        return self.can_be_none and version >= self.marks.nullable_since

    @property
    def is_tagged(self) -> bool:
        return self.marks.tag >= 0


@cache
def fields_of(message: type[Message]) -> tuple[Field, ...]:
    """The declared fields in the order of the wire, tagged ones included."""
    hints = get_type_hints(message, include_extras=True)
    return tuple(_field(info.name, hints[info.name], _default(info)) for info in struct_fields(message))


def _default(info: msgspec.structs.FieldInfo) -> object:
    if info.default is not msgspec.NODEFAULT:
        return info.default
    assert info.default_factory is not msgspec.NODEFAULT, f"{info.name} has no default"
    return cast("Callable[[], object]", info.default_factory)()


def _field(name: str, hint: Any, default: object) -> Field:
    marks = Marks()
    hint, metadata = _unwrap(hint)
    kinds = [item for item in metadata if isinstance(item, Kind)]
    for mark in metadata:
        if not isinstance(mark, Kind):
            marks = mark(marks)
    hint, can_be_none = _without_none(hint)
    shape = kinds[0] if kinds else _shape(hint)
    return Field(name=name, shape=shape, marks=marks, can_be_none=can_be_none, default=default)


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        return inner, tuple(metadata)
    return hint, ()


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    members = [member for member in get_args(hint) if member is not NoneType]
    if len(members) == len(get_args(hint)):
        return hint, False
    assert len(members) == 1, f"a nullable field has one type, not {members}"
    return members[0], True


def _shape(hint: Any) -> Shape:
    inner, metadata = _unwrap(hint)
    if metadata:
        return cast("Kind", metadata[0])
    if get_origin(inner) is Sequence:
        element = _shape(get_args(inner)[0])
        assert not isinstance(element, ArrayOf), "Kafka has no arrays of arrays"
        return ArrayOf(element)
    assert isinstance(inner, type), f"{inner!r} is not a type of the wire"
    assert issubclass(inner, Message), f"{inner!r} is not a type of the wire"
    return inner
