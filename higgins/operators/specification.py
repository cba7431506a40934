"""What an operator is told to do: a value with a canonical form, which the ledger keeps without reading it. Pure."""

import hashlib
from typing import Literal

import msgspec

from higgins.model.errors import Corrupt

Format = Literal["json", "bytes"]
FORMATS: tuple[Format, ...] = ("json", "bytes")


class Filter(msgspec.Struct, frozen=True, tag="filter", tag_field="type", forbid_unknown_fields=True):
    """Keep the records for which `where` is true; keys, headers, timestamps and values pass unchanged."""

    where: str
    format: Format


Specification = Filter
"""The union of all operators served; each has a tag of its own."""


def encode(specification: Specification) -> bytes:
    """The canonical form: equal specifications have equal bytes."""
    return msgspec.json.encode(specification, order="deterministic")


def decode(data: bytes) -> Specification:
    """Raises: Corrupt, also for an operator that a later version knows and this one does not."""
    try:
        return msgspec.json.decode(data, type=Filter)
    except msgspec.DecodeError as error:
        raise Corrupt(f"An operator's specification cannot be read by this version of Higgins: {error}.") from error


def version_of(data: bytes) -> str:
    """A short name for exactly these bytes, for people to compare."""
    return hashlib.sha256(data).hexdigest()[:12]
