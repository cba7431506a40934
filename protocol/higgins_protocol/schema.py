"""Read a message's declaration: its fields in wire order, and the versions in which each is there, nullable or tagged.

A message is a frozen struct whose annotations carry marks:

    rack: Annotated[String | None, since(1), ignorable] = None
    topics: Annotated[Sequence[Topic] | None, nullable_since(2), until(7)] = []
    cluster_id: Annotated[String | None, tagged(0), since(12)] = None

What is declared is Kafka's layout in every version; what is read here is the layout in one. This module makes no codec.
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
    """A message, or a struct inside one. Every field has Kafka's default, so that only what matters is named."""


class Marks(msgspec.Struct, frozen=True):
    """What the annotations of one field say beside its type."""

    since: int = 0
    until: int = VERSION_MAX
    tag: int = -1
    nullable_since: int = 0
    ignorable: bool = False
    counted: bool = False


Mark = Callable[[Marks], Marks]


def since(version: int) -> Mark:
    """The field is on the wire from this version on."""
    return lambda marks: msgspec.structs.replace(marks, since=version)


def until(version: int) -> Mark:
    """The field is on the wire up to and including this version."""
    return lambda marks: msgspec.structs.replace(marks, until=version)


def tagged(tag: int) -> Mark:
    """The field is in the tag buffer, under this tag, and left out at its default."""
    return lambda marks: msgspec.structs.replace(marks, tag=tag)


def nullable_since(version: int) -> Mark:
    """A field typed `| None` may be null on the wire from this version on; without the mark, always."""
    return lambda marks: msgspec.structs.replace(marks, nullable_since=version)


def ignorable(marks: Marks) -> Marks:
    """Where a version lacks the field, its value is dropped instead of refused."""
    return msgspec.structs.replace(marks, ignorable=True)


def counted(marks: Marks) -> Marks:
    """The array holds partitions, and counts towards the limit of partitions in a request."""
    return msgspec.structs.replace(marks, counted=True)


class ArrayOf(msgspec.Struct, frozen=True):
    """The shape of an array."""

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

    def is_nullable_struct(self, version: int) -> bool:
        """A struct is preceded by a byte, below 0 for null, where it may be null."""
        return not isinstance(self.shape, Kind | ArrayOf) and self.is_nullable(version)

    @property
    def is_tagged(self) -> bool:
        return self.marks.tag >= 0


@cache
def fields_of(message: type[Message]) -> tuple[Field, ...]:
    """The declared fields, in the order of the wire, tagged ones among them."""
    hints = get_type_hints(message, include_extras=True)
    return tuple(_field(info.name, hints[info.name], _default(info)) for info in struct_fields(message))


def plain_fields(message: type[Message], version: int) -> list[Field]:
    return [field for field in fields_of(message) if field.is_in(version) and not field.is_tagged]


def tagged_fields(message: type[Message], version: int) -> list[Field]:
    found = [field for field in fields_of(message) if field.is_in(version) and field.is_tagged]
    return sorted(found, key=lambda field: field.marks.tag)


def refused_fields(message: type[Message], version: int) -> list[Field]:
    """Fields the version lacks and that may not be dropped: on encode they have to be at their default."""
    return [field for field in fields_of(message) if not field.is_in(version) and not field.marks.ignorable]


def bytes_min(shape: Shape, version: int, *, flexible: bool) -> int:
    """The fewest bytes one value takes on the wire: what a count is checked against before anything is allocated."""
    if isinstance(shape, Kind):
        return _kind_bytes_min(shape, flexible=flexible)
    if isinstance(shape, ArrayOf):
        return 1 if flexible else 4
    fields = plain_fields(shape, version)
    # Of a struct that may be null, only the marker is sure to be there.
    total = sum(
        1 if field.is_nullable_struct(version) else bytes_min(field.shape, version, flexible=flexible)
        for field in fields
    )
    return total + flexible


_FIXED_BYTES = {
    Kind.INT8: 1,
    Kind.INT16: 2,
    Kind.UINT16: 2,
    Kind.INT32: 4,
    Kind.INT64: 8,
    Kind.FLOAT64: 8,
    Kind.BOOL: 1,
    Kind.UUID: 16,
}


def _kind_bytes_min(kind: Kind, *, flexible: bool) -> int:
    if kind.is_fixed:
        return _FIXED_BYTES[kind]
    if flexible:
        return 1
    return 2 if kind is Kind.STRING else 4


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
    assert isinstance(inner, type), f"{inner!r} is no wire type"
    assert issubclass(inner, Message), f"{inner!r} is no wire type"
    return inner
