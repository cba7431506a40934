"""A topography file to a topography, or to everything that is wrong with it, each fault with its line.

Pure, but not cheap (expressions are compiled): call it in a thread. What a later version will serve is refused by name.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from higgins.model.names import fault_in_topic_name
from higgins.model.suggest import did_you_mean
from higgins.operators.expression.compile import compile_condition
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.specification import FORMATS, Format
from higgins.operators.topography.document import Derived, Source, Stream, Topography
from higgins.operators.topography.lines import KeyLines

FILE_BYTES_MAX = 1 << 20
STREAMS_MAX = 1_000
FAULTS_MAX = 100
PARTITIONS_MAX = 10_000
CONFIGS_MAX = 100

SOURCE_KEYS = ("topic", "format", "partitions", "config")
DERIVED_KEYS = ("base", "type", "where", "topic", "config")
DERIVING_KEYS = ("base", "type", "where")
LATER_KEYS = (
    "schema", "fn", "join", "window", "map", "select", "by", "partition_key", "partitioned", "kind", "mode", "on_error",
    "time", "out_of_orderness", "idle_after", "emit", "grace", "late", "sql", "ttl", "start",
)  # fmt: skip
SERVED_TYPES = ("filter",)
LATER_TYPES = (
    "map", "flat_map", "project", "explode", "route", "merge", "rekey", "convert", "mask", "hash", "validate", "reduce",
    "aggregate", "dedupe", "table", "top_k", "window", "tumbling", "hopping", "session", "count", "sliding", "join",
    "lookup", "zip", "interval",
)  # fmt: skip
LATER_FORMATS = ("avro", "protobuf", "arrow")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Fault(msgspec.Struct, frozen=True, order=True):
    """Something wrong with a file: the line it stands on, and what, why and the fix."""

    line: int
    message: str


class Faulty(Exception):
    """A file that cannot be applied; every fault at once, by line."""

    def __init__(self, faults: Collection[Fault]) -> None:
        self.faults = sorted(faults)[:FAULTS_MAX]
        super().__init__("; ".join(f"line {fault.line}: {fault.message}" for fault in self.faults))


ConfigJudge = Callable[[Mapping[str, str]], str | None]
"""Says what is wrong with topic configs, in a sentence; None when nothing is."""


def check(text: str, applied: Topography, judge: ConfigJudge) -> tuple[Topography, KeyLines]:
    """The streams that the file names (and no others), and where they stand in it. Raises: Faulty.

    A base may be a stream of the file or one of those applied before.
    """
    if len(text.encode()) > FILE_BYTES_MAX:
        raise Faulty([Fault(1, f"A topography file has at most {FILE_BYTES_MAX} bytes.")])
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Faulty([_syntax_fault(text, str(error))]) from error
    except RecursionError as error:
        raise Faulty([Fault(1, "The file is nested too deeply to be a topography.")]) from error
    checker = _Checker(content, KeyLines(text), applied, judge)
    checker.run()
    if checker.faults:
        raise Faulty(checker.faults)
    return Topography(checker.streams), checker.lines


def _syntax_fault(text: str, message: str) -> Fault:
    place = _PLACE.search(message)
    what = message[: place.start()] if place else message
    if place and place.group(1):
        return Fault(int(place.group(1)), f"Not TOML: {what} (column {place.group(2)}).")
    return Fault(text.count("\n") + 1, f"Not TOML: {what}, at the end of the file.")


def suggestion(word: str, known: Collection[str]) -> str:
    """`Did you mean …?`, or what there is to choose from."""
    return did_you_mean(word, known, otherwise=f"Known are: {', '.join(sorted(known))}.")


class _Checker:
    """One file's check; `faults` and `streams` fill up on the way."""

    def __init__(self, content: dict[str, Any], lines: KeyLines, applied: Topography, judge: ConfigJudge) -> None:
        self._content = content
        self._applied = applied
        self._judge = judge
        self.lines = lines
        self.faults: set[Fault] = set()
        self.streams: dict[str, Stream] = {}

    def run(self) -> None:
        for key in self._content:
            if key == "schema":
                self._fault("Schemas are not served by this version; leave this table out.", key)
            elif key != "streams":
                self._fault(f"There is no '{key}' in a topography. {suggestion(key, ['streams'])}", key)
        streams = self._content.get("streams")
        if not isinstance(streams, dict) or not streams:
            return self._fault("The file declares no streams; begin with a source: [streams.orders].", "streams")
        if len(streams) > STREAMS_MAX:
            return self._fault(f"{len(streams)} streams; a file has at most {STREAMS_MAX}.", "streams")
        for name, table in streams.items():
            self._check_stream(name, table)
        self._check_topics()
        self._check_bases()
        self._check_conditions()
        return None

    def _fault(self, message: str, *path: str) -> None:
        self.faults.add(Fault(self.lines.of(*path), message))

    # One stream by itself.

    def _check_stream(self, name: str, table: Any) -> None:
        here = ("streams", name)
        fault = fault_in_topic_name(name)
        if fault:
            self._fault(f"A stream is named like a topic. {fault}", *here)
        if not isinstance(table, dict):
            return self._fault(f"Stream '{name}' must be a table: [streams.{name}].", *here)
        derived = any(key in table for key in DERIVING_KEYS)
        self._check_keys(here, table, DERIVED_KEYS if derived else SOURCE_KEYS, derived=derived)
        topic = self._text(table, "topic", here, default=name)
        if topic is not None and topic != name and (fault := fault_in_topic_name(topic)):
            self._fault(fault, *here, "topic")
        config = self._config(table, here)
        if derived:
            self._derived(name, table, topic or name, config)
        else:
            self.streams[name] = Source(
                topic=topic or name,
                format=self._format(table, here),
                partitions=self._partitions(table, here),
                config=config,
            )
        return None

    def _check_keys(
        self, here: tuple[str, ...], table: dict[str, Any], known: tuple[str, ...], *, derived: bool
    ) -> None:
        for key in table:
            if key in known:
                continue
            if derived and key in SOURCE_KEYS:
                self._fault(
                    f"'{key}' belongs to a source; a derived stream has that of its base. Leave it out.", *here, key
                )
            elif key in LATER_KEYS:
                self._fault(f"'{key}' is not served by this version, which knows: {', '.join(known)}.", *here, key)
            else:
                self._fault(f"There is no '{key}' in a stream. {suggestion(key, known)}", *here, key)

    def _derived(self, name: str, table: dict[str, Any], topic: str, config: dict[str, str]) -> None:
        here = ("streams", name)
        self._check_type(table, here)
        base = self._text(table, "base", here)
        where = self._text(table, "where", here)
        if "base" not in table:
            self._fault(f"Derived stream '{name}' names no base: add base = \"<stream>\".", *here)
        if "where" not in table and table.get("type", "filter") == "filter":
            self._fault(f"Filter '{name}' has no condition: add where = \"qty > 5\", say.", *here)
        self.streams[name] = Derived(topic=topic, base=base or "", where=where or "", config=config)

    def _check_type(self, table: dict[str, Any], here: tuple[str, ...]) -> None:
        kind = self._text(table, "type", here)
        if "type" not in table:
            self._fault(f"Derived stream '{here[1]}' has no type: add type = \"filter\".", *here)
        elif kind in LATER_TYPES:
            self._fault(
                f"Operator '{kind}' is not served by this version; served are: {', '.join(SERVED_TYPES)}.",
                *here,
                "type",
            )
        elif kind is not None and kind not in SERVED_TYPES:
            self._fault(f"There is no operator '{kind}'. {suggestion(kind, SERVED_TYPES)}", *here, "type")

    def _format(self, table: dict[str, Any], here: tuple[str, ...]) -> Format:
        given = self._text(table, "format", here, default="json")
        for known in FORMATS:
            if given == known:
                return known
        if given in LATER_FORMATS:
            self._fault(
                f"Format '{given}' is not served by this version; served are: {', '.join(FORMATS)}.", *here, "format"
            )
        elif given is not None:
            self._fault(f"There is no format '{given}'. {suggestion(given, FORMATS)}", *here, "format")
        return "json"

    def _partitions(self, table: dict[str, Any], here: tuple[str, ...]) -> int | None:
        partitions = table.get("partitions")
        if partitions is None:
            return None
        if not isinstance(partitions, int) or isinstance(partitions, bool) or not 1 <= partitions <= PARTITIONS_MAX:
            self._fault(f"partitions is a whole number from 1 to {PARTITIONS_MAX}.", *here, "partitions")
            return None
        return partitions

    def _config(self, table: dict[str, Any], here: tuple[str, ...]) -> dict[str, str]:
        config = table.get("config", {})
        if not isinstance(config, dict) or len(config) > CONFIGS_MAX:
            self._fault(f"config is a table of at most {CONFIGS_MAX} config entries of the topic.", *here, "config")
            return {}
        entries: dict[str, str] = {}
        for path, value in _flattened(config, ()):
            name = ".".join(path)
            if isinstance(value, bool):
                entries[name] = "true" if value else "false"
            elif isinstance(value, str | int | float):
                entries[name] = str(value)
            else:
                self._fault(f"Config entry '{name}' is a string, a number or a boolean.", *here, "config", *path)
                continue
            fault = self._judge({name: entries[name]})
            if fault:
                self._fault(fault, *here, "config", *path)
        return entries

    def _text(self, table: dict[str, Any], key: str, here: tuple[str, ...], default: str | None = None) -> str | None:
        value = table.get(key, default)
        if value is not None and not isinstance(value, str):
            self._fault(f"{key} is a string in quotes.", *here, key)
            return None
        return value

    # Streams together.

    def _check_topics(self) -> None:
        owners = {stream.topic: name for name, stream in self._applied.streams.items() if name not in self.streams}
        for name, stream in self.streams.items():
            other = owners.setdefault(stream.topic, name)
            if other != name:
                self._fault(
                    f"Streams '{other}' and '{name}' both stand for topic '{stream.topic}'; give one another name.",
                    "streams", name, "topic",
                )  # fmt: skip

    def _check_bases(self) -> None:
        for name, stream in self.streams.items():
            if not isinstance(stream, Derived) or not stream.base:
                continue
            if stream.base not in self.streams and stream.base not in self._applied.streams:
                near = suggestion(stream.base, [*self.streams, *self._applied.streams])
                self._fault(
                    f"Base '{stream.base}' of '{name}' is declared nowhere: add [streams.{stream.base}]. {near}",
                    "streams", name, "base",
                )  # fmt: skip
            elif self._is_cyclic(name):
                self._fault(f"Stream '{name}' derives from itself, by way of its bases.", "streams", name, "base")

    def _stream(self, name: str) -> Stream | None:
        return self.streams.get(name) or self._applied.streams.get(name)

    def _is_cyclic(self, name: str) -> bool:
        seen = {name}
        stream = self._stream(name)
        while isinstance(stream, Derived):
            if stream.base == name:
                return True
            if stream.base in seen:
                return False  # a cycle further up, which is reported where it is
            seen.add(stream.base)
            stream = self._stream(stream.base)
        return False

    def _source(self, name: str) -> Source | None:
        seen: set[str] = set()
        stream = self._stream(name)
        while isinstance(stream, Derived) and stream.base not in seen:
            seen.add(stream.base)
            stream = self._stream(stream.base)
        return stream if isinstance(stream, Source) else None

    def _check_conditions(self) -> None:
        for name, stream in (self._applied.with_streams(self.streams)).streams.items():
            if not isinstance(stream, Derived) or not stream.where:
                continue
            source = self._source(name)
            try:
                compile_condition(stream.where, fields_allowed=source is None or source.format != "bytes")
            except ExpressionError as error:
                place = ("streams", name, "where") if name in self.streams else ("streams",)
                self._fault(f"where of '{name}', {error}", *place)


def _flattened(table: dict[str, Any], prefix: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    """TOML reads `retention.ms = 1` as a table in a table; config entries have dots in their names."""
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in table.items():
        path = (*prefix, key)
        found += _flattened(value, path) if isinstance(value, dict) else [(path, value)]
    return found
