"""Kafka's wire types that construct does not have, as constructs: strings, arrays, tagged fields, messages.

Each class parses and builds with construct's own machinery, so a grammar made of them works like any other construct:
`grammar.parse(data)`, `grammar.build(message)`. The attributes of each class are public, because the compiler reads
them to generate a codec for the same layout. A construct refuses what the protocol refuses: counts beyond the bytes
that remain, numbers that overflow, null where it is not allowed, tags that do not ascend.
"""

from io import BytesIO
from typing import Any, BinaryIO

import construct
from construct import stream_read, stream_write

from higgins_protocol.primitives import ELEMENTS_MAX, PARTITIONS_MAX, STRING_BYTES_MAX, TAGS_MAX
from higgins_protocol.schema import Message

Context = Any
"""construct's container of the values around the current one. It has no type of its own."""

TAGS = "tags"
"""The name under which a message's tagged fields appear in its struct."""


class ElementBudget:
    """How many more array elements a request may have. Pass it to construct as `parse(data, budget=ElementBudget())`.

    Every element costs memory many times its size on the wire, so a request of a few megabytes could otherwise allocate
    gigabytes. Arrays of partitions have a limit of their own, which is lower.
    """

    def __init__(self) -> None:
        self._remaining = {True: PARTITIONS_MAX, False: ELEMENTS_MAX}

    def spend(self, count: int, *, counted: bool) -> None:
        self._remaining[counted] -= count
        if self._remaining[counted] < 0:
            raise construct.RangeError("too many elements in a request")


def bytes_min(layout: construct.Construct) -> int:
    """The fewest bytes that one value takes. An array's count is checked against it before anything is allocated."""
    match layout:
        case construct.Struct():
            return sum(map(bytes_min, layout.subcons))
        case LengthPrefixed():
            return bytes_min(layout.length)
        case UnsignedVarint() | TaggedFields() | NullableMessage():
            return 1
        case construct.Subconstruct():
            return bytes_min(layout.subcon)
        case _:
            size: int = layout.sizeof()
            return size


def remaining_bytes(stream: BinaryIO) -> int:
    position = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(position)
    return end - position


class UnsignedVarint(construct.Construct):  # type: ignore[misc]  # construct has no type hints
    """A number of at most 32 bits in at most five bytes, least significant group first.

    construct's own VarInt has no limit.
    """

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> int:
        value = 0
        for group in range(5):
            byte: int = stream_read(stream, 1, path)[0]
            value += byte % 128 << 7 * group
            if byte < 128:
                if value >= 2**32:
                    break
                return value
        raise construct.IntegerError("a number of more than 32 bits", path=path)

    def _build(self, obj: int, stream: BinaryIO, context: Context, path: str) -> int:
        value = obj
        while value >= 128:
            stream_write(stream, bytes([value % 128 + 128]), 1, path)
            value //= 128
        stream_write(stream, bytes([value]), 1, path)
        return obj


class CompactLength(construct.Adapter):  # type: ignore[misc]  # construct has no type hints
    """A length or count of flexible versions (KIP-482): a varint that is one higher, so that null (-1) is 0."""

    def __init__(self) -> None:
        super().__init__(UnsignedVarint())

    def _decode(self, obj: int, context: Context, path: str) -> int:
        return obj - 1

    def _encode(self, obj: int, context: Context, path: str) -> int:
        return obj + 1


