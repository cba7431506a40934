"""What the command line offers to programs (JSON), to shells (completion) and to who waits (progress)."""

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio.testing

from higgins.cli.app import app
from higgins.cli.progress import Progress, count_text
from higgins.testing import RunningBroker, broker

HIGGINS = [sys.executable, "-m", "higgins"]
PATIENCE_S = 60
TOPOGRAPHY = """\
[streams.orders]
[streams.large]
base = "orders"
type = "filter"
where = "qty > 5"
"""


@pytest.fixture(scope="module")
def running() -> Iterator[RunningBroker]:
    with broker() as found:
        yield found


@pytest.fixture
def higgins(running: RunningBroker, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Run a command here, with --json; what it printed, read as JSON."""
    monkeypatch.setenv("HIGGINS_BOOTSTRAP", running.bootstrap_servers)

    def run(*arguments: str, code: int = 0) -> object:
        capfd.readouterr()
        assert app([*arguments, "--json"], result_action="return_value") == code
        return json.loads(capfd.readouterr().out)

    return run


def test_topics_as_json(higgins, running: RunningBroker) -> None:
    assert higgins("topic", "create", "told", "-p", "2") == {"topic": "told", "created": True}
    running.produce("told", b"1", b"2", partition=1)
    assert {"topic": "told", "partitions": 2} in higgins("topic", "list")
    higgins("topic", "create", "__consumer_offsets")
    ours, every = ({one["topic"] for one in higgins("topic", "list", *flag)} for flag in ((), ("--internal",)))
    assert every - ours == {"__consumer_offsets"} and "told" in ours
    described = higgins("topic", "describe", "told")
    assert re.fullmatch("[0-9a-f]{32}", described["id"])
    assert described["partitions"][1] == {"partition": 1, "leader": 1, "start": 0, "end": 2, "records": 2}
    assert higgins("topic", "delete", "told") == {"topic": "told", "deleted": True}


def test_groups_as_json(higgins, running: RunningBroker) -> None:
    running.produce("shared", b"1", b"2", b"3")
    assert app(["consume", "shared", "-g", "team", "-n", "2"], result_action="return_value") == 0
    running.produce("shared", b"4")
    assert {"group": "team", "type": "consumer", "state": "Empty"} in higgins("group", "list")
    described = higgins("group", "describe", "team")
    assert (described["group"], described["state"], described["members"]) == ("team", "Empty", [])
    (one,) = described["partitions"]
    assert one == {"topic": "shared", "partition": 0, "committed": 2, "end": 4, "lag": 2, "member": None}


def test_operators_as_json(higgins, tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(TOPOGRAPHY)
    applied = higgins("apply", str(file))
    assert applied["errors"] == [] and applied["changes"] and applied["version"]
    assert higgins("apply", str(file))["changes"] == []
    (one,) = higgins("operator", "list")
    assert (one["operator"], one["input"], one["output"], one["lag"]) == ("large", "orders", "large", 0)
    assert higgins("operator", "delete", "large") == {"operator": "large", "deleted": True}
    file.write_text(TOPOGRAPHY.replace('"filter"', '"filtre"'))
    assert higgins("apply", str(file), code=1)["errors"][0]["line"] == 4


def test_ping_as_json(higgins, running: RunningBroker) -> None:
    assert higgins("ping") == {"address": running.bootstrap_servers, "answers": True}
    told = higgins("ping", "--bootstrap", "127.0.0.1:1", code=1)
    assert (told["address"], told["answers"]) == ("127.0.0.1:1", False) and told["why"]


def test_up_and_demo_as_json(tmp_path: Path) -> None:
    flags = ["--store", "memory://", "--listen", "127.0.0.1:0", "--json"]
    up = subprocess.Popen(
        [*HIGGINS, "up", *flags], cwd=tmp_path, env={}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert up.stdout is not None
    told = json.loads(up.stdout.readline())
    up.terminate()
    assert up.communicate(timeout=PATIENCE_S)[0] == b"" and up.returncode == 0
    assert told["store"] == "memory://" and not told["listeners"][0]["advertised"].endswith(":0")
    demo = subprocess.run(
        [*HIGGINS, "demo", "--for", "2s", "--rate", "40", *flags],
        cwd=tmp_path, env={}, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    orders = [json.loads(line) for line in demo.stdout.splitlines()]
    assert len({one["order"]["id"] for one in orders if one["topic"] == "orders"}) >= 5
    assert all(one["order"]["qty"] > 5 for one in orders if one["topic"] == "large")


def test_every_command_that_prints_takes_json() -> None:
    without = [" ".join(path) for path in commands(app) if "--json" not in flags_of(path)]
    # A script for a shell is what it is.
    assert without == ["completion"]


def commands(parent, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in parent:
        if name.startswith("-"):
            continue
        child = parent[name]
        nested = list(commands(child, (*path, name)))
        yield from nested or [(*path, name)]


def flags_of(path: tuple[str, ...]) -> str:
    found = io.StringIO()
    from rich.console import Console  # noqa: PLC0415

    app([*path, "--help"], console=Console(file=found, width=200), result_action="return_value")
    return found.getvalue()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("higgins to", {"topic"}),
        ("higgins topic d", {"delete", "describe"}),
        ("higgins produce t --compression ", {"none", "gzip", "snappy", "lz4", "zstd"}),
        ("higgins completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(typed: str, offered: set[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    script = subprocess.run([*HIGGINS, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    words = typed.split(" ")
    quoted = " ".join(f"'{one}'" for one in words)
    script += f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _higgins; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert set(done.stdout.split()) >= offered


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "#compdef higgins"), ("fish", "complete -c higgins")])
def test_other_shells_get_their_own(shell: str, mark: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert app(["completion", shell], result_action="return_value") == 0
    assert mark in capfd.readouterr().out


def test_the_count_and_the_rate() -> None:
    assert count_text(0, 0.0) == "0 records  0/s"
    assert count_text(12_000, 2.0) == "12,000 records  6,000/s"


ERASE_LINE = "\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


async def test_progress_is_drawn_now_and_then_and_wiped(
    autojump_clock: trio.testing.MockClock, terminal: Terminal
) -> None:
    with Progress(stream=terminal) as progress:
        for _ in range(100):
            progress.advance(1)
            await trio.sleep(0.01)
    drawn = terminal.getvalue()
    assert 5 <= drawn.count("records") <= 11
    assert ERASE_LINE in drawn.rpartition("records")[2]


async def test_progress_with_a_known_end_has_a_bar_and_the_time_left(
    autojump_clock: trio.testing.MockClock, terminal: Terminal
) -> None:
    with Progress(lambda: progress.records / 400, stream=terminal) as progress:
        for _ in range(100):
            progress.advance(1)
            await trio.sleep(0.1)
    last = terminal.getvalue().rpartition("records")
    assert "25%" in last[0].rpartition("records")[2] and "0:00:3" in last[2]


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
async def test_progress_respects_what_the_terminal_can_do(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    with Progress(lambda: 0.5, stream=terminal) as progress:
        for _ in range(10):
            await trio.sleep(1)
            progress.advance(1)
    assert ("records" in terminal.getvalue()) == ("NO_COLOR" in variables)
    assert not re.search("\x1b\\[[0-9;]*[34][0-9][;m]", terminal.getvalue())


def test_a_table_on_a_terminal_is_as_complete_as_in_a_pipe(
    running: RunningBroker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "[bold]no-markup".replace("[bold]", "x" * 150)
    running.create_topic(name)
    monkeypatch.setenv("HIGGINS_BOOTSTRAP", running.bootstrap_servers)
    app(["topic", "list"], result_action="return_value")
    piped = capsys.readouterr().out
    assert "\x1b" not in piped and f"{name}  1\n" in piped
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    app(["topic", "list"], result_action="return_value")
    drawn = capsys.readouterr().out
    lines = [one.rstrip() for one in re.sub("\x1b\\[[0-9;]*m", "", drawn).splitlines()]
    assert "\x1b[1m" in drawn and max(map(len, lines)) <= 60
    assert name in "".join(one.split(" ")[0] for one in lines)


async def test_no_progress_is_drawn_between_other_output(autojump_clock: trio.testing.MockClock) -> None:
    file, shared = io.StringIO(), Terminal()
    with Progress(stream=file) as one, Progress(stream=shared, shares_terminal=True) as other:
        for _ in range(10):
            await trio.sleep(1)
            one.advance(1)
            other.advance(1)
    assert file.getvalue() == shared.getvalue() == ""
    assert one.records == 10


def test_a_long_produce_and_consume_show_how_far_they_are(running: RunningBroker, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"a line of a file\n" * 100_000)
    produced = on_a_terminal(f"produce progress --bootstrap {running.bootstrap_servers} < lines", tmp_path)
    assert re.search(r"\d+%.* [\d,]+ records  [\d,]+/s", produced)
    assert "100000 records stored" in produced
    consumed = on_a_terminal(f"consume progress -e --bootstrap {running.bootstrap_servers} > copy", tmp_path)
    assert re.search(r"\d+%.* [\d,]+ records  [\d,]+/s", consumed)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "lines").read_bytes()


def on_a_terminal(command: str, folder: Path) -> str:
    """Run it with standard error on a terminal of its own; what appeared there."""
    ours, theirs = pty.openpty()
    line = f"{' '.join(HIGGINS)} {command}"
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        line, shell=True, cwd=folder, stdin=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    try:
        while more := os.read(ours, 1 << 16):
            seen += more
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0, seen
    return seen.decode()
