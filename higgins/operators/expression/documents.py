"""JSON values to documents: structs with only the fields that an expression names; other fields are not decoded.

Behaviour: a value that is null, or JSON but not an object, is a document without fields. Whether a value is JSON is a
matter of RFC 8259 and of the value alone: it does not depend on which fields are asked for. A part that cannot be
represented is null where it is asked for, and decides about nothing else; see `json_reader`. A value that is not JSON
is reported and has no fields.

Nearly every value is decoded by msgspec, which is strict except in two ways: it does not check that fields which are
skipped are UTF-8, so that is done for the whole slice; and it refuses some JSON (numbers out of range, halves of
surrogate pairs, deep nesting). What it refuses is read by `json_reader`, and so are large values, because msgspec would
hold the interpreter as long as it takes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from higgins.operators.expression.json_reader import NotJson, read_members
from higgins.operators.operator import Costly

LARGE_BYTES = 1 << 18
"""msgspec takes up to 5 ms for a value of this size."""

_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class DocumentReader:
    """Decodes the same fields from many values. Field number n is the attribute `f{n}` of a document."""

    def __init__(self, fields: Sequence[str]) -> None:
        rename = {f"f{number}": name for number, name in enumerate(fields)}
        self._names = {name: number for number, name in enumerate(fields)}
        decoded: list[tuple[str, Any, Any]] = [(attribute, Any, None) for attribute in rename]
        self._type = msgspec.defstruct("Document", decoded, rename=rename, frozen=True, gc=False)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._type).decode
        self._empty = self._type()

    def read(self, values: Sequence[bytes | None], slow_bytes_max: int | None = None) -> tuple[list[Any], set[int]]:
        """A document for each value, and the rows whose value is not JSON.

        Raises: Costly when more than `slow_bytes_max` bytes would have to be read by the slow reader.
        """
        decode = self._decode
        try:
            # A line feed between the values, so that no character can begin in one and end in the next.
            joined = b"\n".join(values)  # type: ignore[arg-type]
            if len(joined) < LARGE_BYTES or max(map(len, values)) < LARGE_BYTES:  # type: ignore[arg-type]
                documents = [decode(value) for value in values]  # type: ignore[arg-type]
                if not joined.isascii():
                    joined.decode()
                return documents, set()
        except (*_REFUSED, TypeError):
            pass
        return self._read_one_by_one(values, slow_bytes_max)

    def _read_one_by_one(
        self, values: Sequence[bytes | None], slow_bytes_max: int | None
    ) -> tuple[list[Any], set[int]]:
        slow_bytes = 0
        documents: list[Any] = []
        not_json: set[int] = set()
        for row, value in enumerate(values):
            document = self._empty
            if value is not None:
                decoded = self._decoded(value)
                if decoded is None:
                    slow_bytes += len(value)
                    if slow_bytes_max is not None and slow_bytes > slow_bytes_max:
                        raise Costly
                    try:
                        members = read_members(value, self._names)
                    except NotJson:
                        not_json.add(row)
                    else:
                        document = self._empty if members is None else self._type(*members)
                else:
                    document = decoded
            documents.append(document)
        return documents, not_json

    def _decoded(self, value: bytes) -> Any:
        """The document of a value that the fast decoder reads; None for every other value."""
        if len(value) >= LARGE_BYTES:
            return None
        try:
            document = self._decode(value)
            if not value.isascii():
                value.decode()
        except _REFUSED:
            return None
        return document
