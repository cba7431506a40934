"""A topography as a value: streams by name, with one canonical form that the ledger keeps. Pure."""

import hashlib

import msgspec

from higgins.model.errors import Corrupt
from higgins.operators.specification import Format


class Source(msgspec.Struct, frozen=True, tag="source", tag_field="type", forbid_unknown_fields=True):
    """An ordinary topic, made if missing; partitions of None leave the number to the node, or to what is there."""

    topic: str
    format: Format
    partitions: int | None = None
    config: dict[str, str] = {}


class Derived(msgspec.Struct, frozen=True, tag="filter", tag_field="type", forbid_unknown_fields=True):
    """A stream that an operator of the same name produces from `base`."""

    topic: str
    base: str
    where: str
    config: dict[str, str] = {}


Stream = Source | Derived


class Topography(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Streams by name."""

    streams: dict[str, Stream] = {}

    def encode(self) -> bytes:
        """The canonical form: equal topographies have equal bytes."""
        return msgspec.json.encode(self, order="deterministic")

    def version(self) -> str:
        """A short name for exactly this topography, for people to compare."""
        return hashlib.sha256(self.encode()).hexdigest()[:12]

    def with_streams(self, streams: dict[str, Stream]) -> "Topography":
        """These streams added or put in place of their namesakes; the others stay."""
        return Topography({**self.streams, **streams})

    def without_operator(self, name: str) -> "Topography":
        """The operator gone. Where others derive from its topic, which stays, the stream stays as a source."""
        streams = dict(self.streams)
        gone = streams.pop(name)
        if any(isinstance(stream, Derived) and stream.base == name for stream in streams.values()):
            streams[name] = Source(topic=gone.topic, format=self.source_of(name).format)
        return Topography(streams)

    def source_of(self, name: str) -> Source:
        """The source that a stream derives from in the end; the topography is checked, so there is one."""
        stream = self.streams[name]
        while isinstance(stream, Derived):
            stream = self.streams[stream.base]
        return stream


def decode(data: bytes) -> Topography:
    """Nothing applied yet is an empty document. Raises: Corrupt."""
    if not data:
        return Topography()
    try:
        return msgspec.json.decode(data, type=Topography)
    except msgspec.DecodeError as error:
        raise Corrupt(f"The applied topography cannot be read by this version of Higgins: {error}.") from error
