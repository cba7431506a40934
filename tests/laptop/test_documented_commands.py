"""The commands on the pages of the documentation are run in order, and what they print is compared with the page.

A `console` block has commands after `$ ` and their output. `...` stands for anything within a line, and on a line of
its own for any number of lines. A block of another language whose first line is `# NAME` is a file of that name. Blocks
marked `sh` or `text` are not run: they are for other terminals, or need something that a test must not install.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conformance.services import free_port
from tests.tidy.pages import DOCS, blocks

PAGES = ("produce-and-consume.md", "derived-streams.md", "monitoring.md", "testing.md")
TOOLS = ("kcat", "curl")
COMMAND_PATIENCE_S = 60
START_PATIENCE_S = 30
SETTLE_PATIENCE_S = 15
BROKER, METRICS = "127.0.0.1:9092", "127.0.0.1:9404"
_ONLY_READS = re.compile(r"higgins (\w+ (list|describe)|top|doctor)\b")
_FILE_NAME = re.compile(r"# ([\w-]+\.\w+)\n")


class Step(NamedTuple):
    """A command, and what the page says it prints."""

    command: str
    output: str


def steps(session: str) -> list[Step]:
    """The commands of a console block."""
    commands = re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]
    return [Step(*(part.strip("\n") for part in each.partition("\n")[::2])) for each in commands]


def agrees(shown: str, printed: str) -> bool:
    """Whether a command printed what the page shows."""
    pattern = ""
    for line in shown.splitlines():
        if line == "...":
            pattern += "(?:.*\n)*"
        else:
            pattern += ".*".join(map(re.escape, line.rstrip().split("..."))) + "\n"
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, text) is not None


def environment(broker: str) -> dict[str, str]:
    """The environment of a new user, with the commands of this interpreter first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HIGGINS_")}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "HIGGINS_BOOTSTRAP": broker,
        "COLUMNS": "120",
    }


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start a broker as the pages do, on free ports; gives the real address for each address on the pages."""
    real = {BROKER: f"127.0.0.1:{free_port()}", METRICS: f"127.0.0.1:{free_port()}"}
    log = (tmp_path / "broker.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "higgins", "up", "--listen", real[BROKER], "--metrics", real[METRICS]],
        cwd=tmp_path, env=environment(real[BROKER]), stdout=log, stderr=log,
    )  # fmt: skip
    try:
        ping = [sys.executable, "-m", "higgins", "ping", "--timeout", str(START_PATIENCE_S)]
        for _ in range(START_PATIENCE_S):
            if not subprocess.run(ping, env=environment(real[BROKER]), capture_output=True, check=False).returncode:
                break
            assert process.poll() is None, (tmp_path / "broker.log").read_text()
        yield real
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def run(step: Step, directory: Path, addresses: dict[str, str]) -> str:
    """What a command prints. A command that only reads is repeated until its output agrees or the time is over, since
    operators and groups need a moment to get there."""
    back = {real: shown for shown, real in addresses.items()}
    deadline = time.monotonic() + (SETTLE_PATIENCE_S if _ONLY_READS.match(step.command) else 0)
    while True:
        done = subprocess.run(
            ["bash", "-c", replaced(step.command, addresses)],
            cwd=directory, env=environment(addresses[BROKER]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=COMMAND_PATIENCE_S, check=False,
        )  # fmt: skip
        printed = replaced(done.stdout, back)
        if agrees(step.output, printed) or time.monotonic() >= deadline:
            return printed


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_a_page_print_what_it_shows(name: str, tmp_path: Path, addresses: dict[str, str]) -> None:
    text = (DOCS / name).read_text()
    count, differences = 0, list[str]()
    for block in blocks(text):
        file = _FILE_NAME.match(block.text)
        # The settings in the example are for another machine.
        if file and block.language != "sh" and file[1] != "higgins.toml":
            (tmp_path / file[1]).write_text(replaced(block.text, addresses))
        if block.language != "console":
            continue
        for step in steps(block.text):
            count += 1
            if any(re.search(rf"\b{tool}\b", step.command) and not shutil.which(tool) for tool in TOOLS):
                continue
            printed = run(step, tmp_path, addresses)
            if not agrees(step.output, printed):
                differences.append(f"$ {step.command}\nshown:\n{step.output}\nprinted:\n{printed}")
    assert count, f"{name} has no commands"
    if differences:
        pytest.fail("\n\n".join([f"docs/{name}:", *differences]), pytrace=False)


def test_dots_stand_for_anything_and_everything_else_for_itself() -> None:
    assert agrees("Applied, version ...\n...\nlast", "Applied, version 72c3\nin between\nlast\n")
    assert agrees("first\n...", "first\n")
    assert not agrees("first", "first\nsecond\n")
    assert not agrees("Applied, version 7", "Applied, version 72c3\n")
