"""JSON values to documents: structs with only the fields that an expression names; other fields are not decoded.

Behaviour: a value that is null, or JSON but not an object, is a document without fields. A number that does not fit a
double is null. A value that is not JSON, or is nested deeper than the decoder supports, is reported and has no fields.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)

_NULL = msgspec.Raw(b"null")


class DocumentReader:
    """Decodes the same fields from many values. Field number n is the attribute `f{n}` of a document."""

    def __init__(self, fields: Sequence[str]) -> None:
        rename = {f"f{number}": name for number, name in enumerate(fields)}
        self._attributes = tuple(rename)
        decoded: list[tuple[str, Any, Any]] = [(attribute, Any, None) for attribute in rename]
        raw: list[tuple[str, Any, Any]] = [(attribute, msgspec.Raw, _NULL) for attribute in rename]
        self._type = msgspec.defstruct("Document", decoded, rename=rename, frozen=True, gc=False)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._type).decode
        raw_type = msgspec.defstruct("RawDocument", raw, rename=rename, frozen=True, gc=False)
        self._decode_raw: Callable[[bytes], Any] = msgspec.json.Decoder(raw_type).decode
        self._empty = self._type()

    def read(self, values: Sequence[bytes | None]) -> tuple[list[Any], set[int]]:
        """A document for each value, and the rows whose value is not JSON."""
        decode = self._decode
        try:
            return [decode(value) for value in values], set()  # type: ignore[arg-type]
        except (*_NOT_JSON, TypeError):
            return self._read_one_by_one(values)

    def _read_one_by_one(self, values: Sequence[bytes | None]) -> tuple[list[Any], set[int]]:
        documents: list[Any] = []
        not_json: set[int] = set()
        for row, value in enumerate(values):
            document = self._empty
            if value is not None:
                try:
                    document = self._decode(value)
                except _NOT_JSON:
                    partial = self._read_fields(value)
                    if partial is None:
                        not_json.add(row)
                    else:
                        document = partial
            documents.append(document)
        return documents, not_json

    def _read_fields(self, value: bytes) -> Any:
        """Field by field, for a value that is not an object or has a field out of range; None if it is not JSON."""
        try:
            raw = self._decode_raw(value)
        except msgspec.ValidationError:
            return self._empty if _is_json(value) else None
        except _NOT_JSON:
            return None
        return self._type(**{attribute: _or_null(getattr(raw, attribute)) for attribute in self._attributes})


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except _NOT_JSON:
        return False
    return True


def _or_null(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except _NOT_JSON:
        return None
