"""A topography file to a topography, or to everything that is wrong with it, each problem with its line.

Pure, but not cheap (expressions are compiled): call it in a thread. What a derived stream may say is the business of
its operator kind; keys, types and formats of later versions are refused by name.
"""

import itertools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from higgins.model.names import error_in_topic_name
from higgins.model.suggest import did_you_mean
from higgins.operators.kind import FORMATS, Base, DerivedStream, Format, OperatorKind, Stream
from higgins.operators.kinds import KINDS
from higgins.operators.topography.bounds import problem_with_bounds
from higgins.operators.topography.document import Source, Topography
from higgins.operators.topography.lines import KeyLines
from higgins.operators.topography.table import (
    PROBLEMS_MAX,
    Problem,
    StreamTable,
    TopographyError,
    header,
    shown,
    suggestion,
)

FILE_BYTES_MAX = 1 << 20
STREAMS_MAX = 1_000
PARTITIONS_MAX = 10_000
CONFIGS_MAX = 100
HINTS_MAX, SUGGESTED_MAX = 10, 200
"""Suggestions for how many unknown bases, and among how many streams; comparing names is slow."""

SOURCE_KEYS = ("topic", "format", "partitions", "config")
DERIVING_KEYS = frozenset(("base", "type"))
"""A stream with one of these, or with a key of an operator kind, is a derived stream."""
LATER_KEYS = (
    "schema", "fn", "join", "window", "map", "select", "by", "partition_key", "partitioned", "kind", "mode", "on_error",
    "time", "out_of_orderness", "idle_after", "emit", "grace", "late", "sql", "ttl", "start",
)  # fmt: skip
LATER_TYPES = (
    "map", "flat_map", "project", "explode", "route", "merge", "rekey", "convert", "mask", "hash", "validate", "reduce",
    "aggregate", "dedupe", "table", "top_k", "window", "tumbling", "hopping", "session", "count", "sliding", "join",
    "lookup", "zip", "interval",
)  # fmt: skip
LATER_FORMATS = ("avro", "protobuf", "arrow")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

_SYNTAX_HINTS = {
    "Invalid value": ' A text needs quotes: base = "orders"',
    "Invalid initial character for a key part": " A name with other characters than A-Z, a-z, 0-9, _, - needs quotes.",
    "Expected ']' at the end of a table declaration": ' A name with such a character needs quotes: [streams."…"]',
    "Expected '=' after a key": " A name with other characters than A-Z, a-z, 0-9, _, - needs quotes.",
    "Expected newline or end of document": " A text needs quotes.",
}
BYTE_ORDER_MARK = "\ufeff"
"""Some editors begin a file with it."""

ConfigCheck: TypeAlias = Callable[[Mapping[str, str]], str | None]
"""A message about what is wrong with topic configs; None when they are valid."""


