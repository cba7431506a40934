"""Emit the encoder of one message in one version: it appends to a bytearray, and hands record bytes on as they are.

Neighbouring fixed fields are packed by one precompiled struct, together with the length or count that follows them. A
value the version has no room for is an EncodeError, unless it is at its default or the declaration lets it be dropped.
"""

from collections.abc import Callable, Sequence
from struct import error as StructError
from struct import pack

from higgins_protocol.compiler.source import Source
from higgins_protocol.errors import EncodeError
from higgins_protocol.primitives import STRING_BYTES_MAX, Buffer, Kind
from higgins_protocol.schema import (
    ArrayOf,
    Field,
    Message,
    Shape,
    plain_fields,
    refused_fields,
    tagged_fields,
)
from higgins_protocol.varint import write_unsigned

Encode = Callable[[Message, bytearray], list[Buffer]]
"""(message, what the frame begins with) -> the frame's pieces, the first of which is the bytearray given"""


def compile_encoder(message: type[Message], version: int, *, flexible: bool) -> Encode:
    """The encoder for this version."""
    return _Encoder(message, version, flexible=flexible).compile()


def record_pieces(records: Buffer | Sequence[Buffer]) -> Sequence[Buffer]:
    """Record bytes as the pieces they are sent in."""
    return (records,) if isinstance(records, bytes | bytearray | memoryview) else records


def refuse(field: str) -> EncodeError:
    return EncodeError("this version has no such field, and its value may not be dropped", field=field)


def too_long(length: int) -> EncodeError:
    return EncodeError(f"a string of {length} bytes, at most {STRING_BYTES_MAX}")


def no_null() -> EncodeError:
    return EncodeError("null where this version has no null")


def explain(error: Exception, labels: dict[int, str], title: str) -> EncodeError:
    """Name the field the emitted code was at when it failed: each emitted line is labelled with one."""
    frame = error.__traceback__
    field = f"{title}.{labels.get(frame.tb_lineno, '')}" if frame else title
    if isinstance(error, EncodeError):
        return EncodeError(error.what, field=error.field or field)
    return EncodeError(f"a value that does not fit: {error}", field=field)


_HELPERS: dict[str, object] = {
    "pack": pack,
    "StructError": StructError,
    "EncodeError": EncodeError,
    "write_unsigned": write_unsigned,
    "record_pieces": record_pieces,
    "refuse": refuse,
    "too_long": too_long,
    "no_null": no_null,
    "explain": explain,
}


