"""JSON as RFC 8259 has it, read without recursion, for values that the fast decoder refuses. Pure.

What is JSON is the grammar's to say and nothing else: UTF-8 (a byte order mark in front is skipped), any depth, numbers
of any size, escapes of any code unit. What cannot be represented here is null where it is asked for, and only there:

- a number beyond the range of a double, or a whole number of more than DIGITS_MAX digits
- a text with half of a surrogate pair; a member with such a name cannot be asked for at all
- what lies deeper than DEPTH_MAX levels; no path of an expression is that long

Of members with the same name, the last one counts. Reading takes time and memory linear in the value. It lets other
threads run, because it is plain Python; the fast decoder holds the interpreter until the whole value is read.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

DIGITS_MAX = 4_300
"""Python refuses to convert more; the time to convert grows with the square."""
DEPTH_MAX = 64
CHUNK_CHARACTERS = 1 << 16

_SPACE = re.compile(r"[ \t\n\r]*+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_PLAIN = re.compile(rf'[^"\\\x00-\x1f]{{0,{CHUNK_CHARACTERS}}}+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, tuple[str, Any]] = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}


class NotJson(ValueError):
    """The text is not JSON."""


def read_members(data: bytes, names: Mapping[str, int]) -> list[Any] | None:
    """The members of an object with these names, at the places that `names` gives; None for JSON that is no object.

    Raises: NotJson.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson("It is not UTF-8.") from error
    return _Reader(text, names).read()


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str, names: Mapping[str, int]) -> None:
        self._text = text
        self._names = names
        self._members: list[Any] = [None] * len(names)
        self._position = 0
        # Of each container around the position: its closing sign, and what is kept of it (None: nothing).
        self._closing: list[str] = []
        self._kept: list[dict[str, Any] | list[Any] | None] = []
        self._keys: list[str | None] = []

    def read(self) -> list[Any] | None:
        is_object = self._skip_space() == "{"
        is_complete = False
        while not is_complete:
            is_complete = self._value() and self._ends()
        self._skip_space()
        if self._position < len(self._text):
            raise NotJson("Something follows the value.")
        return self._members if is_object else None

    def _skip_space(self) -> str:
        """The character after white space; empty at the end."""
        space = _SPACE.match(self._text, self._position)
        assert space is not None
        self._position = space.end()
        return self._text[self._position : self._position + 1]

    def _value(self) -> bool:
        """Read a value, or only the beginning of a container; whether it is complete."""
        character = self._skip_space()
        is_wanted = self._is_wanted()
        if character in {"{", "["}:
            return self._open(character, is_wanted=is_wanted)
        if character == '"':
            value: Any = self._string(is_wanted=is_wanted)
        elif character in _WORDS:
            word, value = _WORDS[character]
            if not self._text.startswith(word, self._position):
                raise NotJson("An unknown word.")
            self._position += len(word)
        else:
            value = self._number(is_wanted=is_wanted)
        if is_wanted:
            self._keep(value)
        return True

    def _is_wanted(self) -> bool:
        """Whether the value that comes is kept."""
        if len(self._closing) > 1:
            return self._kept[-1] is not None and (self._closing[-1] == "]" or self._keys[-1] is not None)
        return len(self._closing) == 1 and self._closing[0] == "}" and self._keys[0] in self._names

    def _keep(self, value: Any) -> None:
        if len(self._closing) == 1:
            self._members[self._names[str(self._keys[0])]] = value
            return
        container, name = self._kept[-1], self._keys[-1]
        if isinstance(container, list):
            container.append(value)
        elif container is not None and name is not None:
            container[name] = value

    def _open(self, character: str, *, is_wanted: bool) -> bool:
        self._position += 1
        container: dict[str, Any] | list[Any] | None = None
        if is_wanted:
            if len(self._closing) <= DEPTH_MAX:
                container = {} if character == "{" else []
            self._keep(container)
        self._closing.append("}" if character == "{" else "]")
        self._kept.append(container)
        self._keys.append(None)
        if self._skip_space() == self._closing[-1]:
            self._close()
            return True
        if character == "{":
            self._key()
        return False

    def _close(self) -> None:
        self._position += 1
        self._closing.pop()
        self._kept.pop()
        self._keys.pop()

    def _key(self) -> None:
        if self._skip_space() != '"':
            raise NotJson("A name is missing.")
        is_wanted = len(self._closing) == 1 or self._kept[-1] is not None
        self._keys[-1] = self._string(is_wanted=is_wanted)
        if self._skip_space() != ":":
            raise NotJson("A colon is missing.")
        self._position += 1

    def _ends(self) -> bool:
        """Go on behind a complete value: whether the whole text is complete, or another value comes."""
        while self._closing:
            character = self._skip_space()
            if character == ",":
                self._position += 1
                if self._closing[-1] == "}":
                    self._key()
                return False
            if character != self._closing[-1]:
                raise NotJson("A comma or a closing bracket is missing.")
            self._close()
        return True

    def _string(self, *, is_wanted: bool) -> str | None:
        text = self._text
        start = position = self._position + 1
        has_escapes = False
        while True:
            plain = _PLAIN.match(text, position)
            assert plain is not None
            position = plain.end()
            character = text[position : position + 1]
            if character == '"':
                break
            if character == "\\":
                escape = _ESCAPE.match(text, position)
                if escape is None:
                    raise NotJson("An unknown escape.")
                position, has_escapes = escape.end(), True
            elif plain.end() - plain.start() < CHUNK_CHARACTERS:
                raise NotJson("A text has no end, or a control character.")
        self._position = position + 1
        if not is_wanted:
            return None
        if not has_escapes:
            return text[start:position]
        value: str = json.loads(text[start - 1 : position + 1])
        return None if _SURROGATE.search(value) else value

    def _number(self, *, is_wanted: bool) -> int | float | None:
        found = _NUMBER.match(self._text, self._position)
        if found is None:
            raise NotJson("A value is missing.")
        self._position = found.end()
        if not is_wanted:
            return None
        if found[1] is None and found[2] is None:
            return int(found[0]) if len(found[0]) <= DIGITS_MAX else None
        number = float(found[0])
        return number if math.isfinite(number) else None
