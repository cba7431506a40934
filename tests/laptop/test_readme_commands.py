"""The commands of the README and of all pages are valid, and those of the README's tour work in their order."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from higgins.cli.app import app
from higgins.cli.own_command import own_command
from tests.laptop.test_documented_commands import BROKER, addresses, environment, replaced
from tests.tidy.imports import ROOT
from tests.tidy.pages import Block, blocks, documentation

__all__ = ["addresses"]

NOT_RUN = re.compile(r"higgins (up|top|demo)\b|docker |export |\. |python3? -m venv")
"""What keeps running, needs a terminal or an installation, or changes the shell. Their arguments are still parsed."""
PROMPTS = {"sh": "", "console": "$ ", "bash": ""}


def commands(block: Block) -> Iterator[str]:
    """The command lines of a block, with continued lines joined and without comments."""
    prompt = PROMPTS.get(block.language)
    if prompt is None:
        return
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith(prompt) and not line.startswith("#"):
            yield re.sub(r"\s+#\s.*", "", line.removeprefix(prompt)).strip()


def calls(command: str) -> Iterator[list[str]]:
    """The arguments of each call of `higgins` in a command line."""
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return  # the beginning of a quoted text of several lines
    call: list[str] = []
    for word in [*words, ";"]:
        if not re.fullmatch(r"[|&;<>()]+", word):
            call += [] if not call and "=" in word else [word]  # the variables before a command
            continue
        if call and Path(call[0]).name == "higgins":
            yield call[1:]
        call = []


DOCUMENTED = [
    pytest.param(call, id=f"{page.name}: {shlex.join(call)}")
    for page in documentation()
    for block in blocks(page.read_text())
    for command in commands(block)
    if not command.startswith(("docker", "pip", "mkdir"))
    for call in calls(command)
]


@pytest.mark.parametrize("call", DOCUMENTED)
def test_arguments_of_documented_commands_are_valid(call: list[str]) -> None:
    app.parse_args(call, exit_on_error=False, print_error=False)


def test_calls_are_found_in_pipelines() -> None:
    assert list(calls("echo 'a | b' | higgins produce t -K : && .venv/bin/higgins up")) == [
        ["produce", "t", "-K", ":"],
        ["up"],
    ]
    assert len(DOCUMENTED) > 30


def test_the_tour_of_the_readme_works_in_its_order(tmp_path: Path, addresses: dict[str, str]) -> None:
    tour = (ROOT / "README.md").read_text().partition("\n## Tour")[2].partition("\n## More")[0]
    done = []
    for block in blocks(tour):
        file = re.match(r"# ([\w-]+\.\w+)\n", block.text)
        if file:
            (tmp_path / file[1]).write_text(replaced(block.text, addresses))
        for command in commands(block):
            if command and not NOT_RUN.match(command):
                ran = subprocess.run(
                    ["bash", "-c", replaced(command, addresses)],
                    cwd=tmp_path, env=environment(addresses[BROKER]), capture_output=True, text=True,
                    timeout=60, check=False,
                )  # fmt: skip
                # The one complaint that a reader may get is about their own machine.
                if not command.startswith("higgins doctor"):
                    assert (ran.returncode, ran.stderr) == (0, ""), command
                assert "Traceback" not in ran.stderr
                done.append(command)
    assert len(done) > 5
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_orders.py"],
        cwd=tmp_path, env=environment(addresses[BROKER]), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout


@pytest.mark.parametrize("name", ["higgins", "python -m"])
@pytest.mark.parametrize("is_active", [True, False])
def test_a_shown_command_works_in_another_terminal(
    name: str, is_active: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "an environment"
    folder.mkdir()
    program = folder / "higgins"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder) if is_active else "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(program) if name == "higgins" else "/somewhere/higgins/__main__.py"])
    if name != "higgins":
        assert shlex.split(own_command()) == [sys.executable, "-m", "higgins"]
    elif is_active:
        assert own_command() == "higgins"
    else:
        assert shlex.split(own_command()) == [str(program)]


def test_a_relative_path_is_shown_as_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [".venv/bin/higgins", "demo"])
    assert own_command() == shlex.quote(str(tmp_path / ".venv/bin/higgins"))
