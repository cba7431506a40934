"""Emit the decoder of one message in one version: straight-line code over a memoryview.

Neighbouring fixed fields are read by one precompiled struct, together with the length or count that follows them. Every
length and count is checked against the bytes that remain before anything is sliced or allocated. What a struct or an
index finds missing surfaces as one DecodeError that names the field, looked up from the emitted line that failed.
"""

from collections.abc import Callable
from struct import Struct, calcsize, unpack_from
from struct import error as StructError

from higgins_protocol.compiler.source import Source
from higgins_protocol.errors import DecodeError
from higgins_protocol.primitives import ELEMENTS_MAX, PARTITIONS_MAX, STRING_BYTES_MAX, TAGS_MAX, Kind
from higgins_protocol.schema import (
    ArrayOf,
    Field,
    Message,
    Shape,
    bytes_min,
    fields_of,
    plain_fields,
    tagged_fields,
)
from higgins_protocol.varint import continue_unsigned, read_unsigned

Decode = Callable[[memoryview, int, int], tuple[Message, int]]
"""(frame, where the body begins, where the frame ends) -> (message, where the body ended)"""


def compile_decoder(message: type[Message], version: int, *, flexible: bool, bounded: bool) -> Decode:
    """The decoder for this version; `bounded` holds arrays to the limits of a request."""
    emitter = _Decoder(message, version, flexible=flexible, bounded=bounded)
    return emitter.compile()


def skip_tags(buf: memoryview, pos: int, end: int, count: int) -> int:
    """Step over a tag buffer in which nothing is known; `count` is its first byte."""
    if count >= 0x80:
        count, pos = continue_unsigned(buf, pos, count)
    if count > TAGS_MAX:
        raise too_many_tags(count, pos)
    last = -1
    for _ in range(count):
        tag, stop, pos = read_tag(buf, pos, end, last)
        last, pos = tag, stop
    return pos


def read_tag(buf: memoryview, pos: int, end: int, last: int) -> tuple[int, int, int]:
    """(tag, where its value ends, where its value begins) of the next tagged field; tags have to ascend."""
    tag, pos = read_unsigned(buf, pos)
    size, pos = read_unsigned(buf, pos)
    if tag <= last:
        raise DecodeError(f"tag {tag} after tag {last}: tags ascend", field="tag buffer", position=pos)
    if size > end - pos:
        raise short(size, pos, end)
    return tag, pos + size, pos


def too_many_tags(count: int, pos: int) -> DecodeError:
    return DecodeError(f"{count} tagged fields, at most {TAGS_MAX}", field="tag buffer", position=pos)


def short(size: int, pos: int, end: int) -> DecodeError:
    return DecodeError(f"{size} bytes announced, {end - pos} left", position=pos)


def bad_length(length: int, pos: int) -> DecodeError:
    if length == -1:
        return DecodeError("null where this version has no null", position=pos)
    return DecodeError(f"length {length}", position=pos)


def bad_tag_end(pos: int, stop: int) -> DecodeError:
    return DecodeError(f"a tagged field ends at byte {pos}, its size says {stop}", position=pos)


def too_many(what: str, most: int, pos: int) -> DecodeError:
    return DecodeError(f"more than {most} {what} in a request", position=pos)


def explain(error: Exception, labels: dict[int, str], title: str, pos: int, end: int) -> DecodeError:
    """Name the field the emitted code was at when it failed: each emitted line is labelled with one."""
    frame = error.__traceback__
    field = f"{title}.{labels.get(frame.tb_lineno, '')}" if frame else title
    if isinstance(error, DecodeError):
        return DecodeError(error.what, field=field, position=error.position)
    if isinstance(error, UnicodeDecodeError):
        return DecodeError("no valid UTF-8", field=field, position=pos)
    return DecodeError(f"cut off: {end - pos} bytes left", field=field, position=pos)


_HELPERS: dict[str, object] = {
    "unpack_from": unpack_from,
    "StructError": StructError,
    "DecodeError": DecodeError,
    "read_unsigned": read_unsigned,
    "continue_unsigned": continue_unsigned,
    "skip_tags": skip_tags,
    "read_tag": read_tag,
    "too_many_tags": too_many_tags,
    "short": short,
    "bad_length": bad_length,
    "bad_tag_end": bad_tag_end,
    "too_many": too_many,
    "explain": explain,
}


