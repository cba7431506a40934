"""Records through the commands: refused lines, JSON out and in, places to start, groups, terminals."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from higgins.client import ConsumedRecord
from higgins.testing import RunningBroker, broker
from tests.cli.streams_server import Case, Outcome, Server

Run = Callable[..., Outcome]
HOSTILE = "a\n\x1b[2Jb\u202e\x9bc\r\x07\u2028d"
"""What clears a screen, reorders text, rings a bell and starts new lines."""


@pytest.fixture(scope="module")
def running() -> Iterator[RunningBroker]:
    with broker() as found:
        yield found


@pytest.fixture(scope="module")
def higgins(running: RunningBroker) -> Iterator[Run]:
    server = Server(running.bootstrap_servers)

    def run(*arguments: str, stdin: str | None = None, stdout: str = "pipe", code: int = 0) -> Outcome:
        state = "null" if stdin is None else "input"
        found = server.run(Case(list(arguments), stdin=state, stdout=stdout, input=stdin or ""))
        assert found.code == code and "Traceback" not in found.stderr, (arguments, found)
        return found

    yield run
    server.close()


GOOD = [f'{{"value": "{number}"}}' for number in range(1, 501)]
REFUSED = {
    "no JSON": '{"value": ',
    "another shape": "[]",
    "an unknown key": '{"valeu": 1}',
    "a partition that is not there": '{"value": "x", "partition": 7}',
    "a partition below zero": '{"value": "x", "partition": -1}',
    "a partition beyond 32 bits": '{"value": "x", "partition": 4294967296}',
    "a time beyond 64 bits": '{"value": "x", "timestamp": 9223372036854775808}',
    "base64 that is none": '{"value_base64": "*"}',
    "a header without a name": '{"value": "x", "headers": [[null, "x"]]}',
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("number", [1, 2, 501])
def test_what_comes_before_a_refused_line_is_stored_and_counted(higgins: Run, kind: str, number: int) -> None:
    topic = f"refused-{list(REFUSED).index(kind)}-{number}"
    lines = [*GOOD[: number - 1], REFUSED[kind], '{"value": "after"}']
    found = higgins("produce", topic, "--json", stdin="\n".join(lines), code=1)
    assert found.stderr.splitlines()[0].startswith(f"higgins: Line {number} "), found
    stored = "1 record stored" if number == 2 else f"{number - 1} records stored"
    assert found.stderr.splitlines()[-1] == stored
    assert higgins("consume", topic, "-e").stdout.split() == [str(one) for one in range(1, number)]


@pytest.mark.parametrize(
    ("config", "line", "code", "refused"),
    [
        ("max.message.bytes=300", json.dumps({"value": "x" * 400}), "MESSAGE_TOO_LARGE", [3, 6]),
        ("message.timestamp.before.max.ms=60000", '{"value": "x", "timestamp": 1}', "INVALID_TIMESTAMP", [1]),
    ],
)
@pytest.mark.parametrize("acks", ["all", "1"])
def test_a_line_that_the_broker_refuses_takes_no_other_along(
    higgins: Run, config: str, line: str, code: str, refused: list[int], acks: str
) -> None:
    topic = f"{code}-{acks}"
    higgins("topic", "create", topic, "-c", config)
    lines = GOOD[:5]
    for number in refused:
        lines.insert(number - 1, line)
    found = higgins("produce", topic, "--json", "--acks", acks, stdin="\n".join(lines), code=1)
    *told, total = found.stderr.splitlines()
    assert [one.split(" is not stored")[0] for one in told] == [f"higgins: Line {number}" for number in refused], found
    assert all(code in one for one in told)
    assert total == f"5 records stored; {len(refused)} not stored, or not known to be"
    assert higgins("consume", topic, "-e").stdout.split() == ["1", "2", "3", "4", "5"]


def test_json_out_and_in_copies_every_part(higgins: Run, running: RunningBroker) -> None:
    higgins("topic", "create", "copied-from", "-p", "2")
    higgins("topic", "create", "copied-to", "-p", "2")
    parts = [None, b"", b"\x00\xff", "é\u202e".encode(), b"\r\n", bytes(range(256))]
    lines = []
    for number, (key, value) in enumerate((key, value) for key in parts for value in parts):
        record = ConsumedRecord(
            "t", number % 2, 0, number - 1, key, value, (("h", value), ("h", key), ("\udcff", b""), ("", None))
        )
        lines.append(rendered(record))
    higgins("produce", "copied-from", "--json", stdin="".join(lines))
    first = higgins("consume", "copied-from", "-e", "--json").stdout
    higgins("produce", "copied-to", "--json", stdin=first)
    second = higgins("consume", "copied-to", "-e", "--json").stdout
    assert sorted(second.splitlines()) == sorted(first.replace('"copied-from"', '"copied-to"').splitlines())
    assert sorted(map(without_position, lines)) == sorted(map(without_position, first.splitlines()))


def rendered(record: ConsumedRecord) -> str:
    from higgins.cli.text.record_format import json_renderer  # noqa: PLC0415

    return json_renderer(for_terminal=False)(record).decode()


def without_position(line: str) -> str:
    document = json.loads(line)
    return json.dumps({name: part for name, part in document.items() if name not in ("topic", "offset")})


@pytest.fixture(scope="module")
def timed(higgins: Run) -> list[int]:
    """A topic `timed` with a record at each of these times."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    times = [now_ms - 7_200_000, now_ms - 600_000, now_ms - 600_000, now_ms - 1_000]
    lines = [json.dumps({"value": str(number), "timestamp": at}) for number, at in enumerate(times)]
    higgins("produce", "timed", "--json", stdin="\n".join(lines))
    return times


