"""How a record is printed: a format like '%k %v %p %o %t %h', or one JSON object a line. Pure."""

import base64
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from higgins.client import ConsumedRecord

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
    "h": lambda one: b",".join(name.encode() + b"=" + (value or b"") for name, value in one.headers),
    "K": lambda one: b"%d" % (-1 if one.key is None else len(one.key)),
    "V": lambda one: b"%d" % (-1 if one.value is None else len(one.value)),
}
_ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}


def parse_format(text: str) -> Render:
    """A renderer for a format; it ends each record with a new line unless the format does.

    Raises: ValueError naming what is not understood.
    """
    parts: list[bytes | Render] = []
    characters = iter(text)
    for character in characters:
        if character == "%":
            parts.append(_field(next(characters, "")))
        elif character == "\\":
            parts.append(_escape(next(characters, "")))
        else:
            parts.append(character.encode())
    if not parts or parts[-1] not in (b"\n", b"\0"):
        parts.append(b"\n")
    return lambda one: b"".join(part if isinstance(part, bytes) else part(one) for part in parts)


def render_json(one: ConsumedRecord) -> bytes:
    """A record as `higgins produce --json` takes it, and where it stood. What is not UTF-8 goes as base64."""
    document: dict[str, object] = {
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "timestamp": one.timestamp_ms,
        **_text("key", one.key),
        **_text("value", one.value),
        "headers": [(name, None if value is None else value.decode(errors="replace")) for name, value in one.headers],
    }
    return msgspec.json.encode(document) + b"\n"


def _field(letter: str) -> bytes | Render:
    if letter == "%":
        return b"%"
    if letter not in _FIELDS:
        known = ", ".join(f"%{one} ({meaning})" for one, meaning in MEANINGS.items())
        raise ValueError(f"'%{letter}' means nothing in a format. Known are {known}, and %% for a percent sign.")
    return _FIELDS[letter]


def _escape(letter: str) -> bytes:
    if letter not in _ESCAPES:
        raise ValueError(f"'\\{letter}' means nothing in a format; known are \\n, \\t, \\r, \\0 and \\\\.")
    return _ESCAPES[letter]


def _text(name: str, data: bytes | None) -> dict[str, object]:
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data or b"").decode()}
