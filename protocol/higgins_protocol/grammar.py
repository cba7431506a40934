"""The same declarations read as construct grammars: slow, plain, and the oracle the emitted codecs are held against.

Nothing on the road of a request imports this module; it shares no code with the compiler but the declarations and the
limits. A grammar refuses what the protocol refuses: counts beyond the bytes that remain, numbers that overflow, null
where there is none, tags that do not ascend.
"""

from io import BytesIO
from typing import Any, BinaryIO

import construct
from construct import stream_read, stream_write

from higgins_protocol.errors import DecodeError, EncodeError
from higgins_protocol.primitives import (
    ELEMENTS_MAX,
    PARTITIONS_MAX,
    STRING_BYTES_MAX,
    TAGS_MAX,
    Kind,
)
from higgins_protocol.schema import (
    ArrayOf,
    Field,
    Message,
    Shape,
    bytes_min,
    plain_fields,
    refused_fields,
    tagged_fields,
)

Context = Any
"""construct's container of what surrounds a value; it has no types of its own."""


class Grammar:
    """One message in one version, both ways. `bounded` holds arrays to the limits of a request."""

    def __init__(self, message: type[Message], version: int, *, flexible: bool, bounded: bool) -> None:
        self._construct = _Struct(message, _Dialect(version, flexible=flexible))
        self._bounded = bounded

    def parse(self, data: bytes) -> Message:
        """The message that fills these bytes to the end. Raises: DecodeError."""
        stream = BytesIO(data)
        try:
            message: Message = self._construct.parse_stream(stream, budget=_Budget(bounded=self._bounded))
        except (construct.ConstructError, UnicodeDecodeError) as error:
            raise DecodeError(str(error), position=stream.tell()) from error
        if stream.tell() != len(data):
            raise DecodeError("bytes left over", position=stream.tell())
        return message

    def build(self, message: Message) -> bytes:
        """Raises: EncodeError."""
        try:
            data: bytes = self._construct.build(message)
        except (construct.ConstructError, AttributeError, TypeError, UnicodeEncodeError) as error:
            raise EncodeError(str(error)) from error
        return data


class _Budget:
    """How many array elements one request has had."""

    def __init__(self, *, bounded: bool) -> None:
        self._bounded = bounded
        self._left = {True: PARTITIONS_MAX, False: ELEMENTS_MAX}

    def spend(self, count: int, *, counted: bool) -> None:
        self._left[counted] -= count
        if self._bounded and self._left[counted] < 0:
            raise construct.RangeError("too many elements in a request")