class LengthPrefixed(construct.Construct):  # type: ignore[misc]  # construct has no type hints
    """The base of everything that begins with a length or a count, where -1 is null.

    `length` is Int16sb, Int32sb or CompactLength.
    """

    def __init__(self, length: construct.Construct, *, nullable: bool) -> None:
        super().__init__()
        self.length = length
        self.nullable = nullable

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> object:
        length = self.length._parsereport(stream, context, path)
        if length == -1 and self.nullable:
            return None
        if length < 0:
            raise construct.RangeError(f"length {length}", path=path)
        return self._parse_content(length, stream, context, path)

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        if obj is None:
            if not self.nullable:
                raise construct.MappingError("null where this version has no null", path=path)
            self.length._build(-1, stream, context, path)
            return obj
        self._build_content(obj, stream, context, path)
        return obj

    def _parse_content(self, length: int, stream: BinaryIO, context: Context, path: str) -> object:
        raise NotImplementedError

    def _build_content(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        raise NotImplementedError


class ByteString(LengthPrefixed):
    """Opaque bytes with a length in front."""

    def _parse_content(self, length: int, stream: BinaryIO, context: Context, path: str) -> bytes:
        if length > remaining_bytes(stream):
            raise construct.StreamError("cut off", path=path)
        data: bytes = stream_read(stream, length, path)
        return data

    def _build_content(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        data = bytes(obj)
        self.length._build(len(data), stream, context, path)
        stream_write(stream, data, len(data), path)


class RecordBytes(ByteString):
    """Record batches: the same bytes on the wire as a ByteString. A value to build may be a sequence of buffers.

    The type of its own tells the compiler not to copy the content: the generated decoder returns a view into the frame,
    and the generated encoder hands the buffers on as they are.
    """

    def _build_content(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        super()._build_content(b"".join(obj) if isinstance(obj, list | tuple) else obj, stream, context, path)


class String(LengthPrefixed):
    """UTF-8 text with its length in bytes in front. Both encodings of the length have the same limit."""

    def _parse_content(self, length: int, stream: BinaryIO, context: Context, path: str) -> str:
        if length > STRING_BYTES_MAX or length > remaining_bytes(stream):
            raise construct.StreamError("too long, or cut off", path=path)
        data: bytes = stream_read(stream, length, path)
        return data.decode()

    def _build_content(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        data = obj.encode()
        if len(data) > STRING_BYTES_MAX:
            raise construct.RangeError(f"a string of {len(data)} bytes", path=path)
        self.length._build(len(data), stream, context, path)
        stream_write(stream, data, len(data), path)


class Array(LengthPrefixed):
    """A count and that many elements.

    The count is checked against the bytes that remain, and against the budget of the request where there is one.
    `counted` means that the elements are partitions.
    """

    def __init__(
        self, length: construct.Construct, element: construct.Construct, *, nullable: bool, counted: bool
    ) -> None:
        super().__init__(length, nullable=nullable)
        self.element = element
        self.element_bytes_min = bytes_min(element)
        self.counted = counted
        # Elements of no bytes would make any count fit into any frame.
        assert self.element_bytes_min > 0, f"the elements of an array take at least one byte: {element}"

    def _parse_content(self, length: int, stream: BinaryIO, context: Context, path: str) -> list[object]:
        if length * self.element_bytes_min > remaining_bytes(stream):
            raise construct.StreamError("cut off", path=path)
        budget = context._params.get("budget")
        if budget:
            budget.spend(length, counted=self.counted)
        return [self.element._parsereport(stream, context, path) for _ in range(length)]

    def _build_content(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        self.length._build(len(obj), stream, context, path)
        for item in obj:
            self.element._build(item, stream, context, path)


class AbsentField(construct.Construct):  # type: ignore[misc]  # construct has no type hints
    """A field that this version does not have: no bytes. A parsed message has the default of its class.

    To build a message that sets the field is an error, unless the field is ignorable: then its value is dropped.
    """

    def __init__(self, default: object, *, ignorable: bool) -> None:
        super().__init__()
        self.default = default
        self.ignorable = ignorable

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> object:
        return self.default

    def _build(self, obj: object, stream: BinaryIO, context: Context, path: str) -> object:
        if obj != self.default and not self.ignorable:
            raise construct.MappingError("this field does not exist in this version", path=path)
        return obj

    def _sizeof(self, context: Context, path: str) -> int:
        return 0


class TaggedField(construct.Subconstruct):  # type: ignore[misc]  # construct has no type hints
    """The value of one tagged field. A value that equals `default` is not written."""

    def __init__(self, tag: int, subcon: construct.Construct, *, default: object) -> None:
        super().__init__(subcon)
        self.tag = tag
        self.default = default


class TaggedFields(construct.Construct):  # type: ignore[misc]  # construct has no type hints
    """The tag buffer at the end of every struct of a flexible version (KIP-482): a count, and (tag, size, value) each.

    Its members are named TaggedFields in ascending order of their tags. It parses into a dict of the values that are
    present, by name; tags that this version does not know are skipped.
    """

    def __init__(self, *subcons: construct.Renamed) -> None:
        super().__init__()
        self.subcons = subcons
        self._by_tag = {subcon.tag: subcon for subcon in subcons}
        self._number = UnsignedVarint()

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> dict[str, object]:
        count = self._number._parsereport(stream, context, path)
        if count > TAGS_MAX:
            raise construct.RangeError(f"{count} tagged fields", path=path)
        values: dict[str, object] = {}
        last = -1
        for _ in range(count):
            tag = self._number._parsereport(stream, context, path)
            size = self._number._parsereport(stream, context, path)
            if tag <= last or size > remaining_bytes(stream):
                raise construct.RangeError(f"tag {tag} of {size} bytes after tag {last}", path=path)
            last = tag
            stop = stream.tell() + size
            if tag in self._by_tag:
                subcon = self._by_tag[tag]
                values[subcon.name] = subcon._parsereport(stream, context, path)
                if stream.tell() != stop:
                    raise construct.RangeError(f"tag {tag} has another size", path=path)
            stream.seek(stop)
        return values

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        present = [subcon for subcon in self.subcons if obj[subcon.name] != subcon.default]
        self._number._build(len(present), stream, context, path)
        for subcon in present:
            data = BytesIO()
            subcon._build(obj[subcon.name], data, context, path)
            self._number._build(subcon.tag, stream, context, path)
            self._number._build(data.tell(), stream, context, path)
            stream_write(stream, data.getvalue(), data.tell(), path)
        return obj


class MessageStruct(construct.Adapter):  # type: ignore[misc]  # construct has no type hints
    """A construct.Struct whose values are the fields of a message class.

    The struct has a member for every field of the class, in the order of the wire: a layout, or AbsentField. Tagged
    fields are together in one member, TAGS, at the end.
    """

    def __init__(self, message: type[Message], version: int, *subcons: construct.Renamed) -> None:
        super().__init__(construct.Struct(*subcons))
        self.message = message
        self.version = version

    @property
    def title(self) -> str:
        """What an error calls this layout, such as `FetchRequest v12`."""
        return f"{self.message.__name__} v{self.version}"

    def _decode(self, obj: Any, context: Context, path: str) -> Message:
        values = {
            member.name: obj[member.name]
            for member in self.subcon.subcons
            if not isinstance(member.subcon, AbsentField | TaggedFields)
        }
        return self.message(**values, **obj.get(TAGS, {}))

    def _encode(self, obj: Any, context: Context, path: str) -> dict[str, object]:
        values: dict[str, object] = {}
        for member in self.subcon.subcons:
            if isinstance(member.subcon, TaggedFields):
                values[TAGS] = {tagged.name: getattr(obj, tagged.name) for tagged in member.subcon.subcons}
            else:
                values[member.name] = getattr(obj, member.name)
        return values


class NullableMessage(construct.Subconstruct):  # type: ignore[misc]  # construct has no type hints
    """A message that may be null: a byte before it is negative for null."""

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> Message | None:
        marker = construct.Int8sb._parsereport(stream, context, path)
        if marker < 0:
            return None
        message: Message = self.subcon._parsereport(stream, context, path)
        return message

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        construct.Int8sb._build(-1 if obj is None else 1, stream, context, path)
        return obj if obj is None else self.subcon._build(obj, stream, context, path)
