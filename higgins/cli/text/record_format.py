"""Formats of printed records: a pattern such as '%k %v %p %o %t %h', or a JSON object on each line. Pure."""

import base64
from collections.abc import Callable, Mapping
from typing import TypeAlias

from higgins.cli.common import json_line
from higgins.cli.text.escapes import read_escape
from higgins.client import ConsumedRecord
from higgins.telemetry.printable import printable_bytes

Render: TypeAlias = Callable[[ConsumedRecord], bytes]

MEANINGS: dict[str, str] = {
    "k": "key",
    "v": "value",
    "t": "topic",
    "p": "partition",
    "o": "offset",
    "T": "timestamp in milliseconds",
    "h": "headers, as name=value,…",
    "K": "length of the key, -1 for none",
    "V": "length of the value, -1 for none",
}

_FIELDS: Mapping[str, Render] = {
    "k": lambda one: one.key or b"",
    "v": lambda one: one.value or b"",
    "t": lambda one: one.topic.encode(),
    "p": lambda one: b"%d" % one.partition,
    "o": lambda one: b"%d" % one.offset,
    "T": lambda one: b"%d" % one.timestamp_ms,
    "h": lambda one: b",".join(_name(name) + b"=" + (value or b"") for name, value in one.headers),
    "K": lambda one: b"%d" % (-1 if one.key is None else len(one.key)),
    "V": lambda one: b"%d" % (-1 if one.value is None else len(one.value)),
}


def parse_format(text: str, *, for_terminal: bool = False) -> Render:
    """A renderer for a pattern. It ends each record with a new line unless the pattern does.

    For a terminal, what is printed of a record is escaped, so that no record can control the terminal.

    Raises: ValueError that names the part that is wrong.
    """
    parts: list[bytes | Render] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "%":
            parts.append(_field(text[position + 1 : position + 2], for_terminal))
            position += 2
        elif character == "\\":
            data, position = read_escape(text, position + 1)
            parts.append(data)
        else:
            parts.append(character.encode(errors="surrogateescape"))
            position += 1
    if not parts or parts[-1] not in (b"\n", b"\0"):
        parts.append(b"\n")
    return lambda one: b"".join(part if isinstance(part, bytes) else part(one) for part in parts)


def json_renderer(for_terminal: bool) -> Render:
    """A renderer for lines that `higgins produce --json` reads back into equal records."""
    return lambda one: json_line(_document(one), for_terminal=for_terminal)


def _document(one: ConsumedRecord) -> dict[str, object]:
    """A record and its position. Text is a string; other bytes are base64, as the documentation shows."""
    return {
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "timestamp": one.timestamp_ms,
        **_text("key", one.key),
        **_text("value", one.value),
        "headers": [(_text_or_base64(_name(name)), _text_or_base64(value)) for name, value in one.headers],
    }


def _field(letter: str, for_terminal: bool) -> bytes | Render:
    if letter == "%":
        return b"%"
    if letter not in _FIELDS:
        known = ", ".join(f"%{one} ({meaning})" for one, meaning in MEANINGS.items())
        raise ValueError(f"'%{letter}' is not a field of a format. The fields are {known}, and %% for a percent sign.")
    render = _FIELDS[letter]
    return (lambda one: printable_bytes(render(one))) if for_terminal else render


def _text(name: str, data: bytes | None) -> dict[str, object]:
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": _base64(data or b"")}


def _text_or_base64(data: bytes | None) -> object:
    """The name or the value of a header, which has no key of its own for base64."""
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return {"base64": _base64(data or b"")}


def _name(name: str) -> bytes:
    """The name of a header as it was sent. One that is not UTF-8 is a string with surrogate escapes in the client."""
    return name.encode(errors="surrogateescape")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
