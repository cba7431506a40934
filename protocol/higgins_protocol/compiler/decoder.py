"""Generate the decoder of a message from its construct grammar: straight-line code over a memoryview.

Neighbouring fixed-size fields are read by one precompiled struct, together with the length or count that follows them.
Every length and count is checked against the bytes that remain before anything is sliced or allocated, and every array
against the budget of the request. A read beyond the end of the frame raises struct.error or IndexError, which costs
nothing to check for; it becomes a DecodeError that names the field, looked up from the generated line that failed.
"""

from collections.abc import Callable, Generator
from struct import Struct, calcsize, unpack_from
from struct import error as StructError
from typing import Any

import construct

from higgins_protocol.compiler.source import Source
from higgins_protocol.compiler.walk import fixed_format, is_compact, is_number, members_of
from higgins_protocol.constructs import (
    AbsentField,
    Array,
    ByteString,
    LengthPrefixed,
    MessageStruct,
    NullableMessage,
    RecordBytes,
    String,
    TaggedFields,
)
from higgins_protocol.errors import DecodeError
from higgins_protocol.primitives import ELEMENTS_MAX, PARTITIONS_MAX, STRING_BYTES_MAX, TAGS_MAX
from higgins_protocol.schema import Message
from higgins_protocol.varint import continue_unsigned, read_unsigned

Decode = Callable[[memoryview, int, int], tuple[Message, int]]
"""(frame, where the body begins, where the frame ends) -> (message, where the body ended)"""


DecodeInSteps = Callable[[memoryview, int, int], Generator[None, None, tuple[Message, int]]]
"""The same as a generator, which pauses after at most STEP_ELEMENTS elements of arrays or about STEP_BYTES bytes."""

STEP_ELEMENTS = 512
STEP_BYTES = 256 << 10


def compile_decoder(grammar: MessageStruct, *, bounded: bool) -> Decode:
    """The decoder of this grammar; `bounded` applies the limits of a request to its arrays."""
    decode: Decode = _Decoder(grammar, bounded=bounded).compile()
    return decode


def compile_decoder_in_steps(
    grammar: MessageStruct, *, bounded: bool, step_elements: int = STEP_ELEMENTS
) -> DecodeInSteps:
    """The same, as a generator: for messages that take longer to decode than the caller may run at a time."""
    decode: DecodeInSteps = _Decoder(grammar, bounded=bounded, step_elements=step_elements).compile()
    return decode


