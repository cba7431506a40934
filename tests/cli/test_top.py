"""`higgins top`: rates from two looks, and how they are shown."""

import fcntl
import io
import os
import pty
import signal
import subprocess
import sys
import termios

import msgspec
import pytest
from rich.console import Console

from higgins.cli.text.start import parse_duration
from higgins.cli.top import live
from higgins.cli.top.rates import Rates, between
from higgins.cli.top.screen import count, line, plain, size
from higgins.model.figures import ApiFigures, Figures, GroupFigures, OperatorFigures, TopicFigures
from higgins.testing import broker

BEFORE = Figures(
    node_id=1,
    at_s=100.0,
    processor_s=10.0,
    commits=5,
    records_in=1_000,
    bytes_in=50_000,
    bytes_out=9_000,
    store_operations=7,
    topics_total=2,
    groups_total=1,
    apis=(ApiFigures("Produce", 100, 1.0, 1),),
    topics=(TopicFigures("t", 4, 1_000, 1_000, 50_000, 9_000), TopicFigures("u", 1)),
    groups=(GroupFigures("g", 2, 4, 30),),
    operators=(OperatorFigures("o", "t", "u", lag=5, position=10, states=("running",)),),
)
AFTER = msgspec.structs.replace(
    BEFORE,
    at_s=102.0,
    processor_s=11.0,
    commits=25,
    records_in=1_400,
    bytes_in=70_000,
    bytes_out=13_000,
    store_operations=47,
    apis=(ApiFigures("Produce", 300, 1.5, 5), ApiFigures("Fetch", 2, 1.0)),
    topics=(TopicFigures("t", 4, 1_400, 1_400, 70_000, 13_000), TopicFigures("u", 1)),
    operators=(OperatorFigures("o", "t", "u", lag=3, position=20, states=("running",)),),
)


def test_rates_are_what_grew_over_the_time_between_two_looks():
    rates = between({1: BEFORE}, {1: AFTER})
    assert (rates.seconds, rates.records_in, rates.bytes_in, rates.bytes_out) == (2, 200, 10_000, 2_000)
    assert (rates.requests, rates.errors, rates.commits, rates.lag) == (101, 2, 10, 30)
    assert (rates.nodes[0].processor, rates.nodes[0].store_operations) == (0.5, 20)
    assert [(one.api, one.requests, one.mean_ms) for one in rates.apis] == [("Produce", 100, 2.5), ("Fetch", 1, 500)]
    assert [(one.topic, one.records, one.records_in) for one in rates.topics] == [("t", 1_400, 200), ("u", 0, 0)]
    assert [(one.operator, one.records, one.lag) for one in rates.operators] == [("o", 5, 3)]


def test_nodes_are_summed_up_and_what_all_of_them_know_is_told_once():
    other = msgspec.structs.replace(BEFORE, node_id=2), msgspec.structs.replace(AFTER, node_id=2)
    rates = between({1: BEFORE, 2: other[0]}, {1: AFTER, 2: other[1]})
    assert (rates.records_in, rates.requests, len(rates.nodes)) == (400, 202, 2)
    assert [(one.topic, one.records, one.records_in) for one in rates.topics] == [("t", 1_400, 400), ("u", 0, 0)]
    assert rates.lag == 30 and len(rates.groups) == len(rates.operators) == 1


def test_a_node_that_began_anew_or_has_just_come_has_no_rates_below_zero_or_from_its_whole_life():
    anew = between({1: AFTER}, {1: msgspec.structs.replace(BEFORE, at_s=104.0)})
    assert anew.records_in == 500 and anew.bytes_in == 25_000
    new = between({}, {1: AFTER})
    assert (new.records_in, new.requests, new.nodes[0].requests, new.topics[0].records_in) == (0, 0, 0, 0)


def test_every_table_is_printed_whole():
    lines = plain(between({1: BEFORE}, {1: AFTER}), "Cluster c")
    for word in ("Cluster c", "NODE", "Produce", "TOPIC (2)", "GROUP (1)", "OPERATOR"):
        assert any(one.startswith(word) for one in lines), word