def starts(times: list[int]) -> dict[str, int]:
    """Where each way to write a start is in `timed`."""
    second = datetime.fromtimestamp(times[1] / 1000, UTC).isoformat(timespec="milliseconds")
    return {
        "earliest": 0, "beginning": 0, "latest": 4, "end": 4, "0": 0, "3": 3, "4": 4, "99": 4, "-1": 3, "-3": 1,
        "-99": 0, "-0": 4, "1h": 1, "5m": 3, "3h": 0, f"@{times[0]}": 0, f"@{times[0] + 1}": 1, second: 1,
        "1969-12-31T23:59:59.999Z": 0, "1969-12-31T23:59:59.998Z": 0, "1969-12-31T23:59:59.997Z": 0,
        "@-1": 0, "@-2": 0, "@-3": 0, "@-4": 0, "@-5": 0, "1960-01-01": 0, "0001-01-01T00:00:00": 0,
        "1970-01-01T00:00:00Z": 0,
        "9999-12-31T23:59:59Z": 4, "@9223372036854775807": 4, "9223372036854775807": 4,
    }  # fmt: skip


def test_a_start_means_the_same_to_consume_and_to_a_group(higgins: Run, timed: list[int]) -> None:
    for text, place in starts(timed).items():
        found = higgins("consume", "timed", "-e", "--from", text, "-f", "%o").stdout.split()
        assert found == [str(offset) for offset in range(place, 4)], text
        moved = higgins("group", "reset", "starts", "-t", "timed", "--to", text, "--json", "--dry-run").stdout
        assert json.loads(moved)["partitions"][0]["to"] == place, text


def test_tail_starts_before_the_end(higgins: Run, timed: list[int]) -> None:
    higgins("produce", "long", stdin="".join(f"{number}\n" for number in range(20)))
    assert higgins("consume", "long", "-e", "--tail").stdout.split() == [str(one) for one in range(10, 20)]
    assert higgins("consume", "long", "--tail", "3", "-e").stdout.split() == ["17", "18", "19"]
    assert higgins("consume", "long", "--tail=1", "-e").stdout.split() == ["19"]
    assert higgins("consume", "long", "--tail", "-n", "2").stdout.split() == ["10", "11"]
    assert "--tail -1" in higgins("consume", "long", "--tail", "-1", code=1).stderr


