"""Formats of printed records: a pattern such as '%k %v %p %o %t %h', or a JSON object on each line. Pure."""

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
    """A renderer for a pattern. It ends each record with a new line unless the pattern does.

    Raises: ValueError that names the part that is wrong.
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
    """A record in the format of `higgins produce --json`, with its position. Bytes that are not UTF-8 become base64."""
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
        raise ValueError(f"'%{letter}' is not a field of a format. The fields are {known}, and %% for a percent sign.")
    return _FIELDS[letter]


def _escape(letter: str) -> bytes:
    if letter not in _ESCAPES:
        raise ValueError(f"'\\{letter}' is not an escape of a format; the escapes are \\n, \\t, \\r, \\0 and \\\\.")
    return _ESCAPES[letter]


def _text(name: str, data: bytes | None) -> dict[str, object]:
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data or b"").decode()}