class _Decoder:
    def __init__(self, message: type[Message], version: int, *, flexible: bool, bounded: bool) -> None:
        self._message = message
        self._version = version
        self._flexible = flexible
        self._bounded = bounded
        self._run: list[tuple[str, str]] = []
        self._source = Source("def decode(buf, pos, end):")
        self._source.names.update(_HELPERS)

    def compile(self) -> Decode:
        source = self._source
        source.names["LABELS"] = source.labels
        if self._bounded:
            source.line("elements = partitions = 0")
        with source.block("try:"):
            self._struct("message", self._message)
            source.line("return message, pos")
        title = f"{self._message.__name__} v{self._version}"
        with source.block("except (StructError, IndexError, UnicodeDecodeError, DecodeError) as error:"):
            source.line(f"raise explain(error, LABELS, {title!r}, pos, end) from error")
        decode: Decode = source.compile("decode", f"decode {title}")
        return decode

    def _struct(self, target: str, message: type[Message]) -> None:
        outer = self._source.label
        values: dict[str, str] = {}
        for field in plain_fields(message, self._version):
            self._source.label = f"{outer}.{field.name}" if outer else field.name
            values[field.name] = self._field(field)
        if self._flexible:
            self._tags(message, values, outer)
        self._flush()
        self._source.label = outer
        self._build(target, message, values)

    def _build(self, target: str, message: type[Message], values: dict[str, str]) -> None:
        """Call the class positionally, with its defaults for what this version lacks, up to the last field it has."""
        fields = fields_of(message)
        while fields and fields[-1].name not in values:
            fields = fields[:-1]
        arguments = [values.get(field.name) or self._default(field) for field in fields]
        name = self._source.constant(message.__name__, message)
        self._source.line(f"{target} = {name}({', '.join(arguments)})")

    def _default(self, field: Field) -> str:
        if isinstance(field.default, list):
            return "[]"
        if isinstance(field.default, Message):
            return self._source.constant(f"DEFAULT_{field.name}", field.default)
        return repr(field.default)

    def _field(self, field: Field) -> str:
        nullable = field.is_nullable(self._version)
        target = self._source.fresh(field.name)
        if isinstance(field.shape, ArrayOf):
            self._array(target, field.shape, nullable=nullable, counted=field.marks.counted)
        else:
            self._value(target, field.shape, nullable=nullable)
        return target

    def _value(self, target: str, shape: Shape, *, nullable: bool) -> None:
        if isinstance(shape, Kind):
            if shape.is_fixed:
                self._run.append((shape.value, target))
            else:
                self._sized(target, shape, nullable=nullable)
            return
        assert not isinstance(shape, ArrayOf)
        if nullable:
            self._nullable_struct(target, shape)
        else:
            self._struct(target, shape)

    def _nullable_struct(self, target: str, message: type[Message]) -> None:
        source = self._source
        marker = source.fresh("marker")
        self._run.append(("b", marker))
        self._flush()
        with source.block(f"if {marker} < 0:"):
            source.line(f"{target} = None")
        with source.block("else:"):
            self._struct(target, message)

    def _sized(self, target: str, kind: Kind, *, nullable: bool) -> None:
        source = self._source
        length = self._length("h" if kind is Kind.STRING else "i")
        read = {
            Kind.STRING: "str(buf[pos:stop], 'utf-8')",
            Kind.BYTES: "bytes(buf[pos:stop])",
            Kind.RECORDS: "buf[pos:stop]",
        }[kind]
        too_long = f" or {length} > {STRING_BYTES_MAX}" if kind is Kind.STRING and self._flexible else ""
        with source.block(f"if {length} >= 0:"):
            source.line(f"stop = pos + {length}")
            with source.block(f"if stop > end{too_long}:"):
                source.line(f"raise short({length}, pos, end)")
            source.line(f"{target} = {read}")
            source.line("pos = stop")
        self._null(target, length, nullable=nullable)

    def _null(self, target: str, length: str, *, nullable: bool) -> None:
        source = self._source
        if nullable:
            with source.block(f"elif {length} == -1:"):
                source.line(f"{target} = None")
        with source.block("else:"):
            source.line(f"raise bad_length({length}, pos)")

    def _length(self, layout: str) -> str:
        """Read a length or a count, together with the fixed fields before it; null is -1 in both encodings."""
        source = self._source
        length = source.fresh("n")
        if not self._flexible:
            self._run.append((layout, length))
            self._flush()
            return length
        self._run.append(("B", length))
        self._flush()
        with source.block(f"if {length} >= 128:"):
            source.line(f"{length}, pos = continue_unsigned(buf, pos, {length})")
        source.line(f"{length} -= 1")
        return length

    def _array(self, target: str, shape: ArrayOf, *, nullable: bool, counted: bool) -> None:
        source = self._source
        count = self._length("i")
        least = bytes_min(shape.element, self._version, flexible=self._flexible)
        with source.block(f"if {count} >= 0:"):
            with source.block(f"if {count} * {least} > end - pos:"):
                source.line(f"raise short({count} * {least}, pos, end)")
            self._budget(count, counted=counted)
            self._elements(target, count, shape.element)
        self._null(target, count, nullable=nullable)

    def _budget(self, count: str, *, counted: bool) -> None:
        if not self._bounded:
            return
        name, most = ("partitions", PARTITIONS_MAX) if counted else ("elements", ELEMENTS_MAX)
        self._source.line(f"{name} += {count}")
        with self._source.block(f"if {name} > {most}:"):
            self._source.line(f"raise too_many({name!r}, {most}, pos)")

    def _elements(self, target: str, count: str, element: Kind | type[Message]) -> None:
        source = self._source
        if isinstance(element, Kind) and element.is_fixed:
            size = calcsize(">" + element.value)
            source.line(f"{target} = list(unpack_from(f'>{{{count}}}{element.value}', buf, pos))")
            source.line(f"pos += {count} * {size}")
            return
        source.line(f"{target} = []")
        item = source.fresh("item")
        with source.block(f"for _ in range({count}):"):
            self._value(item, element, nullable=False)
            self._flush()
            source.line(f"{target}.append({item})")

    def _tags(self, message: type[Message], values: dict[str, str], outer: str) -> None:
        source = self._source
        source.label = f"{outer}.tags" if outer else "tags"
        known = tagged_fields(message, self._version)
        count = source.fresh("tags")
        self._run.append(("B", count))
        self._flush()
        for field in known:
            values[field.name] = source.fresh(field.name)
            source.line(f"{values[field.name]} = {self._default(field)}")
        with source.block(f"if {count}:"):
            if known:
                self._known_tags(known, values, count)
            else:
                source.line(f"pos = skip_tags(buf, pos, end, {count})")

    def _known_tags(self, known: list[Field], values: dict[str, str], count: str) -> None:
        source = self._source
        stop, last = source.fresh("tag_stop"), source.fresh("tag_last")
        with source.block(f"if {count} > {TAGS_MAX}:"):
            source.line(f"raise too_many_tags({count}, pos)")
        source.line(f"{last} = -1")
        with source.block(f"for _ in range({count}):"):
            source.line(f"{last}, {stop}, pos = read_tag(buf, pos, end, {last})")
            for field in known:
                with source.block(f"if {last} == {field.marks.tag}:"):
                    read = self._field(field)
                    self._flush()
                    source.line(f"{values[field.name]} = {read}")
                    with source.block(f"if pos != {stop}:"):
                        source.line(f"raise bad_tag_end(pos, {stop})")
            source.line(f"pos = {stop}")

    def _flush(self) -> None:
        """Emit one read for the fixed fields gathered so far."""
        if not self._run:
            return
        source = self._source
        layout = "".join(part for part, _ in self._run)
        targets = [target for _, target in self._run]
        self._run.clear()
        if layout == "B":
            source.line(f"{targets[0]} = buf[pos]")
        else:
            read = source.struct(layout, "unpack_from")
            source.line(f"{', '.join(targets)}{',' if len(targets) == 1 else ''} = {read}(buf, pos)")
        source.line(f"pos += {Struct('>' + layout).size}")
