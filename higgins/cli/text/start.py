"""Where to start reading, and for how long: offsets, times and durations as people write them. Pure.

Kafka gives some numbers a meaning of their own: a timestamp of -1 is the end, -2 the beginning, -3 the newest record. A
number that somebody writes must never be taken for one of them, so everything is parsed into a `Start`, and a time
before 1970 is the beginning: no record is older.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from higgins.client.offsets import EARLIEST, LATEST

NUMBER_MAX = (1 << 63) - 1
"""The greatest offset and the greatest timestamp of the protocol."""

BEGINNINGS, ENDS = ("beginning", "earliest"), ("end", "latest")
EXAMPLES = "earliest, latest, an offset, -10 (before the end), 1h (ago), or a time such as 2026-01-31T12:00:00Z"
"""What a start may be, for messages."""
HELP = (
    "earliest (or beginning), latest (or end), an OFFSET, -N for the last N records of each partition, a DURATION ago "
    "such as 1h, a TIME such as 2026-01-31T12:00:00Z, or @MILLISECONDS since 1970. A time without a zone is in this "
    "machine's time zone."
)

_UNITS = (("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Start(msgspec.Struct, frozen=True):
    """An offset, EARLIEST or LATEST; or so many records before the end; or the first record from a time on.

    `timestamp_ms` is never negative.
    """

    position: int = EARLIEST
    before_end: int = 0
    timestamp_ms: int | None = None


def parse_start(text: str, option: str, now_ms: int) -> Start:
    """Parse a start. Raises: ValueError that names the option."""
    if text in BEGINNINGS or text in ENDS:
        return Start(EARLIEST if text in BEGINNINGS else LATEST)
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if _is_number(digits):
        number = _limited(int(digits), text, option)
        return Start(LATEST, before_end=number) if sign else Start(number)
    timestamp_ms = _timestamp(text, now_ms)
    if timestamp_ms is None:
        raise ValueError(f"{option} {text}: give {EXAMPLES}.")
    # There may be records from before 1970 in a log, with timestamps below zero: they belong to the beginning too.
    return Start(EARLIEST) if timestamp_ms < 0 else Start(timestamp_ms=_limited(timestamp_ms, text, option))


def _timestamp(text: str, now_ms: int) -> int | None:
    """Milliseconds since 1970, perhaps below zero; None for what is no time."""
    if text.startswith("@"):
        digits = text[1:].removeprefix("-")
        return int(text[1:]) if _is_number(digits) else None
    try:
        return now_ms - _duration_ms(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        try:
            moment = moment.astimezone()
        except (ValueError, OverflowError, OSError):
            # At either end of the calendar, the zone would push it over. A day more or less does not matter there.
            moment = moment.replace(tzinfo=UTC)
    # Rounded up: "from this time on" leaves out what is a fraction of a millisecond older.
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def parse_offset(text: str, option: str, meaning: str) -> int:
    """An offset. `meaning` is what else the option takes, for the message. Raises: ValueError that names the option."""
    if not _is_number(text):
        raise ValueError(f"{option} {text}: give {meaning}.")
    return _limited(int(text), text, option)


def parse_duration(text: str) -> float:
    """Seconds in '20s', '500ms', '2m', '1h' or '7d'; infinity for ''. Raises: ValueError with a message."""
    return _duration_ms(text) / 1000 if text else float("inf")


def _duration_ms(text: str) -> int:
    for unit, factor in _UNITS:
        number = text.removesuffix(unit)
        whole, _, fraction = number.partition(".")
        if number != text and _is_number(whole) and (fraction == "" or _is_number(fraction)):
            return int(float(number) * factor)
    raise ValueError(f"'{text}' is not a duration; write one such as 20s, 500ms, 2m or 1h.")


def _is_number(text: str) -> bool:
    # Twenty digits are more than any offset has; int() would refuse thousands with a message of its own.
    return text.isascii() and text.isdigit() and len(text) <= 20


def _limited(number: int, text: str, option: str) -> int:
    if number > NUMBER_MAX:
        raise ValueError(f"{option} {text}: the number is too large; the limit is {NUMBER_MAX}.")
    return number
