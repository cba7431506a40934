"""Logs as machines read them: one JSON object a line, whatever is in an event."""

import json

import pytest
import structlog

from higgins.telemetry.logs import VALUE_CHARACTERS_MAX, configure_logs


@pytest.fixture
def log():
    before = structlog.get_config()
    yield lambda: structlog.get_logger("test")
    structlog.configure(**before)


def test_an_event_is_one_object_on_one_line(log, capsys):
    configure_logs("info", "json")
    log().warning("store.slow", why="two\nlines", seconds=1.5, key=b"k", among={"a": (1, 2)})
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert list(told)[:3] == ["timestamp", "level", "event"]
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "level": "warning",
        "event": "store.slow",
        "why": "two\nlines",
        "seconds": 1.5,
        "key": "aw==",
        "among": {"a": [1, 2]},
    }


def test_an_exception_is_a_field_with_its_trace_and_without_anybodys_variables(log, capsys):
    configure_logs("info", "json")
    secret = "hunter2"
    try:
        raise ValueError(f"{len(secret)} characters")
    except ValueError:
        log().exception("handler.failed", api="Fetch")
    told = json.loads(capsys.readouterr().err)
    assert told["api"] == "Fetch" and "ValueError: 7 characters" in told["exception"]
    assert "hunter2" not in str(told).replace('secret = "hunter2"', "")


def test_what_json_has_no_word_for_and_what_is_too_long_are_told_all_the_same(log, capsys):
    configure_logs("info", "json")
    log().info("odd", thing=object, long="a" * VALUE_CHARACTERS_MAX + "the end")
    told = json.loads(capsys.readouterr().err)
    assert told["thing"] == "<class 'object'>"
    assert told["long"].endswith("the end") and len(told["long"]) == VALUE_CHARACTERS_MAX + 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_lies_below_the_level_is_not_told(log, capsys, form):
    configure_logs("warning", form)
    log().info("quiet")
    log().error("loud", n=1)
    told = capsys.readouterr().err
    assert "quiet" not in told and "loud" in told and told.count("\n") == 1
