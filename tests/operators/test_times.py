"""Moments: every spelling of ISO 8601 and RFC 3339 of the same moment is the same one, and everything else is null."""

import random
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from higgins.operators.expression.times import DATE_PARTS, date_part, moment
from tests.operators.rows import kept

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(when: datetime) -> int:
    return (when - EPOCH) // timedelta(milliseconds=1)


def dates_of(day: date) -> list[str]:
    year, week, weekday = day.isocalendar()
    yearday = day.timetuple().tm_yday
    return [
        f"{day.year:04}-{day:%m-%d}",
        f"{day.year:04}{day:%m%d}",
        f"{year:04}-W{week:02}-{weekday}",
        f"{year:04}W{week:02}{weekday}",
        f"{day.year:04}-{yearday:03}",
        f"{day.year:04}{yearday:03}",
    ]


def offsets_of(minutes: int) -> list[str]:
    sign, hours, rest = "-" if minutes < 0 else "+", abs(minutes) // 60, abs(minutes) % 60
    ways = [f"{sign}{hours:02}:{rest:02}", f"{sign}{hours:02}{rest:02}"]
    if not rest:
        ways.append(f"{sign}{hours:02}")
    if not minutes:
        ways += ["Z", "z", "", "-00:00"]
    return [*ways, *(way.replace("-", "\u2212") for way in ways if "-" in way)]


@pytest.mark.parametrize("seed", range(10))
def test_every_spelling_of_a_moment_is_that_moment(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        minutes = chance.choice((0, 0, 60, -300, 330, -570, 1_439, -1_439))
        local = datetime(chance.randrange(2, 9_999), 1, 1, tzinfo=timezone(timedelta(minutes=minutes))) + timedelta(
            days=chance.randrange(366), milliseconds=chance.choice((0, 43_200_000, 45_296_000, 45_296_789, 86_399_999))
        )
        time, ms = local.strftime("%H:%M:%S"), local.microsecond // 1_000
        times = [time, time.replace(":", "")]
        if ms:
            times = [
                f"{each}{point}{fraction}"
                for each in times
                for point in ".,"
                for fraction in (f"{ms:03}", f"{ms:03}000", f"{ms:03}9999")
            ]
        elif not local.second:
            times += [time[:5], time[:5].replace(":", ""), *([time[:2]] if not local.minute else [])]
        expected = milliseconds(local)
        for day in dates_of(local.date()):
            for time in times:
                for offset in offsets_of(minutes):
                    text = f"{day}{chance.choice('Tt ')}{time}{offset}"
                    assert moment(text) == expected, text
        check_parts(expected)


def check_parts(time: int) -> None:
    when = EPOCH + timedelta(milliseconds=time)
    for part in DATE_PARTS:
        expected = (when.month + 2) // 3 if part == "quarter" else getattr(when, part)
        assert date_part(part, time) == expected, (part, time)


def test_parts_of_times_before_1970_are_rounded_down() -> None:
    for time in (
        -1,
        -999,
        -1_000,
        -1_001,
        -60_000,
        -86_400_000,
        -86_400_001,
        -62_135_596_800_000,
        0,
        999,
        253_402_300_799_999,
    ):
        check_parts(time)
    assert [date_part(part, -1) for part in DATE_PARTS] == [1969, 4, 12, 31, 23, 59, 59]
    assert kept("second(x) = 59 and year(x) = 1969", [b'{"x": -1}', b'{"x": -0.5}', b'{"x": -1e-3}', b'{"x": 0}']) == [
        0,
        1,
        2,
    ]
    assert kept("second($timestamp) = 56", [b"{}"]) == [0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1714566896000.0, 1714566896000),
        (1.714566896e12, 1714566896000),
        (1714566896000.75, 1714566896000),
        (-0.5, -1),
        (-0.0, 0),
        (-1000.25, -1001),
        (5e-324, 0),
        (-5e-324, -1),
        (253_402_300_799_999, 253_402_300_799_999),
        (253_402_300_799_999.5, 253_402_300_799_999),
        (253_402_300_800_000, None),
        (-62_135_596_800_000, -62_135_596_800_000),
        (-62_135_596_800_001, None),
        (1e300, None),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_a_number_is_milliseconds_however_it_is_written(value: object, expected: int | None) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2024-05", "2024-05-01"),
        ("2024", "2024-01-01"),
        ("2024-W18", "2024-04-29"),
        ("2024-05-01T24:00", "2024-05-02"),
        ("2024-12-31T24:00:00.000Z", "2025-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.5Z"),
        ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00Z"),
        ("2016-12-31T18:59:60-0500", "2017-01-01T00:00:00Z"),
        ("2024-05-01T12.5", "2024-05-01T12:30"),
        ("2024-05-01T12:30,25Z", "2024-05-01T12:30:15Z"),
        ("2024-05-01T12:34:56 +02:00", "2024-05-01T10:34:56Z"),
        (" 2024-05-01 ", "2024-05-01"),
        ("2020-W53-7", "2021-01-03"),
        ("2024-05-01T12:34:56.0000001Z", "2024-05-01T12:34:56Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01", "0001-001"),
        ("2024-366", "2024-12-31"),
        ("2024-05-01T00:00:00+23:59", "2024-04-30T00:01Z"),
    ],
)
def test_rarer_forms(text: str, same: str) -> None:
    assert moment(text) == moment(same) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2024-13-01",
        "2024-02-30",
        "2023-02-29",
        "2023-366",
        "2024-000",
        "2024-367",
        "2021-W53-1",
        "2024-W00",
        "2024-W18-0",
        "2024-W18-8",
        "2024-00",
        "24-05-01",
        "2024-5-1",
        "02024-05-01",
        "+2024-05-01",
        "-2024-05-01",
        "0000-01-01",
        "10000-01-01",
        "2024-05-01T",
        "2024-05-01T1",
        "2024-05-01T25:00",
        "2024-05-01T24:01",
        "2024-05-01T24:00:00.001",
        "2024-05-01T24:00:00.0001",
        "2024-05-01T12:60",
        "2024-05-01T12:34:61Z",
        "2024-05-01T12:34:60Z",
        "2016-12-31T23:59:60+01:00",
        "2024-05-01T12:34:56+24:00",
        "2024-05-01T12:34:56+01:60",
        "2024-05-01T12:34:56+1",
        "2024-05-01T12:34:56ZZ",
        "2024-05-01T12:34:56.Z",
        "2024-05-01T12:34:56 CET",
        "2024-05-01TT12:34",
        "2024-05-01  12:34",
        "2024-05-01Z",
        "1714566896000",
        "9999-12-31T23:59:60Z",
        "0001-01-01T00:00+00:01",
        "9999-12-31T23:59-00:01",
        "٢٠٢٤-05-01",
        "2024-05-01\x00",
        "2024-05-01T12:34:56." + "0" * 100,
        "2024-05-01\ud800",
        "12:34:56",
        "P1D",
        "2024-05-01/2024-05-02",
        "May 1 2024",
        "2024-05-01T12:34:5",
        "202405",
        "2024-05-1T12:00",
        "--05-01",
    ],
)
def test_what_is_no_moment_is_null(text: str) -> None:
    assert moment(text) is None
