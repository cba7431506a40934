"""What the compiler reads: the construct grammar it is passed, and nothing else about the layout."""

from typing import Any

import construct
import pytest

from higgins_protocol import compiler, schema
from higgins_protocol.compiler import compile_decoder, compile_encoder
from higgins_protocol.constructs import (
    TAGS,
    AbsentField,
    Array,
    ByteString,
    CompactLength,
    MessageStruct,
    NullableMessage,
    String,
    TaggedField,
    TaggedFields,
    bytes_min,
)
from higgins_protocol.errors import DecodeError, EncodeError
from tests.protocol import reference
from tests.protocol.lanes import LANES, Lane, encode, grammar
from tests.tidy.imports import imports


class Inner(schema.Message, frozen=True):
    flag: bool = False
    key: bytes = bytes(16)


class Outer(schema.Message, frozen=True):
    """No annotation names a wire type, so nothing could be learned about the layout from this class."""

    name: str = ""
    number: int = 0
    ratio: float = 0.0
    keys: list[bytes] = []
    inner: Inner | None = None
    blob: bytes | None = None
    gone: int = 7


INNER = MessageStruct(Inner, 3, "key" / construct.Bytes(16), "flag" / construct.Flag, TAGS / TaggedFields())
HAND_WRITTEN = MessageStruct(
    Outer,
    3,
    "ratio" / construct.Float64b,
    "gone" / AbsentField(7, ignorable=False),
    "keys" / Array(construct.Int8ub, construct.Bytes(16), nullable=False, counted=False),
    "name" / String(CompactLength(), nullable=False),
    "inner" / NullableMessage(INNER),
    TAGS
    / TaggedFields(
        "number" / TaggedField(1, construct.Int16ub, default=0),
        "blob" / TaggedField(4, ByteString(construct.Int32sb, nullable=True), default=None),
    ),
)


@pytest.mark.parametrize(
    "message",
    [
        Outer(),
        Outer(name="a", number=9, ratio=0.5, keys=[b"k" * 16, b"l" * 16], inner=Inner(flag=True), blob=b"blob"),
        Outer(name="x" * 200, inner=Inner(key=b"z" * 16), blob=b""),
    ],
)
def test_the_codec_follows_a_grammar_that_no_declaration_describes(message):
    body = b"".join(compile_encoder(HAND_WRITTEN)(message, bytearray()))
    assert body == reference.build(HAND_WRITTEN, message)
    decoded, end = compile_decoder(HAND_WRITTEN, bounded=True)(memoryview(body), 0, len(body))
    assert (decoded, end) == (message, len(body))
    assert reference.parse(HAND_WRITTEN, body, bounded=True) == message


def test_the_codec_of_a_hand_written_grammar_names_its_fields_in_errors():
    with pytest.raises(EncodeError, match="gone: this version has no such field"):
        compile_encoder(HAND_WRITTEN)(Outer(gone=1), bytearray())
    with pytest.raises(EncodeError, match=r"Outer v3\.keys: 2 bytes, where exactly 16"):
        compile_encoder(HAND_WRITTEN)(Outer(keys=[b"no"]), bytearray())
    body = b"".join(compile_encoder(HAND_WRITTEN)(Outer(inner=Inner()), bytearray()))
    with pytest.raises(DecodeError, match=r"Outer v3\.name at byte 9: cut off"):
        compile_decoder(HAND_WRITTEN, bounded=True)(memoryview(body[:9]), 0, 9)


@pytest.mark.parametrize("layout", [construct.Int32sl, construct.CString("utf8"), construct.Bytes(construct.this.n)])
def test_a_construct_that_the_compiler_does_not_know_is_refused(layout):
    unknown = MessageStruct(Inner, 0, "flag" / layout, "key" / construct.Bytes(16))
    with pytest.raises(TypeError, match="cannot generate code for"):
        compile_decoder(unknown, bounded=True)
    with pytest.raises(TypeError, match="cannot generate code for"):
        compile_encoder(unknown)


def test_the_compiler_imports_no_reader_of_declarations():
    names = {
        (one.module, one.name)
        for one in imports()
        if one.importer.startswith(compiler.__name__) and one.module in {schema.__name__, "higgins_protocol.grammar"}
    }
    assert names == {(schema.__name__, "Message")}


@pytest.mark.parametrize("lane", LANES, ids=str)
def test_bytes_min_is_the_size_of_the_smallest_body(lane: Lane):
    """Larger, and a valid array is refused; smaller, and a count may allocate more than its frame justifies."""
    assert len(encode(lane, smallest(grammar(lane)))) == bytes_min(grammar(lane))


def smallest(struct: MessageStruct) -> schema.Message:
    """The message with nothing in it: no text, no elements, no tagged field that is written, null structs."""
    empty: dict[type, Any] = {String: "", ByteString: b"", Array: [], NullableMessage: None}
    values: dict[str, Any] = {}
    for member in struct.subcon.subcons:
        layout = member.subcon
        if isinstance(layout, MessageStruct):
            values[member.name] = smallest(layout)
        for kind, value in empty.items():
            if isinstance(layout, kind):
                values[member.name] = value
    return struct.message(**values)
