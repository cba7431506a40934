"""JSON logs: one object per line, whatever the fields of an event contain."""

import json

import pytest
import structlog

from higgins.telemetry.logs import LINES_MAX, VALUE_CHARACTERS_MAX, WINDOW_S, configure_logs


@pytest.fixture
def log():
    before = structlog.get_config()
    yield lambda: structlog.get_logger("test")
    structlog.configure(**before)


def test_an_event_is_one_object_on_one_line(log, capsys):
    configure_logs("info", "json")
    log().warning("store.slow", why="two\nlines", seconds=1.5, key=b"k", among={"a": (1, 2)})
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert list(event)[:3] == ["timestamp", "level", "event"]
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "warning",
        "event": "store.slow",
        "why": "two\nlines",
        "seconds": 1.5,
        "key": "aw==",
        "among": {"a": [1, 2]},
    }


def test_an_exception_is_a_field_with_its_trace_and_without_local_variables(log, capsys):
    configure_logs("info", "json")
    secret = "hunter2"
    try:
        raise ValueError(f"{len(secret)} characters")
    except ValueError:
        log().exception("handler.failed", api="Fetch")
    event = json.loads(capsys.readouterr().err)
    assert event["api"] == "Fetch" and "ValueError: 7 characters" in event["exception"]
    assert "hunter2" not in str(event).replace('secret = "hunter2"', "")


def test_values_that_json_cannot_represent_or_that_are_too_long_are_still_logged(log, capsys):
    configure_logs("info", "json")
    log().info("odd", thing=object, long="a" * VALUE_CHARACTERS_MAX + "the end")
    event = json.loads(capsys.readouterr().err)
    assert event["thing"] == "<class 'object'>"
    assert event["long"].endswith("the end") and len(event["long"]) == VALUE_CHARACTERS_MAX + 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_events_below_the_level_are_not_logged(log, capsys, form):
    configure_logs("warning", form)
    log().info("quiet")
    log().error("loud", n=1)
    output = capsys.readouterr().err
    assert "quiet" not in output and "loud" in output and output.count("\n") == 1


def test_text_logs_escape_what_strangers_chose(log, capsys):
    configure_logs("info")
    hostile = "x\n\x1b[2J\u202ey"
    log().warning("group.made", group=hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        log().exception("request.failed", client_id=hostile)
    told = capsys.readouterr().err
    assert told.count("\\x1b[2J") == 3 and "\x1b[2J" not in told and "\u202e" not in told
    assert told.splitlines()[0].count("group.made") == 1 and "Traceback" in told


def test_an_event_that_clients_cause_again_and_again_has_a_bounded_number_of_lines(log, capsys):
    now = 0.0
    configure_logs("info", "json", clock=lambda: now)
    for number in range(4_500):
        now = number / 100
        log().info("connection.closed", peer="10.0.0.1", why=f"nonsense {number}")
        if number % 1_000 == 0:
            log().info("other", number=number)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    closed = [line for line in lines if line["event"] == "connection.closed"]
    assert len(closed) == 5 * LINES_MAX
    assert [line["left_out"] for line in closed if "left_out" in line] == [WINDOW_S * 100 - LINES_MAX] * 4
    assert sum(line["event"] == "other" for line in lines) == 5, "another event is not left out"


def test_a_few_lines_of_an_event_are_all_there(log, capsys):
    configure_logs("info", "json", clock=lambda: 1.0)
    for number in range(LINES_MAX):
        log().info("connection.closed", number=number)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["number"] for line in lines] == list(range(LINES_MAX))
    assert not any("left_out" in line for line in lines)