def test_a_group_stops_at_the_end_and_commits_what_it_printed(higgins: Run) -> None:
    higgins("topic", "create", "ended", "-p", "3")
    assert higgins("consume", "ended", "-e", "-g", "e").stdout == ""
    higgins("produce", "ended", stdin="".join(f"{number}\n" for number in range(100)))
    read = higgins("consume", "ended", "-e", "--group", "e").stdout.split()
    assert sorted(read, key=int) == [str(number) for number in range(100)]
    assert higgins("consume", "ended", "-e", "--group", "e").stdout == ""
    higgins("produce", "ended", "-p", "1", stdin="more\n")
    assert higgins("consume", "ended", "-e", "--group", "e").stdout == "more\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["consume", "t", "--json", "-f", "%v"], "--json and --format"),
        (["consume", "t", "-n", "0"], "--max 0: give a number from 1"),
        (["consume", "t", "-g", "g", "--from", "-1"], "With --group, --from must be"),
        (["consume", "t", "-g", "g", "-p", "0"], "the group assigns the partitions"),
        (["consume", "t", "--from", "1", "--tail", "1"], "--tail and --from"),
        (["produce", "t", "--json", "-K", ":"], "--json and --key-separator"),
        (["produce", "t", "-K", ""], "give at least one character"),
        (["produce", "t", "-K", "\\q"], "is not an escape"),
        (["topic", "create", "x", "-p", "-1"], "--partitions -1: give a number from 1"),
        (["topic", "create", "x", "-p", "99999999999"], "--partitions 99999999999: give a number from 1"),
        (["topic", "create", "x", "-r", "-1"], "--replication-factor -1: give a number from 1"),
        (["topic", "partitions", "x", "-1"], "give a number from 1"),
        (["topic", "partitions", "x", "99999999999"], "give a number from 1"),
        (["topic", "truncate", "timed", "--before", "9223372036854775808"], "the number is too large"),
        (["topic", "truncate", "timed", "--before", "5"], "ends at offset 4, its high watermark"),
        (["group", "reset", "g", "-t", "timed", "--to", "soon"], "--to soon: give earliest"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(
    higgins: Run, timed: list[int], arguments: list[str], told: str
) -> None:
    found = higgins(*arguments, code=1)
    assert told in found.stderr and found.stderr.count("\n") == 1 and found.stderr.startswith("higgins: ")


def test_separators_have_escapes(higgins: Run) -> None:
    higgins("produce", "tabs", "-K", "\\t", stdin="a\tb\n")
    higgins("produce", "tabs", "-K", "\\x1f\\x1f", stdin="c\x1f\x1fd\n")
    assert higgins("consume", "tabs", "-e", "-f", "%k=%v").stdout == "a=b\nc=d\n"


def test_records_are_raw_in_a_pipe_and_escaped_on_a_terminal(higgins: Run) -> None:
    record = ConsumedRecord("t", 0, 0, 0, HOSTILE.encode(), HOSTILE.encode() + b"\xff", ((HOSTILE, HOSTILE.encode()),))
    higgins("produce", "hostile", "--json", stdin=rendered(record))
    assert higgins("consume", "hostile", "-e").stdout == HOSTILE + "\\xff\n"
    for arguments in (["-f", "%k %v %h"], [], ["--json"]):
        shown = higgins("consume", "hostile", "-e", *arguments, stdout="terminal").stdout
        assert shown.endswith("\r\n") and shown[:-2].isprintable(), shown
        assert "2Jb" in shown


def test_names_of_strangers_are_escaped_wherever_they_are_printed(higgins: Run, running: RunningBroker) -> None:
    running.produce("strangers", b"1")
    higgins("consume", "strangers", "-n", "1", "-g", HOSTILE)
    for stdout in ("pipe", "terminal"):
        for arguments in (
            ["group", "list"],
            ["group", "list", "--json"],
            ["group", "describe", HOSTILE],
            ["top", "--once", "--every", "100ms"],
            ["group", "reset", HOSTILE, "-t", "strangers", "--to", "0"],
        ):
            shown = higgins(*arguments, stdout=stdout).stdout.replace("\x1b[1m", "").replace("\x1b[0m", "")
            is_json_in_a_pipe = "--json" in arguments and stdout == "pipe"
            assert "2Jb" in shown.replace(" ", "") or arguments[1] == "reset", (arguments, shown)
            if not is_json_in_a_pipe:
                assert all(line.isprintable() for line in shown.replace("\r\n", "\n").split("\n")), (arguments, shown)
    assert higgins("group", "delete", HOSTILE).stdout.count("\n") == 1
    refused = higgins("group", "delete", HOSTILE, code=1).stderr
    assert "\x1b" not in refused and "\u202e" not in refused


@pytest.mark.parametrize("option", ["--from", "--group"])
def test_an_option_that_is_empty_is_refused(higgins: Run, running: RunningBroker, option: str) -> None:
    """A shell passes an empty text for a variable that is not set."""
    running.produce("set", b"stored")
    found = higgins("consume", "set", "-e", option, "", code=1)
    assert option in found.stderr and not found.stdout