class _Encoder:
    def __init__(self, message: type[Message], version: int, *, flexible: bool) -> None:
        self._message = message
        self._version = version
        self._flexible = flexible
        self._run: list[tuple[str, str]] = []
        self._source = Source("def encode(message, out):")
        self._source.names.update(_HELPERS)

    def compile(self) -> Encode:
        source = self._source
        source.names["LABELS"] = source.labels
        source.line("pieces = [out]")
        with source.block("try:"):
            self._struct("message", self._message)
            self._flush()
            source.line("return pieces")
        title = f"{self._message.__name__} v{self._version}"
        errors = "StructError, AttributeError, TypeError, UnicodeEncodeError, EncodeError"
        with source.block(f"except ({errors}) as error:"):
            source.line(f"raise explain(error, LABELS, {title!r}) from error")
        encode: Encode = source.compile("encode", f"encode {title}")
        return encode

    def _struct(self, value: str, message: type[Message]) -> None:
        outer = self._source.label
        for field in refused_fields(message, self._version):
            self._refuse(value, field)
        for field in plain_fields(message, self._version):
            self._source.label = f"{outer}.{field.name}" if outer else field.name
            self._field(f"{value}.{field.name}", field)
        if self._flexible:
            self._tags(value, message, outer)
        self._source.label = outer

    def _refuse(self, value: str, field: Field) -> None:
        with self._source.block(f"if {self._differs(f'{value}.{field.name}', field)}:"):
            self._source.line(f"raise refuse({field.name!r})")

    def _differs(self, value: str, field: Field) -> str:
        if field.default is None:
            return f"{value} is not None"
        if isinstance(field.default, list):
            return f"{value} is None or len({value})"
        if isinstance(field.default, Message):
            default = self._source.constant(f"DEFAULT_{field.name}", field.default)
            return f"{value} is not {default} and {value} != {default}"
        return f"{value} != {field.default!r}"

    def _field(self, value: str, field: Field) -> None:
        nullable = field.is_nullable(self._version)
        if isinstance(field.shape, ArrayOf):
            self._array(value, field.shape, nullable=nullable)
        else:
            self._value(value, field.shape, nullable=nullable)

    def _value(self, value: str, shape: Shape, *, nullable: bool) -> None:
        if isinstance(shape, Kind):
            if shape.is_fixed:
                self._fixed(value, shape)
            elif shape is Kind.RECORDS:
                self._records(value, nullable=nullable)
            else:
                self._sized(value, shape, nullable=nullable)
            return
        assert not isinstance(shape, ArrayOf)
        if nullable:
            self._nullable_struct(value, shape)
        else:
            self._struct(value, shape)

    def _nullable_struct(self, value: str, message: type[Message]) -> None:
        self._flush()
        source = self._source
        with source.block(f"if {value} is None:"):
            source.line("out.append(255)")
        with source.block("else:"):
            source.line("out.append(1)")
            self._struct(value, message)
            self._flush()

    def _fixed(self, value: str, kind: Kind) -> None:
        if kind is Kind.UUID:
            # struct would pad or cut to sixteen bytes without a word.
            with self._source.block(f"if len({value}) != 16:"):
                self._source.line("raise EncodeError('a uuid is sixteen bytes')")
        self._run.append((kind.value, value))

    def _sized(self, value: str, kind: Kind, *, nullable: bool) -> None:
        source = self._source
        data, length = source.fresh("data"), source.fresh("n")
        if kind is Kind.STRING:
            read, layout = f"{value}.encode()", "h"
        else:
            read, layout = value, "i"
        self._nullable_length(value, data, length, read=read, nullable=nullable)
        if kind is Kind.STRING:
            with source.block(f"if {length} > {STRING_BYTES_MAX}:"):
                source.line(f"raise too_long({length})")
        self._length(length, layout)
        source.line(f"out += {data}")

    def _nullable_length(self, value: str, data: str, length: str, *, read: str, nullable: bool) -> None:
        source = self._source
        if not nullable:
            source.line(f"{data} = {read}")
            source.line(f"{length} = len({data})")
            return
        with source.block(f"if {value} is None:"):
            source.line(f"{data} = b''")
            source.line(f"{length} = -1")
        with source.block("else:"):
            source.line(f"{data} = {read}")
            source.line(f"{length} = len({data})")

    def _records(self, value: str, *, nullable: bool) -> None:
        """Length into `out`, then the pieces as they are, then a new `out` for what follows them."""
        source = self._source
        data, length = source.fresh("data"), source.fresh("n")
        with source.block(f"if {value} is None:"):
            source.line(f"{data} = ()")
            source.line(f"{length} = -1")
            if not nullable:
                source.line("raise no_null()")
        with source.block("else:"):
            source.line(f"{data} = record_pieces({value})")
            source.line(f"{length} = sum(map(len, {data}))")
        self._length(length, "i")
        with source.block(f"if {length} > 0:"):
            source.line(f"pieces.extend({data})")
            source.line("out = bytearray()")
            source.line("pieces.append(out)")

    def _length(self, length: str, layout: str) -> None:
        """Write a length or a count, together with the fixed fields before it; null is -1 in both encodings."""
        if not self._flexible:
            self._run.append((layout, length))
            self._flush()
            return
        source = self._source
        before = list(self._run)
        with source.block(f"if {length} < 127:"):
            self._run.append(("B", f"{length} + 1"))
            self._flush()
        with source.block("else:"):
            self._run = before
            self._flush()
            source.line(f"out += write_unsigned({length} + 1)")

    def _array(self, value: str, shape: ArrayOf, *, nullable: bool) -> None:
        source = self._source
        data, count = source.fresh("data"), source.fresh("n")
        self._nullable_length(value, data, count, read=value, nullable=nullable)
        self._length(count, "i")
        if isinstance(shape.element, Kind) and shape.element.is_fixed:
            with source.block(f"if {count} > 0:"):
                source.line(f"out += pack(f'>{{{count}}}{shape.element.value}', *{data})")
            return
        item = source.fresh("item")
        with source.block(f"for {item} in {data}:"):
            self._value(item, shape.element, nullable=False)
            self._flush()

    def _tags(self, value: str, message: type[Message], outer: str) -> None:
        source = self._source
        source.label = f"{outer}.tags" if outer else "tags"
        known = tagged_fields(message, self._version)
        if not known:
            self._run.append(("x", ""))
            return
        self._flush()
        count = source.fresh("tags")
        for number, field in enumerate(known):
            source.line(f"has_{count}_{number} = {self._differs(f'{value}.{field.name}', field)}")
        total = " + ".join(f"bool(has_{count}_{number})" for number in range(len(known)))
        with source.block(f"if {' or '.join(f'has_{count}_{number}' for number in range(len(known)))}:"):
            source.line(f"out.append({total})")
            for number, field in enumerate(known):
                with source.block(f"if has_{count}_{number}:"):
                    self._tagged(value, field)
        with source.block("else:"):
            source.line("out.append(0)")

    def _tagged(self, value: str, field: Field) -> None:
        """A tagged value is preceded by its size, so it is written apart first."""
        source = self._source
        outside = source.fresh("outside")
        source.line(f"{outside} = out")
        source.line("out = bytearray()")
        self._field(f"{value}.{field.name}", field)
        self._flush()
        size = f"write_unsigned({field.marks.tag}) + write_unsigned(len(out))"
        source.line(f"{outside} += {size}")
        source.line(f"{outside} += out")
        source.line(f"out = {outside}")

    def _flush(self) -> None:
        """Emit one write for the fixed fields gathered so far."""
        if not self._run:
            return
        layout = "".join(part for part, _ in self._run)
        values = [value for _, value in self._run if value]
        self._run = []
        if layout == "B":
            self._source.line(f"out.append({values[0]})")
        elif layout == "x":
            self._source.line("out.append(0)")
        elif not values:
            self._source.line(f"out += {bytes(len(layout))!r}")
        else:
            write = self._source.struct(layout, "pack")
            self._source.line(f"out += {write}({', '.join(values)})")