class _Dialect:
    """A version, and which of the two encodings of lengths and structs it has."""

    def __init__(self, version: int, *, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible

    def length(self, fixed: construct.Construct) -> construct.Construct:
        return construct.ExprAdapter(_UnsignedVarint(), _minus_one, _plus_one) if self.flexible else fixed

    def layout_of(self, shape: Shape, *, nullable: bool = False, counted: bool = False) -> construct.Construct:
        match shape:
            case ArrayOf(element):
                return _Array(self, element, nullable=nullable, counted=counted)
            case Kind.STRING:
                return _String(self.length(construct.Int16sb), nullable=nullable)
            case Kind.BYTES | Kind.RECORDS:
                return _Bytes(self.length(construct.Int32sb), nullable=nullable)
            case Kind():
                return _FIXED[shape]
            case _:
                return _NullableStruct(shape, self) if nullable else _Struct(shape, self)

    def field(self, field: Field) -> construct.Construct:
        return self.layout_of(field.shape, nullable=field.is_nullable(self.version), counted=field.marks.counted)


def _minus_one(value: int, _: Context) -> int:
    return value - 1


def _plus_one(value: int, _: Context) -> int:
    return value + 1


_FIXED = {
    Kind.INT8: construct.Int8sb,
    Kind.INT16: construct.Int16sb,
    Kind.UINT16: construct.Int16ub,
    Kind.INT32: construct.Int32sb,
    Kind.INT64: construct.Int64sb,
    Kind.FLOAT64: construct.Float64b,
    Kind.BOOL: construct.Flag,
    Kind.UUID: construct.Bytes(16),
}


def _left(stream: BinaryIO) -> int:
    here = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(here)
    return end - here


class _Layout(construct.Construct):  # type: ignore[misc]  # construct comes without types
    """The base of our own layouts."""


class _UnsignedVarint(_Layout):
    """At most five bytes and 32 bits; construct's own VarInt has no bound."""

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


class _Sized(_Layout):
    """A length, perhaps null, and what it measures."""

    def __init__(self, length: construct.Construct, *, nullable: bool) -> None:
        super().__init__()
        self._length = length
        self._nullable = nullable

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> object:
        length = self._length._parsereport(stream, context, path)
        if length == -1 and self._nullable:
            return None
        if length < 0:
            raise construct.RangeError(f"length {length}", path=path)
        return self._read(length, stream, context, path)

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        if obj is None:
            if not self._nullable:
                raise construct.MappingError("null where this version has no null", path=path)
            self._length._build(-1, stream, context, path)
            return obj
        self._write(obj, stream, context, path)
        return obj

    def _read(self, length: int, stream: BinaryIO, context: Context, path: str) -> object:
        raise NotImplementedError

    def _write(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        raise NotImplementedError


class _Bytes(_Sized):
    def _read(self, length: int, stream: BinaryIO, context: Context, path: str) -> bytes:
        if length > _left(stream):
            raise construct.StreamError("cut off", path=path)
        data: bytes = stream_read(stream, length, path)
        return data

    def _write(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        data = b"".join(obj) if isinstance(obj, list | tuple) else bytes(obj)
        self._length._build(len(data), stream, context, path)
        stream_write(stream, data, len(data), path)


class _String(_Sized):
    def _read(self, length: int, stream: BinaryIO, context: Context, path: str) -> str:
        if length > STRING_BYTES_MAX or length > _left(stream):
            raise construct.StreamError("too long, or cut off", path=path)
        data: bytes = stream_read(stream, length, path)
        return data.decode()

    def _write(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        data = obj.encode()
        if len(data) > STRING_BYTES_MAX:
            raise construct.RangeError(f"a string of {len(data)} bytes", path=path)
        self._length._build(len(data), stream, context, path)
        stream_write(stream, data, len(data), path)


class _Array(_Sized):
    def __init__(self, dialect: _Dialect, element: Kind | type[Message], *, nullable: bool, counted: bool) -> None:
        super().__init__(dialect.length(construct.Int32sb), nullable=nullable)
        self._element = dialect.layout_of(element)
        self._least = bytes_min(element, dialect.version, flexible=dialect.flexible)
        self._counted = counted

    def _read(self, length: int, stream: BinaryIO, context: Context, path: str) -> list[object]:
        if length * self._least > _left(stream):
            raise construct.StreamError("cut off", path=path)
        context._params.budget.spend(length, counted=self._counted)
        return [self._element._parsereport(stream, context, path) for _ in range(length)]

    def _write(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> None:
        self._length._build(len(obj), stream, context, path)
        for item in obj:
            self._element._build(item, stream, context, path)


class _Struct(_Layout):
    """A message's plain fields in order, and behind them, in flexible versions, its tagged ones."""

    def __init__(self, message: type[Message], dialect: _Dialect) -> None:
        super().__init__()
        self._message = message
        self._refused = refused_fields(message, dialect.version)
        self._plain = [(field, dialect.field(field)) for field in plain_fields(message, dialect.version)]
        tagged = [(field, dialect.field(field)) for field in tagged_fields(message, dialect.version)]
        self._tags = _Tags(tagged) if dialect.flexible else None

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> Message | None:
        values = {
            field.name: layout._parsereport(stream, context, f"{path} -> {field.name}") for field, layout in self._plain
        }
        if self._tags:
            values.update(self._tags._parsereport(stream, context, f"{path} -> tags"))
        return self._message(**values)

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        for field in self._refused:
            if getattr(obj, field.name) != field.default:
                raise construct.MappingError(f"{field.name} does not exist in this version", path=path)
        for field, layout in self._plain:
            layout._build(getattr(obj, field.name), stream, context, f"{path} -> {field.name}")
        if self._tags:
            self._tags._build(obj, stream, context, f"{path} -> tags")
        return obj


class _NullableStruct(_Struct):
    """A byte before the message: below 0 for null."""

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> Message | None:
        marker = construct.Int8sb._parsereport(stream, context, path)
        return None if marker < 0 else super()._parse(stream, context, path)

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        construct.Int8sb._build(-1 if obj is None else 1, stream, context, path)
        return obj if obj is None else super()._build(obj, stream, context, path)


class _Tags(_Layout):
    """The tag buffer: known fields by their tag, unknown ones stepped over."""

    def __init__(self, known: list[tuple[Field, construct.Construct]]) -> None:
        super().__init__()
        self._known = {field.marks.tag: (field, layout) for field, layout in known}
        self._number = _UnsignedVarint()

    def _parse(self, stream: BinaryIO, context: Context, path: str) -> dict[str, object]:
        count = self._number._parsereport(stream, context, path)
        if count > TAGS_MAX:
            raise construct.RangeError(f"{count} tagged fields", path=path)
        values: dict[str, object] = {}
        last = -1
        for _ in range(count):
            tag = self._number._parsereport(stream, context, path)
            size = self._number._parsereport(stream, context, path)
            if tag <= last or size > _left(stream):
                raise construct.RangeError(f"tag {tag} of {size} bytes after tag {last}", path=path)
            last = tag
            stop = stream.tell() + size
            if tag in self._known:
                field, layout = self._known[tag]
                values[field.name] = layout._parsereport(stream, context, path)
                if stream.tell() != stop:
                    raise construct.RangeError(f"tag {tag} has another size", path=path)
            stream.seek(stop)
        return values

    def _build(self, obj: Any, stream: BinaryIO, context: Context, path: str) -> object:
        present = [
            (tag, layout, getattr(obj, field.name))
            for tag, (field, layout) in sorted(self._known.items())
            if getattr(obj, field.name) != field.default
        ]
        self._number._build(len(present), stream, context, path)
        for tag, layout, value in present:
            data = BytesIO()
            layout._build(value, data, context, path)
            self._number._build(tag, stream, context, path)
            self._number._build(data.tell(), stream, context, path)
            stream_write(stream, data.getvalue(), data.tell(), path)
        return obj
