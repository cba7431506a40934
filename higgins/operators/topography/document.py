"""A topography as a value: streams by name, with one canonical form that the ledger keeps. Pure."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache, reduce
from operator import or_
from typing import Any

import msgspec

from higgins.model.errors import Corrupt
from higgins.operators.kind import DerivedStream, Format, OperatorKind, Stream
from higgins.operators.kinds import KINDS


class Source(Stream, frozen=True, kw_only=True, tag="source"):
    """An ordinary topic, created if it does not exist.

    `partitions` of None means the number of an existing topic, or the default of the node.
    """

    format: Format
    partitions: int | None = None


class Topography(msgspec.Struct, frozen=True):
    """Streams by name: sources and derived streams."""

    streams: Mapping[str, Stream] = {}

    def encode(self) -> bytes:
        """The canonical form: equal topographies have equal bytes."""
        return msgspec.json.encode(self, order="deterministic")

    def version(self) -> str:
        """A short name for exactly this topography, for people to compare."""
        return hashlib.sha256(self.encode()).hexdigest()[:12]

    def with_streams(self, streams: Mapping[str, Stream]) -> "Topography":
        """These streams added, or put in place of those with the same name; the others stay."""
        return Topography({**self.streams, **streams})

    def without_operator(self, name: str) -> "Topography":
        """Without a derived stream. Where others derive from it, it becomes a source, because its topic stays."""
        streams = dict(self.streams)
        deleted = streams.pop(name)
        derived = (stream for stream in streams.values() if isinstance(stream, DerivedStream))
        if any(base.stream == name for stream in derived for base in stream.bases()):
            streams[name] = Source(topic=deleted.topic, format=self.formats()[name])
        return Topography(streams)

    def bases_first(self) -> list[str]:
        """The names of all streams, each after those that it derives from."""
        order: dict[str, None] = {}
        # Depth first with a stack of our own: a chain of streams may be longer than Python's stack. A name is put on
        # the stack twice, before its bases and after them; streams that derive from themselves come in some order.
        visited: set[str] = set()
        stack = [(name, False) for name in reversed(list(self.streams))]
        while stack:
            name, bases_are_done = stack.pop()
            if bases_are_done:
                order[name] = None
            elif name in self.streams and name not in visited:
                visited.add(name)
                stack.append((name, True))
                stream = self.streams[name]
                if isinstance(stream, DerivedStream):
                    stack += [(base.stream, False) for base in reversed(stream.bases())]
        return list(order)

    def formats(self) -> dict[str, Format]:
        """How the values of each stream are decoded; without streams that derive from an undeclared one."""
        formats: dict[str, Format] = {}
        for name in self.bases_first():
            stream = self.streams[name]
            if isinstance(stream, Source):
                formats[name] = stream.format
            elif isinstance(stream, DerivedStream):
                inputs = [formats[base.stream] for base in stream.bases() if base.stream in formats]
                if inputs and len(inputs) == len(stream.bases()):
                    formats[name] = stream.format_of(inputs)
        return formats


def decode(data: bytes) -> Topography:
    """The topography that was applied; empty bytes are an empty one. Raises: Corrupt."""
    if not data:
        return Topography()
    try:
        document = _decoder(tuple(KINDS.values())).decode(data)
    except msgspec.DecodeError as error:
        raise Corrupt(
            f"This version of Higgins cannot read the topography that was applied: {error}. "
            "A later version has written it; update this node."
        ) from error
    return Topography(document.streams)


@lru_cache(maxsize=4)
def _decoder(kinds: tuple[OperatorKind, ...]) -> msgspec.json.Decoder[Any]:
    streams = reduce(or_, (kind.stream for kind in kinds), Source)
    fields: list[tuple[str, Any, Any]] = [("streams", dict[str, streams], {})]  # type: ignore[valid-type]
    return msgspec.json.Decoder(msgspec.defstruct("Document", fields, forbid_unknown_fields=True))
