"""One table of a topography file, as operator kinds read it: values by key, and problems with their lines. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from higgins.model.suggest import NAME_CHARACTERS_MAX, did_you_mean
from higgins.operators.topography.lines import KeyLines

_BARE_KEY = re.compile("[A-Za-z0-9_-]+")
PROBLEMS_MAX = 100
"""How many problems of a file are reported; the first ones by line."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something wrong with a file: its line, and a message that says what is wrong and what to write instead."""

    line: int
    message: str


class TopographyError(Exception):
    """A topography file that cannot be applied, with all its problems by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))[:PROBLEMS_MAX]
        super().__init__("; ".join(f"line {problem.line}: {problem.message}" for problem in self.problems))


class StreamTable:
    """The table `[streams.<name>]`. Reading a key that has a wrong value reports a problem and returns a default."""

    def __init__(self, name: str, values: dict[str, Any], lines: KeyLines, problems: list[Problem]) -> None:
        """Problems are appended to `problems`."""
        self.name = name
        self._values = values
        self._lines = lines
        self._problems = problems

    def __repr__(self) -> str:
        return f"<StreamTable {self.name} keys={list(self._values)}>"

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """The keys, in the order of the file."""
        return iter(self._values)

    def value(self, key: str) -> Any:
        """The value as TOML has it, or None."""
        return self._values.get(key)

    def report(self, message: str, *path: str) -> None:
        """Report a problem with a key of this table (`path` leads into it), or with the table as a whole."""
        self._problems.append(Problem(self._lines.of("streams", self.name, *path), message))

    def text(self, key: str, default: str = "") -> str:
        """A string. Anything else is reported."""
        value = self._values.get(key, default)
        if isinstance(value, str):
            return value
        self.report(f"{key} must be a string in quotes.{self._split_name(key)}", key)
        return default

    def required_text(self, key: str, example: str) -> str:
        """A string that must be there and not empty; `example` is the line to add, shown where it is missing."""
        text = self.text(key)
        if not text and isinstance(self._values.get(key, ""), str):
            what = "is empty" if key in self._values else "is missing"
            self.report(f"Derived stream '{self.name}': '{key}' {what}. Write for example: {example}", key)
        return text

    def integer(self, key: str, lowest: int, highest: int) -> int | None:
        """An integer within bounds, or None where there is none. Anything else is reported."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        self.report(f"{key} must be a whole number from {lowest} to {highest}.{self._split_name(key)}", key)
        return None

    def _split_name(self, key: str) -> str:
        """For a table in place of a value: the name that TOML has split at its dots, as it should be written."""
        hint = self.unsplit(key)
        return f" {hint}" if hint else ""

    def unsplit(self, key: str) -> str:
        """What to write if a table of this key came from a stream's name with dots; empty for other values."""
        value, parts = self._values.get(key), [self.name, key]
        if not isinstance(value, dict):
            return ""
        while len(value) == 1:
            ((part, inner),) = value.items()
            if not isinstance(inner, dict):
                break
            parts.append(part)
            value = inner
        return f"A stream's name with dots in it needs quotes: {header(shown('.'.join(parts)))}"


def header(name: str) -> str:
    """The header of a stream's table, with quotes where TOML needs them."""
    return f"[streams.{name}]" if _BARE_KEY.fullmatch(name) else f'[streams."{name}"]'


def shown(name: str) -> str:
    """A name as messages show it; a long one is cut."""
    return name if len(name) <= NAME_CHARACTERS_MAX else f"{name[:40]}…"


def suggestion(word: str, known: Collection[str]) -> str:
    """`Did you mean …?` for the most similar known word, or the list of known words."""
    return did_you_mean(word, known, otherwise=f"Known are: {', '.join(sorted(known))}.")
