"""Generate the encoder of a message from its construct grammar. It appends to a bytearray and copies no record bytes.

Neighbouring fixed-size fields are packed by one precompiled struct, together with the length or count that follows
them. A value that this version has no field for is an EncodeError, unless it equals the default or the field is
ignorable.
"""

from collections.abc import Callable, Generator, Sequence
from struct import error as StructError
from struct import pack
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
    TaggedField,
    TaggedFields,
)
from higgins_protocol.errors import EncodeError
from higgins_protocol.primitives import STRING_BYTES_MAX, Buffer
from higgins_protocol.schema import Message
from higgins_protocol.varint import write_unsigned

Encode = Callable[[Message, bytearray], list[Buffer]]
"""(message, the beginning of the frame) -> the pieces of the frame; the first one is the bytearray passed in"""


EncodeInSteps = Callable[[Message, bytearray], Generator[int, None, list[Buffer]]]
"""The same as a generator, which pauses after at most STEP_ELEMENTS elements of arrays or about STEP_BYTES bytes. It
yields how many bytes the step has written, records aside."""

STEP_ELEMENTS = 512
STEP_BYTES = 64 << 10


def compile_encoder(grammar: MessageStruct) -> Encode:
    """The encoder of this grammar."""
    encode: Encode = _Encoder(grammar).compile()
    return encode


def compile_encoder_in_steps(grammar: MessageStruct, *, step_elements: int = STEP_ELEMENTS) -> EncodeInSteps:
    """The same, as a generator: for messages that take longer to encode than the caller may run at a time."""
    encode: EncodeInSteps = _Encoder(grammar, step_elements=step_elements).compile()
    return encode


def record_pieces(records: Buffer | Sequence[Buffer]) -> Sequence[Buffer]:
    """Record bytes as a sequence of buffers."""
    return (records,) if isinstance(records, bytes | bytearray | memoryview) else records


def refuse(field: str) -> EncodeError:
    return EncodeError("this version has no such field, and its value may not be dropped", field=field)


def too_long(length: int) -> EncodeError:
    return EncodeError(f"a string of {length} bytes, at most {STRING_BYTES_MAX}")


def wrong_size(length: int, expected: int) -> EncodeError:
    return EncodeError(f"{length} bytes, where exactly {expected} are required")


def no_null() -> EncodeError:
    return EncodeError("null where this version has no null")


def explain(error: Exception, labels: dict[int, str], title: str) -> EncodeError:
    """The error with the name of the field that the code was writing: every generated line is labelled with one."""
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
    "wrong_size": wrong_size,
    "no_null": no_null,
    "explain": explain,
}


