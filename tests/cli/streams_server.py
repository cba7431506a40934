"""Run commands with their standard streams in a given state, each in a fork of a process that has loaded them.

`python -m tests.cli.streams_server` reads a `Case` as JSON on each line of standard input, and answers an `Outcome`.
A new interpreter for each case would take most of a second.
"""

import contextlib
import io
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from higgins.__main__ import main

# What the commands import when they run.
import higgins.cli.apply  # isort: skip
import higgins.cli.app  # isort: skip
import higgins.cli.completion  # isort: skip
import higgins.cli.consume  # isort: skip
import higgins.cli.demo  # isort: skip
import higgins.cli.doctor.command  # isort: skip
import higgins.cli.group  # isort: skip
import higgins.cli.group_change  # isort: skip
import higgins.cli.operator  # isort: skip
import higgins.cli.produce  # isort: skip
import higgins.cli.top.command  # isort: skip
import higgins.cli.topic  # isort: skip
import higgins.cli.topic_change  # isort: skip
import higgins.cli.topic_config  # isort: skip
import higgins.cli.up  # noqa: F401 # isort: skip

PATIENCE_S = 60
SHORT_BYTES = 20
PIPE_BYTES = 4_096


class Case(msgspec.Struct, frozen=True):
    """A command, and the state of each of its streams; see `_STATES`."""

    arguments: list[str]
    stdin: str = "null"
    stdout: str = "pipe"
    stderr: str = "pipe"
    unbuffered: bool = False
    encoding: str = "utf-8"
    input: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a command wrote to the streams that somebody could read, and its exit code."""

    code: int
    stdout: str
    stderr: str


def _put(descriptor: int, opened: int) -> None:
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)


def _prepare(descriptor: int, state: str, reader: tuple[int, int] | None, path: str, text: str) -> None:
    """Give a descriptor of this process its state. `reader` is a pipe that the parent reads."""
    match state:
        case "closed":
            os.close(descriptor)
        case "pipe" | "non-blocking" | "terminal":
            assert reader is not None
            os.set_blocking(reader[1], state != "non-blocking")
            _put(descriptor, reader[1])
        case "broken":
            reading, writing = os.pipe()
            os.close(reading)
            _put(descriptor, writing)
        case "full":
            _put(descriptor, os.open("/dev/full", os.O_WRONLY))
        case "wrong way":
            _put(descriptor, os.open("/dev/null", os.O_WRONLY if descriptor == 0 else os.O_RDONLY))
        case "short":
            # The file takes so many bytes and no more, like a disk that is nearly full: a short write, then an error.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (SHORT_BYTES, resource.RLIM_INFINITY))
            _put(descriptor, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        case "null":
            _put(descriptor, os.open("/dev/null", os.O_RDWR))
        case "directory":
            _put(descriptor, os.open("/", os.O_RDONLY))
        case "input" | "slow input":
            _put(descriptor, _input(text, slowly=state == "slow input"))
        case _:
            raise ValueError(state)


def _input(text: str, *, slowly: bool) -> int:
    """A file with the text; or a pipe that does not block, into which another process writes it in pieces."""
    if not slowly:
        with tempfile.TemporaryFile("w+b") as file:
            file.write(text.encode())
            file.seek(0)
            return os.dup(file.fileno())
    reading, writing = os.pipe()
    if not os.fork():
        os.close(reading)
        data = text.encode()
        for position in range(0, len(data), 1 + len(data) // 5):
            os.write(writing, data[position : position + 1 + len(data) // 5])
            time.sleep(0.01)
        os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    return reading


def _child(case: Case, pipes: dict[int, tuple[int, int]], path: str) -> None:
    for descriptor, state in ((0, case.stdin), (1, case.stdout), (2, case.stderr)):
        _prepare(descriptor, state, pipes.get(descriptor), path, case.input)
    for reading, _ in pipes.values():
        with contextlib.suppress(OSError):
            os.close(reading)
    # What the interpreter does with the streams at its start.
    for name, descriptor, state in (("stdout", 1, case.stdout), ("stderr", 2, case.stderr)):
        raw = None if state == "closed" else io.FileIO(descriptor, "w", closefd=False)
        setattr(sys, name, None if raw is None else io.TextIOWrapper(raw, case.encoding))
    os.environ.pop("PYTHONUNBUFFERED", None)
    if case.unbuffered:
        os.environ["PYTHONUNBUFFERED"] = "1"
    sys.argv = ["higgins", *case.arguments]
    code: object = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}".encode())
    # What the interpreter does at its end.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            code = 120
    os._exit(code if isinstance(code, int) else 0)


def run(case: Case) -> Outcome:
    """Run a case in a fork."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/out"
        pipes = {
            descriptor: pty.openpty() if state == "terminal" else os.pipe()
            for descriptor, state in ((1, case.stdout), (2, case.stderr))
            if state in ("pipe", "non-blocking", "terminal")
        }
        child = os.fork()
        if not child:
            _child(case, pipes, path)
        for _, writing in pipes.values():
            os.close(writing)
        collected = _collect(child, case, {reading: descriptor for descriptor, (reading, _) in pipes.items()})
        _, status = os.waitpid(child, 0)
        return Outcome(os.waitstatus_to_exitcode(status), collected.get(1, ""), collected.get(2, ""))


def _collect(child: int, case: Case, readers: dict[int, int]) -> dict[int, str]:
    """Read the pipes to their ends, slowly if the command must not block, so that they fill up."""
    out: dict[int, bytes] = dict.fromkeys(readers.values(), b"")
    deadline = time.monotonic() + PATIENCE_S
    remaining = set(readers)
    while remaining and time.monotonic() < deadline:
        for one in select.select(remaining, [], [], 0.05)[0]:
            if case.stdout == "non-blocking":
                time.sleep(0.001)
            try:
                data = os.read(one, PIPE_BYTES)
            except OSError:
                data = b""  # nobody has the terminal any more
            out[readers[one]] += data
            if not data:
                remaining.discard(one)
    if remaining:
        os.kill(child, signal.SIGKILL)
        out[2] = b"Traceback: it did not end\n" + out.get(2, b"")
    for one in readers:
        os.close(one)
    if not readers:
        # Nothing to read: the deadline is that of waitpid's caller.
        while time.monotonic() < deadline and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.01)
    return {descriptor: data.decode(errors="backslashreplace") for descriptor, data in out.items()}


class Server:
    """A process that runs cases. The commands find the broker at `bootstrap`."""

    def __init__(self, bootstrap: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.streams_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"HIGGINS_BOOTSTRAP": bootstrap, "PATH": "/usr/bin:/bin", "COLUMNS": "100", "TERM": "xterm"},
            cwd=Path(__file__).parents[2],
        )

    def run(self, case: Case) -> Outcome:
        """Run a case."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(case) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Outcome)

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0


def serve() -> None:
    """Answer cases until standard input ends."""
    # Cases must not inherit what this process speaks over.
    asked, answers = os.dup(0), os.dup(1)
    os.set_inheritable(asked, False)
    decode = msgspec.json.Decoder(Case).decode
    with os.fdopen(asked, "rb", closefd=True) as lines:
        for line in lines:
            os.write(answers, msgspec.json.encode(run(decode(line))) + b"\n")


if __name__ == "__main__":
    serve()
