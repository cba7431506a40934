"""What happened, as clients saw it: events in the format of the torture history, kept in memory, with a digest."""

import hashlib
import json
import zlib
from collections import Counter
from typing import Any

import trio

FOREVER = 1 << 62
"""The end of an operation that may still take effect."""

CLIENT_OPERATIONS = frozenset(
    {
        "send",
        "poll",
        "ocommit",
        "ofetch",
        "wm",
        "admin",
        "derived-poll",
        "trim",
        "trim-send",
        "trim-look",
        "grow",
        "grow-send",
        "config",
        "config-look",
    }
)


class Chronicle:
    """Events in the order they were noted. Times are virtual nanoseconds."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.successes: dict[str, list[int]] = {}
        """For each role, when something that it wanted was done."""
        self._ids = 0

    def now(self) -> int:
        return int(trio.current_time() * 1_000_000_000)

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def add(self, what: str, /, **fields: Any) -> None:
        """Note an event."""
        fields.setdefault("t", self.now())
        self.events.append({"e": what, **fields})

    def succeeded(self, role: str) -> None:
        """Note progress of a role."""
        self.successes.setdefault(role, []).append(self.now())

    def operations(self) -> int:
        """How many operations clients have invoked."""
        kinds = Counter(event["e"] for event in self.events)
        return sum(kinds[kind] for kind in CLIENT_OPERATIONS)

    def digest(self) -> str:
        """Equal for equal histories, byte for byte."""
        lines = "\n".join(json.dumps(event, sort_keys=True) for event in self.events)
        return hashlib.sha256(lines.encode()).hexdigest()


def key_of(topic: str, partition: int) -> str:
    """How histories name a partition."""
    return f"{topic}:{partition}"


def quantity(value: str) -> int | None:
    """The quantity that the record of a value carries, 0 to 9; None where the record is no JSON document."""
    number = zlib.crc32(value.encode())
    return None if number % 20 == 0 else number % 10


def encode_value(value: str) -> bytes:
    """The bytes of a record."""
    amount = quantity(value)
    return b"not json: " + value.encode() if amount is None else json.dumps({"v": value, "qty": amount}).encode()


def decode_value(data: bytes | None) -> str | None:
    """The value of a record's bytes; None when they are damaged."""
    try:
        text = (data or b"").decode()
        return text.removeprefix("not json: ") if text.startswith("not json: ") else str(json.loads(text)["v"])
    except (ValueError, KeyError, TypeError):
        return None