def test_the_screen_keeps_to_its_size_and_shows_something_of_every_table():
    rates = between({1: BEFORE}, {1: AFTER})
    many = msgspec.structs.replace(rates, topics=rates.topics * 50)
    for columns, height in ((60, 24), (200, 30), (40, 60)):
        lines = drawn(many, columns, height)
        assert len(lines) <= height and max(map(len, lines)) <= columns
        assert lines[0] == "Cluster c"
        for word in ("NODE  CPU", "API", "TOPIC (2)", "GROUP (1)", "OPERATOR"):
            assert any(one.startswith(word) for one in lines), (word, columns, height)
    assert drawn(rates, 60, 4)[0] == "Cluster c"


def drawn(rates, columns, height):
    console = Console(file=io.StringIO(), width=columns, height=height, color_system=None)
    console.print(live.screen(rates, "Cluster c", console))
    return console.file.getvalue().rstrip().splitlines()


def test_one_line_says_what_matters():
    told = line(between({1: BEFORE}, {1: AFTER}))
    assert told.startswith("in 200 records/s 10 KB/s   out 2 KB/s   lag 30   101 requests/s   2 errors/s")
    assert "\n" not in told


@pytest.mark.parametrize(
    "value, text", [(0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (2e6, "2 MB"), (5e12, "5000 GB")]
)
def test_sizes_have_units(value, text):
    assert size(value) == text


@pytest.mark.parametrize("value, text", [(0, "0"), (0.25, "0.2"), (3.0, "3"), (12.6, "13")])
def test_small_rates_have_a_decimal(value, text):
    assert count(value) == text


def test_durations():
    assert (parse_duration("500ms"), parse_duration("2m"), parse_duration("")) == (0.5, 120, float("inf"))
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration("soon")


def top(address, *arguments, code=0):
    command = [sys.executable, "-m", "higgins", "top", "--bootstrap", address, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_the_command_shows_a_broker_that_runs_once_as_text_and_as_json():
    with broker() as running:
        running.create_topic("seen", partitions=3)
        running.produce("seen", b"a", b"b")
        text = top(running.bootstrap_servers, "--once", "--every", "200ms")
        assert "seen" in text and "NODE" in text
        rates = msgspec.json.decode(top(running.bootstrap_servers, "--once", "--json", "--every", "200ms"), type=Rates)
        (topic,) = rates.topics
        assert (topic.topic, topic.partitions, topic.records) == ("seen", 3, 2)
        assert rates.seconds > 0 and rates.requests > 0
        assert "give a duration" in top(running.bootstrap_servers, "--every", "1ms", code=1)
        address = running.bootstrap_servers
    assert "Is a broker running there?" in top(address, "--once", code=1)


@pytest.mark.parametrize("key", [b"q", b"Q", b"xq"])
def test_q_ends_the_screen_and_leaves_the_terminal_as_it_was(key):
    with broker() as running:
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        command = [sys.executable, "-m", "higgins", "top", "-b", running.bootstrap_servers, "--every", "200ms"]

        def take_the_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
            preexec_fn=take_the_terminal,  # noqa: PLW1509 - no threads
        )
        seen = b""
        while b"NODE" not in seen:
            seen += os.read(ours, 1 << 16)
        assert termios.tcgetattr(theirs) != before
        os.write(ours, key)
        while b"\x1b[?1049l" not in seen:
            seen += os.read(ours, 1 << 16)
        assert process.wait(60) == 0
        assert termios.tcgetattr(theirs) == before
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize("terminal, is_drawn", [("xterm", True), ("dumb", False)])
def test_a_terminal_shows_a_screen_until_interrupted(terminal, is_drawn):
    with broker() as running:
        running.create_topic("seen", partitions=3)
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "higgins", "top", "-b", running.bootstrap_servers, "--every", "200ms"]
        process = subprocess.Popen(
            command,
            stdout=theirs,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TERM": terminal, "COLUMNS": "100", "LINES": "30"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
        )
        os.close(theirs)
        seen = b""
        while (b"seen" if is_drawn else b"requests/s") not in seen:
            seen += os.read(ours, 1 << 16)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        try:
            while more := os.read(ours, 1 << 16):
                seen += more
        except OSError:
            pass  # the other end is closed
        os.close(ours)
    # The alternate screen is entered, and left again.
    assert (b"\x1b[?1049h" in seen) == (b"\x1b[?1049l" in seen) == is_drawn
    assert (b"\x1b" in seen) == is_drawn