def check(text: str, applied: Topography, check_config: ConfigCheck) -> tuple[Topography, KeyLines]:
    """The streams that the file names (and no others), and their lines in it. Raises: TopographyError.

    A base may be a stream of the file or one that was applied before.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    if len(text) > FILE_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > FILE_BYTES_MAX:
        raise TopographyError(
            [Problem(1, f"The file is too large: a topography file has at most {FILE_BYTES_MAX} bytes. Split it.")]
        )
    problem = problem_with_bounds(text)
    if problem is not None:
        raise TopographyError([problem])
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Besides TOMLDecodeError, the conversion of a number may raise ValueError.
        raise TopographyError([_syntax_problem(text, str(error))]) from error
    checker = _Checker(content, KeyLines(text), applied, check_config)
    checker.run()
    if checker.problems:
        raise TopographyError(checker.problems)
    return Topography(checker.streams), checker.lines


def _syntax_problem(text: str, message: str) -> Problem:
    place = _PLACE.search(message)
    reason = message[: place.start()] if place else message
    hint = next((hint for words, hint in _SYNTAX_HINTS.items() if words in reason), "")
    if place and place.group(1):
        return Problem(int(place.group(1)), f"The file is not valid TOML: {reason} (column {place.group(2)}).{hint}")
    return Problem(text.count("\n") + 1, f"The file is not valid TOML: {reason}, at the end of the file.{hint}")


class _UnknownStream(DerivedStream, frozen=True, kw_only=True, tag="unknown"):
    """A derived stream whose kind is not known. It has been reported; others may derive from it."""

    base: str

    def bases(self) -> Sequence[Base]:
        return (Base(self.base),) if self.base else ()

    def check(self, inputs: Sequence[Format | None]) -> Iterator[tuple[str, str]]:
        return iter(())


class _Checker:
    """The check of one file. `problems` and `streams` fill up on the way."""

    def __init__(
        self, content: dict[str, Any], lines: KeyLines, applied: Topography, check_config: ConfigCheck
    ) -> None:
        self._content = content
        self._applied = applied
        self._check_config = check_config
        self.lines = lines
        self.problems: list[Problem] = []
        self.streams: dict[str, Stream] = {}

    def run(self) -> None:
        for key in self._content:
            if key == "schema":
                self._report("Schemas are not supported by this version. Remove this table.", key)
            elif key != "streams":
                self._report(f"A topography has no table '{shown(key)}'. {suggestion(key, ['streams'])}", key)
        streams = self._content.get("streams")
        if not isinstance(streams, dict) or not streams:
            return self._report("The file declares no streams. Begin with a source: [streams.orders]", "streams")
        if len(streams) > STREAMS_MAX:
            return self._report(
                f"The file declares {len(streams)} streams; at most {STREAMS_MAX} are allowed. Split it.", "streams"
            )
        for name, values in streams.items():
            self._read_stream(name, values)
            if len(self.problems) >= PROBLEMS_MAX:
                # The first ones are reported. Finding all of them, with suggestions, could take very long.
                return None
        self._check_topics()
        self._check_bases()
        self._check_against_bases()
        return None

    def _report(self, message: str, *path: str) -> None:
        self.problems.append(Problem(self.lines.of(*path), message))

    # One stream by itself.

    def _read_stream(self, name: str, values: Any) -> None:
        error_message = error_in_topic_name(name)
        if error_message:
            message = f"Stream '{shown(name)}' has an invalid name; the rules are those for topics. {error_message}"
            self._report(message, "streams", name)
        if not isinstance(values, dict):
            return self._report(
                f"Stream '{shown(name)}' must be a table. Write: {header(shown(name))}", "streams", name
            )
        table = StreamTable(name, values, self.lines, self.problems)
        topic = self._topic(table)
        config = self._config(table)
        if not _is_derived(table):
            self._check_keys(table, SOURCE_KEYS, "A source")
            format_, partitions = _format(table), table.integer("partitions", 1, PARTITIONS_MAX)
            self.streams[name] = Source(topic=topic, config=config, format=format_, partitions=partitions)
            return None
        kind = _kind(table)
        if kind is None:
            self._check_keys(table, _keys_of_all_kinds(), "A derived stream")
            self.streams[name] = _UnknownStream(topic=topic, base=table.text("base"))
            return None
        self._check_keys(table, kind.all_keys, f"Operator '{kind.name}'")
        self.streams[name] = kind.stream.read(table, topic, config)
        return None

    def _check_keys(self, table: StreamTable, known: Sequence[str], owner: str) -> None:
        is_source = known is SOURCE_KEYS
        for key in table:
            if key in known:
                continue
            if len(self.problems) >= PROBLEMS_MAX:
                return
            hint = table.unsplit(key)
            if not is_source and key in SOURCE_KEYS:
                table.report(f"'{key}' belongs to a source; a derived stream takes it from its base. Remove it.", key)
            elif key in LATER_KEYS:
                message = f"'{key}' is not supported by this version. {owner} has: {', '.join(known)}."
                table.report(f"{message} {hint}".rstrip(), key)
            elif hint:
                table.report(f"{owner} has no table '{shown(key)}'. {hint}", key)
            else:
                table.report(f"{owner} has no key '{shown(key)}'. {suggestion(key, known)}", key)

    def _topic(self, table: StreamTable) -> str:
        topic = table.text("topic", table.name)
        error_message = error_in_topic_name(topic)
        if topic != table.name and error_message:
            table.report(error_message, "topic")
        return topic

    def _config(self, table: StreamTable) -> dict[str, str]:
        config = table.value("config")
        if config is None:
            return {}
        if not isinstance(config, dict) or len(config) > CONFIGS_MAX:
            table.report(f"config must be a table of at most {CONFIGS_MAX} config entries of the topic.", "config")
            return {}
        entries: dict[str, str] = {}
        for path, value in _flattened(config, ()):
            name = ".".join(path)
            if isinstance(value, bool):
                entries[name] = "true" if value else "false"
            elif isinstance(value, str | int | float):
                entries[name] = str(value)
            else:
                table.report(f"Config entry '{shown(name)}' must be a string, a number or a boolean.", "config", *path)
                continue
            error_message = self._check_config({name: entries[name]})
            if error_message:
                table.report(error_message, "config", *path)
        return entries

    # Streams together.

    def _check_topics(self) -> None:
        owners = {
            topic: name
            for name, stream in self._applied.streams.items()
            if name not in self.streams
            for topic in _topics_of(stream)
        }
        for name, stream in self.streams.items():
            for topic in _topics_of(stream):
                other = owners.setdefault(topic, name)
                if other != name:
                    self._report(
                        f"Streams '{other}' and '{name}' both use topic '{topic}'. Give one of them another topic.",
                        "streams", name, "topic",
                    )  # fmt: skip

    def _check_bases(self) -> None:
        suspects, hints = self._not_ordered(), 0
        for name, stream in self.streams.items():
            if not isinstance(stream, DerivedStream):
                continue
            if len(self.problems) >= PROBLEMS_MAX:
                return
            is_cyclic = name in suspects and self._is_cyclic(name)
            for base in stream.bases():
                if self._stream(base.stream) is None:
                    known = list(itertools.islice((*self.streams, *self._applied.streams), SUGGESTED_MAX))
                    hint = did_you_mean(base.stream, known) if hints < HINTS_MAX else ""
                    hints += 1
                    self._report(
                        f"'{name}' derives from '{shown(base.stream)}', which is not declared. "
                        + (hint or f"Add: {header(shown(base.stream))}"),
                        "streams", name, base.key,
                    )  # fmt: skip
                elif is_cyclic and self._leads_to(base.stream, name):
                    self._report(
                        f"Stream '{name}' derives from itself through its bases. Choose another base.",
                        "streams", name, base.key,
                    )  # fmt: skip

    def _stream(self, name: str) -> Stream | None:
        return self.streams.get(name) or self._applied.streams.get(name)

    def _not_ordered(self) -> set[str]:
        """The streams of the file that are left when those are taken away, again and again, of which no base is left.

        Streams that derive from themselves are among them. Nearly always there are none, and no chain is walked.
        """
        bases = {
            name: {base.stream for base in stream.bases() if base.stream in self.streams}
            for name, stream in self.streams.items()
            if isinstance(stream, DerivedStream)
        }
        # A stream of an earlier file may lead back into this one; what derives from it is walked.
        readers: dict[str, list[str]] = {}
        for name, names in bases.items():
            for each in names:
                readers.setdefault(each, []).append(name)
        outside = {
            name
            for name, stream in self.streams.items()
            if isinstance(stream, DerivedStream) and any(base.stream not in self.streams for base in stream.bases())
        }
        ready = [name for name in self.streams if not bases.get(name) and name not in outside]
        left = set(self.streams)
        while ready:
            done = ready.pop()
            left.discard(done)
            for reader in readers.get(done, ()):
                bases[reader].discard(done)
                if not bases[reader] and reader not in outside:
                    ready.append(reader)
        return left

    def _is_cyclic(self, name: str) -> bool:
        stream = self._stream(name)
        return isinstance(stream, DerivedStream) and any(self._leads_to(base.stream, name) for base in stream.bases())

    def _leads_to(self, start: str, target: str) -> bool:
        """Whether `start` is `target`, or derives from it."""
        seen: set[str] = set()
        names = [start]
        while names:
            name = names.pop()
            if name == target:
                return True
            stream = self._stream(name)
            if name not in seen and isinstance(stream, DerivedStream):
                seen.add(name)
                names += [base.stream for base in stream.bases()]
        return False

    def _check_against_bases(self) -> None:
        """All streams, those of earlier files too: a source that changes its format changes what derives from it."""
        merged = self._applied.with_streams(self.streams)
        formats = merged.formats()
        for name, stream in merged.streams.items():
            if not isinstance(stream, DerivedStream):
                continue
            for key, message in stream.check([formats.get(base.stream) for base in stream.bases()]):
                path = ("streams", name, key) if name in self.streams else ("streams",)
                self._report(f"{key} of '{name}', {message}", *path)


def _is_derived(table: StreamTable) -> bool:
    deriving = DERIVING_KEYS | frozenset(_keys_of_all_kinds()) - frozenset(SOURCE_KEYS)
    return any(key in deriving for key in table)


def _keys_of_all_kinds() -> Sequence[str]:
    return list(dict.fromkeys(key for kind in KINDS.values() for key in kind.all_keys))


def _kind(table: StreamTable) -> OperatorKind | None:
    """The operator kind of a derived stream; None, and reported, if it is not known."""
    served = ", ".join(sorted(KINDS))
    if "type" not in table:
        keys = frozenset(table) - frozenset(OperatorKind.COMMON_KEYS)
        implied = [kind for kind in KINDS.values() if kind.implied_by and kind.implied_by == keys]
        if len(implied) == 1:
            return implied[0]
        table.report(
            f"Derived stream '{table.name}' does not say what it does. Add a type, for example: type = \"filter\". "
            f"Types are: {served}."
        )
        return None
    name = table.text("type")
    if name in KINDS:
        return KINDS[name]
    if name in LATER_TYPES:
        table.report(f"Operator '{name}' is not supported by this version. Types are: {served}.", "type")
    elif isinstance(table.value("type"), str):
        hint = did_you_mean(name, KINDS)
        table.report(f"There is no operator '{shown(name)}'. {hint or f'Types are: {served}.'}", "type")
        # The other keys are checked as those of the operator that was probably meant.
        return next((kind for kind in KINDS.values() if hint and hint == did_you_mean(name, [kind.name])), None)
    return None


def _format(table: StreamTable) -> Format:
    name = table.text("format", "json")
    for known in FORMATS:
        if name == known:
            return known
    if name in LATER_FORMATS:
        table.report(f"Format '{name}' is not supported by this version. Formats are: {', '.join(FORMATS)}.", "format")
    else:
        table.report(f"There is no format '{shown(name)}'. {suggestion(name, FORMATS)}", "format")
    return "json"


def _topics_of(stream: Stream) -> Sequence[str]:
    return stream.topics() if isinstance(stream, DerivedStream) else (stream.topic,)


def _flattened(table: dict[str, Any], prefix: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """TOML reads `retention.ms = 1` as a table in a table; the names of config entries have dots in them."""
    for key, value in table.items():
        path = (*prefix, key)
        if isinstance(value, dict):
            yield from _flattened(value, path)
        else:
            yield path, value