def skip_tags(buf: memoryview, pos: int, end: int, count: int) -> int:
    """Skip a tag buffer in which no tag is known; `count` is its first byte. Returns where it ends."""
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
    """(tag, where its value ends, where its value begins) of the next tagged field. Tags must ascend."""
    tag, pos = read_unsigned(buf, pos)
    size, pos = read_unsigned(buf, pos)
    if tag <= last:
        raise DecodeError(f"tag {tag} after tag {last}; tags must ascend", field="tag buffer", position=pos)
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
    """The error with the name of the field that the code was reading: every generated line is labelled with one."""
    frame = error.__traceback__
    field = f"{title}.{labels.get(frame.tb_lineno, '')}" if frame else title
    if isinstance(error, DecodeError):
        return DecodeError(error.what, field=field, position=error.position)
    if isinstance(error, UnicodeDecodeError):
        return DecodeError("not valid UTF-8", field=field, position=pos)
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
    """Walks a grammar and writes a decoder. Fixed-size fields are collected until another kind of field follows."""

    def __init__(self, grammar: MessageStruct, *, bounded: bool, step_elements: int = 0) -> None:
        """`step_elements`: the elements of a step; 0 for a decoder without pauses."""
        self._grammar = grammar
        self._bounded = bounded
        self._step_elements = step_elements
        self._pending: list[tuple[str, str]] = []
        self._pending_label = ""
        self._source = Source("def decode(buf, pos, end):")
        self._source.names.update(_HELPERS)

    def compile(self) -> Any:
        source = self._source
        source.names["LABELS"] = source.labels
        if self._bounded:
            source.line("elements = partitions = 0")
        if self._step_elements:
            source.line(f"step, mark = {self._step_elements}, pos + {STEP_BYTES}")
            with source.block("if False:"):
                source.line("yield")
        with source.block("try:"):
            self._struct("message", self._grammar)
            source.line("return message, pos")
        title = self._grammar.title
        with source.block("except (StructError, IndexError, UnicodeDecodeError, DecodeError) as error:"):
            source.line(f"raise explain(error, LABELS, {title!r}, pos, end) from error")
        return source.compile("decode", f"decode {title}")

    def _struct(self, target: str, struct: MessageStruct) -> None:
        values: dict[str, str] = {}
        absent: dict[str, object] = {}
        for name, layout in members_of(struct):
            with self._source.member(name):
                match layout:
                    case AbsentField():
                        absent[name] = layout.default
                    case TaggedFields():
                        values.update(self._tagged_fields(layout))
                    case _:
                        values[name] = self._field(name, layout)
        self._flush()
        self._construct(target, struct.message, values, absent)

    def _construct(
        self, target: str, message: type[Message], values: dict[str, str], absent: dict[str, object]
    ) -> None:
        """Call the class with positional arguments, which is faster than keywords, up to the last field it has here."""
        names = list(message.__struct_fields__)
        while names and names[-1] not in values:
            names.pop()
        arguments = [values.get(name) or self._source.literal(name, absent[name]) for name in names]
        called = self._source.constant(message.__name__, message)
        self._source.line(f"{target} = {called}({', '.join(arguments)})")

    def _field(self, name: str, layout: construct.Construct) -> str:
        """Write the reading of one field. Returns the local name of its value."""
        target = self._source.fresh(name)
        self._value(target, layout)
        return target

    def _value(self, target: str, layout: construct.Construct) -> None:
        match layout:
            case MessageStruct():
                self._struct(target, layout)
            case NullableMessage():
                self._nullable_message(target, layout.subcon)
            case Array():
                self._array(target, layout)
            case String() | ByteString():
                self._sized(target, layout)
            case _:
                self._fixed(fixed_format(layout), target)

    def _nullable_message(self, target: str, struct: MessageStruct) -> None:
        source = self._source
        marker = source.fresh("marker")
        self._fixed("b", marker)
        self._flush()
        with source.block(f"if {marker} < 0:"):
            source.line(f"{target} = None")
        with source.block("else:"):
            self._struct(target, struct)

    def _sized(self, target: str, layout: String | ByteString) -> None:
        source = self._source
        length = self._length(layout)
        match layout:
            case String():
                value = "str(buf[pos:stop], 'utf-8')"
            case RecordBytes():
                value = "buf[pos:stop]"
            case _:
                value = "bytes(buf[pos:stop])"
        # An int16 cannot exceed the limit of a string.
        too_long = f" or {length} > {STRING_BYTES_MAX}" if isinstance(layout, String) and is_compact(layout) else ""
        with source.block(f"if {length} >= 0:"):
            source.line(f"stop = pos + {length}")
            with source.block(f"if stop > end{too_long}:"):
                source.line(f"raise short({length}, pos, end)")
            source.line(f"{target} = {value}")
            source.line("pos = stop")
        self._otherwise_null(target, length, layout)

    def _otherwise_null(self, target: str, length: str, layout: LengthPrefixed) -> None:
        source = self._source
        if layout.nullable:
            with source.block(f"elif {length} == -1:"):
                source.line(f"{target} = None")
        with source.block("else:"):
            source.line(f"raise bad_length({length}, pos)")

    def _length(self, layout: LengthPrefixed) -> str:
        """Read a length or a count, together with the fixed-size fields before it; null is -1 in both encodings."""
        source = self._source
        length = source.fresh("n")
        if not is_compact(layout):
            self._fixed(fixed_format(layout.length), length)
            self._flush()
            return length
        # Nearly every length fits into the first byte of its varint, so that byte is read like a fixed-size field.
        self._fixed("B", length)
        self._flush()
        with source.block(f"if {length} >= 128:"):
            source.line(f"{length}, pos = continue_unsigned(buf, pos, {length})")
        source.line(f"{length} -= 1")
        return length

    def _array(self, target: str, layout: Array) -> None:
        source = self._source
        count = self._length(layout)
        least = layout.element_bytes_min
        with source.block(f"if {count} >= 0:"):
            with source.block(f"if {count} * {least} > end - pos:"):
                source.line(f"raise short({count} * {least}, pos, end)")
            self._spend_budget(count, counted=layout.counted)
            self._elements(target, count, layout.element)
        self._otherwise_null(target, count, layout)

    def _spend_budget(self, count: str, *, counted: bool) -> None:
        if not self._bounded:
            return
        name, most = ("partitions", PARTITIONS_MAX) if counted else ("elements", ELEMENTS_MAX)
        self._source.line(f"{name} += {count}")
        with self._source.block(f"if {name} > {most}:"):
            self._source.line(f"raise too_many({name!r}, {most}, pos)")

    def _elements(self, target: str, count: str, element: construct.Construct) -> None:
        source = self._source
        if is_number(element):
            # All numbers of the array in one call.
            number = fixed_format(element)
            source.line(f"{target} = list(unpack_from(f'>{{{count}}}{number}', buf, pos))")
            source.line(f"pos += {count} * {calcsize('>' + number)}")
            return
        source.line(f"{target} = []")
        item = source.fresh("item")
        with source.block(f"for _ in range({count}):"):
            self._value(item, element)
            self._flush()
            source.line(f"{target}.append({item})")
            if self._step_elements:
                source.line("step -= 1")
                with source.block("if step <= 0 or pos >= mark:"):
                    source.line("yield")
                    source.line(f"step, mark = {self._step_elements}, pos + {STEP_BYTES}")

    def _tagged_fields(self, layout: TaggedFields) -> dict[str, str]:
        """Write the reading of a tag buffer. Returns the local names of its values, by field."""
        source = self._source
        count = source.fresh("tags")
        self._fixed("B", count)
        self._flush()
        values = {}
        for tagged in layout.subcons:
            values[tagged.name] = source.fresh(tagged.name)
            source.line(f"{values[tagged.name]} = {source.literal(tagged.name, tagged.subcon.default)}")
        with source.block(f"if {count}:"):
            if layout.subcons:
                self._known_tags(layout, values, count)
            else:
                source.line(f"pos = skip_tags(buf, pos, end, {count})")
        return values

    def _known_tags(self, layout: TaggedFields, values: dict[str, str], count: str) -> None:
        source = self._source
        stop, last = source.fresh("tag_stop"), source.fresh("tag_last")
        # TAGS_MAX is below 128: a count of more than one byte is refused by its first byte alone.
        with source.block(f"if {count} > {TAGS_MAX}:"):
            source.line(f"raise too_many_tags({count}, pos)")
        source.line(f"{last} = -1")
        with source.block(f"for _ in range({count}):"):
            source.line(f"{last}, {stop}, pos = read_tag(buf, pos, end, {last})")
            for tagged in layout.subcons:
                with source.block(f"if {last} == {tagged.subcon.tag}:"):
                    value = self._field(tagged.name, tagged.subcon.subcon)
                    self._flush()
                    source.line(f"{values[tagged.name]} = {value}")
                    with source.block(f"if pos != {stop}:"):
                        source.line(f"raise bad_tag_end(pos, {stop})")
            source.line(f"pos = {stop}")

    def _fixed(self, number: str, target: str) -> None:
        """Read a fixed-size field together with its neighbours, by the next `_flush`."""
        self._pending.append((number, target))
        self._pending_label = self._source.label

    def _flush(self) -> None:
        """Write one read for the fixed-size fields collected so far."""
        if not self._pending:
            return
        source = self._source
        formats = "".join(number for number, _ in self._pending)
        targets = [target for _, target in self._pending]
        self._pending.clear()
        with source.labelled(self._pending_label):
            if formats == "B":
                source.line(f"{targets[0]} = buf[pos]")
            else:
                read = source.struct(formats, "unpack_from")
                source.line(f"{', '.join(targets)}{',' if len(targets) == 1 else ''} = {read}(buf, pos)")
            source.line(f"pos += {Struct('>' + formats).size}")
