"""Moments: milliseconds since 1970 and texts of ISO 8601 and RFC 3339 to one integer, and its date parts in UTC. Pure.

Read as a moment:

- a number, in milliseconds, whether it is written 5, 5.0 or 5e0. A fraction of a millisecond is cut off downwards.
- a date: 2024-05-01, 20240501, 2024-05, 2024, by week 2024-W18-3, 2024W183, 2024-W18, by day of the year 2024-122 or
  2024122
- and after it, behind T, t or a space, a time: 12:34:56, 123456, 12:34, 1234, 12; the last part may have a fraction,
  behind a point or a comma; 24:00 is the end of the day; a second 60, which only 23:59 UTC has, is the one after 59
- and behind the time its offset from UTC: Z, z, +02:00, +0200, +02. Without one, it is UTC.

Null: everything else; years before 1 and after 9999, and texts of more than TEXT_CHARACTERS_MAX characters.
"""

import math
import re
from datetime import date
from typing import Any

DATE_PARTS = ("year", "quarter", "month", "day", "hour", "minute", "second")
TEXT_CHARACTERS_MAX = 64
DAY_MS = 86_400_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIRST_MS = (date.min.toordinal() - _EPOCH_DAY) * DAY_MS
_LAST_MS = (date.max.toordinal() - _EPOCH_DAY + 1) * DAY_MS - 1

_SEPARATOR = re.compile("[Tt ]")
_DATE = re.compile(
    r"""(?P<year>[0-9]{4})
    (?: -W(?P<week>[0-9]{2})(?:-(?P<weekday>[1-7]))?
      | W(?P<week2>[0-9]{2})(?P<weekday2>[1-7])?
      | -(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?
      | (?P<month2>[0-9]{2})(?P<day2>[0-9]{2})
      | -?(?P<yearday>[0-9]{3})
    )?""",
    re.VERBOSE,
)
_TIME = re.compile(
    r"""(?P<hour>[0-9]{2})
    (?: :(?P<minute>[0-9]{2})(?: :(?P<second>[0-9]{2}))?
      | (?P<minute2>[0-9]{2})(?P<second2>[0-9]{2})?
    )?
    (?:[.,](?P<fraction>[0-9]+))?
    [ ]?(?:(?P<utc>[Zz])|(?P<sign>[+\-\u2212])(?P<hours>[0-9]{2})(?: :?(?P<minutes>[0-9]{2}))?)?""",
    re.VERBOSE,
)


def moment(value: Any) -> int | None:
    """Milliseconds since 1970, rounded down; None if the value is no moment."""
    if value.__class__ is str:
        return _of_text(value) if len(value) <= TEXT_CHARACTERS_MAX else None
    if value.__class__ is float:
        return _in_range(math.floor(value)) if math.isfinite(value) else None
    return _in_range(value) if value.__class__ is int else None


def date_part(part: str, value: Any) -> int | None:
    """A part of a moment in UTC; the name is one of DATE_PARTS."""
    time = moment(value)
    if time is None:
        return None
    day, time_of_day = divmod(time, DAY_MS)
    match part:
        case "hour":
            return time_of_day // 3_600_000
        case "minute":
            return time_of_day // 60_000 % 60
        case "second":
            return time_of_day // 1_000 % 60
    when = date.fromordinal(_EPOCH_DAY + day)
    return (when.month + 2) // 3 if part == "quarter" else int(getattr(when, part))


def _in_range(time: int) -> int | None:
    return time if _FIRST_MS <= time <= _LAST_MS else None


def _of_text(text: str) -> int | None:
    """A text of ISO 8601. White space around it does no harm."""
    text = text.strip(" \t\r\n")
    between = _SEPARATOR.search(text)
    date_found = _DATE.fullmatch(text, 0, between.start() if between else len(text))
    day = _day(date_found) if date_found else None
    if day is None or between is None:
        return None if day is None else _in_range(day * DAY_MS)
    time_found = _TIME.fullmatch(text, between.end())
    time = _time_ms(time_found) if time_found else None
    return None if time is None else _in_range(day * DAY_MS + time)


def _day(found: re.Match[str]) -> int | None:
    """Days since 1970."""
    year, week, month, yearday = (
        int(found["year"]),
        found["week"] or found["week2"],
        found["month"] or found["month2"],
        found["yearday"],
    )
    try:
        if week:
            when = date.fromisocalendar(year, int(week), int(found["weekday"] or found["weekday2"] or 1))
        elif yearday:
            first = date(year, 1, 1)
            when = date.fromordinal(first.toordinal() + int(yearday) - 1)
            if when.year != year:
                return None
        else:
            when = date(year, int(month or 1), int(found["day"] or found["day2"] or 1))
    except (ValueError, OverflowError):
        return None
    return when.toordinal() - _EPOCH_DAY


def _time_ms(found: re.Match[str]) -> int | None:
    """Milliseconds since the beginning of the day in UTC; negative or beyond the day with an offset."""
    hour, minute, second = (
        int(found["hour"]),
        int(found["minute"] or found["minute2"] or 0),
        int(found["second"] or found["second2"] or 0),
    )
    offset = (int(found["hours"] or 0) * 60 + int(found["minutes"] or 0)) * 60_000
    if int(found["hours"] or 0) > 23 or int(found["minutes"] or 0) > 59 or minute > 59 or second > 60:
        return None
    has_minute, has_second = found["minute"] or found["minute2"], found["second"] or found["second2"]
    unit = 1_000 if has_second else 60_000 if has_minute else 3_600_000
    fraction = found["fraction"] or ""
    part: int = unit * int(fraction or 0) // 10 ** len(fraction)
    time = ((hour * 60 + minute) * 60 + second) * 1_000 + part
    if hour > 24 or (hour == 24 and time != DAY_MS) or (fraction.strip("0") and hour == 24):
        return None
    in_utc = time + offset if found["sign"] in {"-", "\u2212"} else time - offset
    # A leap second is the last of a day in UTC. It counts as the first of the next day, as in POSIX.
    if second == 60 and in_utc // 1_000 % 86_400:
        return None
    return in_utc
