"""The construct grammar of a message in one version: this module says what the bytes look like.

    ProduceRequest, version 9  ->  MessageStruct(
        "transactional_id" / String(CompactLength(), nullable=True),
        "acks" / Int16sb,
        "timeout_ms" / Int32sb,
        "topic_data" / Array(CompactLength(), MessageStruct(...)),
        "tags" / TaggedFields(),
    )

A grammar is made from the message's declaration (`schema`) and is the only description of a layout that the rest of the
package uses: `compiler` generates the codecs that serve requests by walking it, and the tests parse and build with the
same grammar by construct itself to check every generated codec.
"""

import construct

from higgins_protocol.constructs import (
    TAGS,
    AbsentField,
    Array,
    ByteString,
    CompactLength,
    MessageStruct,
    NullableMessage,
    RecordBytes,
    String,
    TaggedField,
    TaggedFields,
)
from higgins_protocol.primitives import Kind
from higgins_protocol.schema import ArrayOf, Field, Message, Shape, fields_of


def message_grammar(message: type[Message], version: int, *, flexible: bool) -> MessageStruct:
    """The grammar of this version; `flexible` selects compact lengths and tagged fields (KIP-482)."""
    return _GrammarBuilder(version, flexible=flexible).struct(message)


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


class _GrammarBuilder:
    def __init__(self, version: int, *, flexible: bool) -> None:
        self._version = version
        self._flexible = flexible

    def struct(self, message: type[Message]) -> MessageStruct:
        members = []
        tagged = []
        for field in fields_of(message):
            if not field.is_in(self._version):
                members.append(field.name / AbsentField(field.default, ignorable=field.marks.ignorable))
            elif field.is_tagged:
                tagged.append(field.name / TaggedField(field.marks.tag, self._field(field), default=field.default))
            else:
                members.append(field.name / self._field(field))
        if self._flexible:
            members.append(TAGS / TaggedFields(*sorted(tagged, key=lambda subcon: subcon.tag)))
        else:
            assert not tagged, f"{message.__name__} has tagged fields in version {self._version}, which is not flexible"
        return MessageStruct(message, self._version, *members)

    def _field(self, field: Field) -> construct.Construct:
        nullable = field.is_nullable(self._version)
        if isinstance(field.shape, ArrayOf):
            element = self._value(field.shape.element, nullable=False)
            return Array(self._length(construct.Int32sb), element, nullable=nullable, counted=field.marks.counted)
        return self._value(field.shape, nullable=nullable)

    def _value(self, shape: Shape, *, nullable: bool) -> construct.Construct:
        match shape:
            case Kind.STRING:
                return String(self._length(construct.Int16sb), nullable=nullable)
            case Kind.BYTES:
                return ByteString(self._length(construct.Int32sb), nullable=nullable)
            case Kind.RECORDS:
                return RecordBytes(self._length(construct.Int32sb), nullable=nullable)
            case Kind():
                return _FIXED[shape]
            case ArrayOf():
                raise AssertionError("Kafka has no arrays of arrays")
            case _:
                return NullableMessage(self.struct(shape)) if nullable else self.struct(shape)

    def _length(self, fixed: construct.Construct) -> construct.Construct:
        return CompactLength() if self._flexible else fixed
