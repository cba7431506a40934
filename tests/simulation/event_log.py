"""What clients sent and received, as a list of events in the format of the torture test's history, with a digest."""

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


class EventLog:
    """Events in the order in which they were added. Times are virtual nanoseconds."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.successes: dict[str, list[int]] = {}
        """For each role, the times at which one of its operations succeeded."""
        self._ids = 0

    def now(self) -> int:
        return int(trio.current_time() * 1_000_000_000)

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def add(self, what: str, /, **fields: Any) -> None:
        """Add an event."""
        fields.setdefault("t", self.now())
        self.events.append({"e": what, **fields})

    def succeeded(self, role: str) -> None:
        """Record that an operation of a role succeeded."""
        self.successes.setdefault(role, []).append(self.now())

    def operations(self) -> int:
        """The number of operations that clients have started."""
        kinds = Counter(event["e"] for event in self.events)
        return sum(kinds[kind] for kind in CLIENT_OPERATIONS)

    def digest(self) -> str:
        """A hash that is equal for equal histories."""
        lines = "\n".join(json.dumps(event, sort_keys=True) for event in self.events)
        return hashlib.sha256(lines.encode()).hexdigest()


def key_of(topic: str, partition: int) -> str:
    """How events name a partition."""
    return f"{topic}:{partition}"


def quantity(value: str) -> int | None:
    """The `qty` field of a value's record, 0 to 9; None where the record is not JSON.

    One record in twenty is not JSON, so that the operator under test has to skip records. Derived from the value alone,
    so that checkers can compute it again.
    """
    number = zlib.crc32(value.encode())
    return None if number % 20 == 0 else number % 10


def encode_value(value: str) -> bytes:
    """The record of a value."""
    amount = quantity(value)
    return b"not json: " + value.encode() if amount is None else json.dumps({"v": value, "qty": amount}).encode()


def decode_value(data: bytes | None) -> str | None:
    """The value of a record; None when its bytes are damaged."""
    try:
        text = (data or b"").decode()
        return text.removeprefix("not json: ") if text.startswith("not json: ") else str(json.loads(text)["v"])
    except (ValueError, KeyError, TypeError):
        return None