class _Encoder:
    """Walks a grammar and writes an encoder. Fixed-size fields are collected until another kind of field follows."""

    def __init__(self, grammar: MessageStruct, *, step_elements: int = 0) -> None:
        """`step_elements`: the elements of a step; 0 for an encoder without pauses."""
        self._grammar = grammar
        self._step_elements = step_elements
        self._in_tag = False
        """Whether a tagged value is being written, into a buffer that must stay one."""
        self._pending: list[tuple[str, str]] = []
        self._source = Source("def encode(message, out):")
        self._source.names.update(_HELPERS)

    def compile(self) -> Any:
        source = self._source
        source.names["LABELS"] = source.labels
        source.line("pieces = [out]")
        if self._step_elements:
            source.line(f"step = {self._step_elements}")
            with source.block("if False:"):
                source.line("yield")
        with source.block("try:"):
            self._struct("message", self._grammar)
            self._flush()
            source.line("return pieces")
        title = self._grammar.title
        errors = "StructError, AttributeError, TypeError, UnicodeEncodeError, EncodeError"
        with source.block(f"except ({errors}) as error:"):
            source.line(f"raise explain(error, LABELS, {title!r}) from error")
        return source.compile("encode", f"encode {title}")

    def _struct(self, value: str, struct: MessageStruct) -> None:
        members = members_of(struct)
        for name, layout in members:
            if isinstance(layout, AbsentField) and not layout.ignorable:
                with self._source.block(f"if {self._differs(f'{value}.{name}', name, layout.default)}:"):
                    self._source.line(f"raise refuse({name!r})")
        for name, layout in members:
            with self._source.member(name):
                match layout:
                    case AbsentField():
                        pass
                    case TaggedFields():
                        self._tagged_fields(value, layout)
                    case _:
                        self._value(f"{value}.{name}", layout)

    def _differs(self, value: str, name: str, default: object) -> str:
        """The condition that a value is not at its default; by identity first where the comparison is expensive."""
        if default is None:
            return f"{value} is not None"
        if isinstance(default, list):
            return f"{value} is None or len({value})"
        literal = self._source.literal(name, default)
        if isinstance(default, Message):
            return f"{value} is not {literal} and {value} != {literal}"
        return f"{value} != {literal}"

    def _value(self, value: str, layout: construct.Construct) -> None:
        match layout:
            case MessageStruct():
                self._struct(value, layout)
            case NullableMessage():
                self._nullable_message(value, layout.subcon)
            case Array():
                self._array(value, layout)
            case RecordBytes():
                self._records(value, layout)
            case String() | ByteString():
                self._sized(value, layout)
            case _:
                self._fixed(value, layout)

    def _nullable_message(self, value: str, struct: MessageStruct) -> None:
        self._flush()
        source = self._source
        with source.block(f"if {value} is None:"):
            source.line("out.append(255)")
        with source.block("else:"):
            source.line("out.append(1)")
            self._struct(value, struct)
            self._flush()

    def _fixed(self, value: str, layout: construct.Construct) -> None:
        if isinstance(layout, construct.Bytes):
            # struct would pad or cut the value silently.
            with self._source.block(f"if len({value}) != {layout.length}:"):
                self._source.line(f"raise wrong_size(len({value}), {layout.length})")
        self._pending.append((fixed_format(layout), value))

    def _sized(self, value: str, layout: String | ByteString) -> None:
        source = self._source
        data, length = source.fresh("data"), source.fresh("n")
        is_string = isinstance(layout, String)
        self._nullable_length(value, data, length, content=f"{value}.encode()" if is_string else value, layout=layout)
        if is_string:
            with source.block(f"if {length} > {STRING_BYTES_MAX}:"):
                source.line(f"raise too_long({length})")
        self._length(length, layout)
        source.line(f"out += {data}")

    def _nullable_length(self, value: str, data: str, length: str, *, content: str, layout: LengthPrefixed) -> None:
        """Set `data` to the content and `length` to its length, or to nothing and -1 for null."""
        source = self._source
        if not layout.nullable:
            source.line(f"{data} = {content}")
            source.line(f"{length} = len({data})")
            return
        with source.block(f"if {value} is None:"):
            source.line(f"{data} = b''")
            source.line(f"{length} = -1")
        with source.block("else:"):
            source.line(f"{data} = {content}")
            source.line(f"{length} = len({data})")

    def _records(self, value: str, layout: RecordBytes) -> None:
        """The length goes into `out`, the buffers become pieces of their own, and a new `out` begins after them."""
        source = self._source
        data, length = source.fresh("data"), source.fresh("n")
        with source.block(f"if {value} is None:"):
            source.line(f"{data} = ()")
            source.line(f"{length} = -1")
            if not layout.nullable:
                source.line("raise no_null()")
        with source.block("else:"):
            source.line(f"{data} = record_pieces({value})")
            source.line(f"{length} = sum(map(len, {data}))")
        self._length(length, layout)
        with source.block(f"if {length} > 0:"):
            source.line(f"pieces.extend({data})")
            source.line("out = bytearray()")
            source.line("pieces.append(out)")

    def _length(self, length: str, layout: LengthPrefixed) -> None:
        """Write a length or a count, together with the fixed-size fields before it; null is -1 in both encodings."""
        if not is_compact(layout):
            self._pending.append((fixed_format(layout.length), length))
            self._flush()
            return
        # Nearly every length fits into one byte of its varint, which is then packed like a fixed-size field.
        source = self._source
        before = list(self._pending)
        with source.block(f"if {length} < 127:"):
            self._pending.append(("B", f"{length} + 1"))
            self._flush()
        with source.block("else:"):
            self._pending = before
            self._flush()
            source.line(f"out += write_unsigned({length} + 1)")

    def _array(self, value: str, layout: Array) -> None:
        source = self._source
        data, count = source.fresh("data"), source.fresh("n")
        self._nullable_length(value, data, count, content=value, layout=layout)
        self._length(count, layout)
        if is_number(layout.element):
            # All numbers of the array in one call.
            with source.block(f"if {count} > 0:"):
                source.line(f"out += pack(f'>{{{count}}}{fixed_format(layout.element)}', *{data})")
            return
        item = source.fresh("item")
        with source.block(f"for {item} in {data}:"):
            self._value(item, layout.element)
            self._flush()
            if self._step_elements and not self._in_tag:
                self._end_step()

    def _end_step(self) -> None:
        """Pause after a step, and go on in another buffer: one that grows to megabytes is copied again and again."""
        source = self._source
        source.line("step -= 1")
        with source.block(f"if step <= 0 or len(out) >= {STEP_BYTES}:"):
            source.line("yield len(out)")
            source.line(f"step = {self._step_elements}")
            with source.block("if out:"):
                source.line("out = bytearray()")
                source.line("pieces.append(out)")

    def _tagged_fields(self, value: str, layout: TaggedFields) -> None:
        source = self._source
        if not layout.subcons:
            self._pending.append(("x", ""))
            return
        self._flush()
        count = source.fresh("tags")
        present = [f"has_{count}_{number}" for number in range(len(layout.subcons))]
        for has, tagged in zip(present, layout.subcons, strict=True):
            source.line(f"{has} = {self._differs(f'{value}.{tagged.name}', tagged.name, tagged.subcon.default)}")
        with source.block(f"if {' or '.join(present)}:"):
            source.line(f"out.append({' + '.join(f'bool({has})' for has in present)})")
            for has, tagged in zip(present, layout.subcons, strict=True):
                with source.block(f"if {has}:"):
                    self._tagged_field(f"{value}.{tagged.name}", tagged.subcon)
        with source.block("else:"):
            source.line("out.append(0)")

    def _tagged_field(self, value: str, layout: TaggedField) -> None:
        """A tagged value is preceded by its size, so it is written into a buffer of its own first."""
        source = self._source
        outside = source.fresh("outside")
        source.line(f"{outside} = out")
        source.line("out = bytearray()")
        self._in_tag = True
        self._value(value, layout.subcon)
        self._flush()
        self._in_tag = False
        size = f"write_unsigned({layout.tag}) + write_unsigned(len(out))"
        source.line(f"{outside} += {size}")
        source.line(f"{outside} += out")
        source.line(f"out = {outside}")

    def _flush(self) -> None:
        """Write one pack for the fixed-size fields collected so far. An `x` is a zero byte: an empty tag buffer."""
        if not self._pending:
            return
        formats = "".join(number for number, _ in self._pending)
        values = [value for _, value in self._pending if value]
        self._pending = []
        if formats == "B":
            self._source.line(f"out.append({values[0]})")
        elif formats == "x":
            self._source.line("out.append(0)")
        elif not values:
            self._source.line(f"out += {bytes(len(formats))!r}")
        else:
            write = self._source.struct(formats, "pack")
            self._source.line(f"out += {write}({', '.join(values)})")
