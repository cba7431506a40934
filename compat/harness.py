"""Runs the stories of one client against a broker: starts it, kills it and restarts it when a story asks, counts.

Standard library only. `harness.py FOLDER --python INTERPRETER [--story NAME]… [--against HOST:PORT]`. The broker is
`higgins up` on a temporary directory and a port of its own, unless `--against` names one, which is never restarted.
Exit code 0 when every story in the folder's `tests.allow` has passed and no other has failed.
"""

import argparse
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

COMPAT = Path(__file__).resolve().parent
STORY_S = 120.0
START_S = 20.0
COMMAND_S = 30.0
SETTLE_S = 2.0
LOG_TAIL_LINES = 40
EXIT_SKIPPED = 77
# What third-party suites assume of a broker.
SETTINGS = (
    "num.partitions=4",
    "auto.create.topics.enable=true",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
)


class Result(NamedTuple):
    """What became of one story: `outcome` is pass, fail or skip."""

    story: str
    outcome: str
    seconds: float
    why: str


def higgins_command() -> list[str]:
    """The command under trial: $HIGGINS, the repository's own environment, or whatever is on the path."""
    beside = COMPAT.parent / ".venv" / "bin" / "higgins"
    found = os.environ.get("HIGGINS") or (str(beside) if beside.exists() else shutil.which("higgins"))
    if not found:
        sys.exit("No higgins command: install the project (pip install -e .), or set HIGGINS to its path.")
    return [found]


class Broker:
    """A broker in a process of ours, on a directory that outlives its restarts and may be shared with another."""

    def __init__(self, folder: Path, name: str = "broker") -> None:
        self.folder = folder
        self._store = folder / "store"
        self.log_path = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.address = "127.0.0.1:0"

    def start(self) -> None:
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        command = [*higgins_command(), "up", "--store", str(self._store), "--listen", self.address, *settings]
        # What says how to run the stories is no setting of a broker, which would refuse it as unknown.
        environment = {name: value for name, value in os.environ.items() if name != "HIGGINS_PYTHON"}
        with self.log_path.open("ab") as log:
            begun = log.tell()
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(rb"listening +(\S+:\d+)", self.log_path.read_bytes()[begun:])
            if found:
                self.address = found[1].decode()
                return
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
        raise RuntimeError(f"the broker did not start:\n{self.log_tail()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(COMMAND_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise RuntimeError(f"the broker did not end within {COMMAND_S:.0f} s of {how.name}") from None

    def restart(self, how: signal.Signals) -> None:
        self.stop(how)
        self.start()

    def log_tail(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:])


class Trial:
    """One client against one broker."""

    def __init__(self, folder: Path, python: str, address: str, broker: Broker | None) -> None:
        self._folder = folder
        self._python = python
        self._given_address = address
        self._broker = broker
        self._second: Broker | None = None

    @property
    def address(self) -> str:
        return self._given_address if self._broker is None else self._broker.address

    def tell(self, story: str) -> Result:
        """Run one story in a process of its own; it always ends."""
        begun = time.monotonic()
        command = [self._python, str(COMPAT / "tell.py"), str(self._folder), story, self.address]
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
            timely = self._attend(process, begun + STORY_S)
            errors.seek(0)
            said = errors.read().strip()
        seconds = time.monotonic() - begun
        self._end_second()
        if not timely:
            return Result(story, "fail", seconds, f"not over after {STORY_S:.0f} s\n{said}")
        outcome = {0: "pass", EXIT_SKIPPED: "skip"}.get(process.returncode, "fail")
        return Result(story, outcome, seconds, "" if outcome == "pass" else said)

    def log_tail(self) -> str:
        return "" if self._broker is None else self._broker.log_tail()

    def _start_second(self) -> None:
        """A second node on the same store, until the story is over."""
        assert self._broker is not None
        self._second = Broker(self._broker.folder, "second")
        self._second.start()

    def _roll(self) -> None:
        """Restart both nodes in turn, as an operator does: one is up for a while before the other goes."""
        assert self._broker is not None and self._second is not None
        for node in (self._broker, self._second):
            node.restart(signal.SIGTERM)
            time.sleep(SETTLE_S)

    def _end_second(self) -> None:
        second, self._second = self._second, None
        if second is not None:
            second.stop()

    def _attend(self, process: subprocess.Popen[str], deadline: float) -> bool:
        """Do what the story asks until it is over; False when it took too long and was killed."""
        assert process.stdin is not None and process.stdout is not None
        asked: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_lines, args=(process.stdout, asked), daemon=True).start()
        try:
            while (line := asked.get(timeout=max(deadline - time.monotonic(), 0))) is not None:
                if line.startswith('{"ask"'):
                    process.stdin.write(json.dumps(self._do(json.loads(line))) + "\n")
                    process.stdin.flush()
            process.wait(max(deadline - time.monotonic(), 0.1))
        except (queue.Empty, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
            return False
        except BrokenPipeError:
            process.wait(max(deadline - time.monotonic(), 0.1))
        return True

    def _do(self, asked: dict[str, str]) -> dict[str, str]:
        try:
            match asked["ask"]:
                case "restart" | "kill" | "second" | "roll" if self._broker is None:
                    return {"outcome": "skip", "why": "the broker is not ours to restart (--against)"}
                case "restart" | "kill" as how:
                    assert self._broker is not None
                    self._broker.restart(signal.SIGKILL if how == "kill" else signal.SIGTERM)
                case "second":
                    self._start_second()
                case "roll":
                    self._roll()
                case "create":
                    self._command("topic", "create", asked["topic"], "--partitions", str(asked["partitions"]))
                case "apply" if self._broker is None and not self._takes_topographies():
                    return {"outcome": "skip", "why": "the broker given with --against takes no topographies"}
                case "apply":
                    with tempfile.TemporaryDirectory() as folder:
                        path = Path(folder) / "topography.toml"
                        path.write_text(asked["document"])
                        self._command("apply", str(path))
                case unknown:
                    raise RuntimeError(f"nobody here can {unknown}")
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            return {"outcome": "failed", "why": str(error)}
        return {"outcome": "done", "why": ""}

    def _takes_topographies(self) -> bool:
        try:
            self._command("operator", "list")
        except (RuntimeError, subprocess.SubprocessError):
            return False
        return True

    def _command(self, *arguments: str) -> None:
        command = [*higgins_command(), *arguments, "--bootstrap", self.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


def _lines(stream: IO[str], into: "queue.Queue[str | None]") -> None:
    for line in stream:
        into.put(line)
    into.put(None)


@contextlib.contextmanager
def trial(folder: Path, python: str, against: str) -> Iterator[Trial]:
    """A trial against the given broker, or one that lives as long as the block."""
    if against:
        yield Trial(folder, python, against, None)
        return
    with tempfile.TemporaryDirectory(prefix="higgins-compat-", ignore_cleanup_errors=True) as temporary:
        broker = Broker(Path(temporary))
        broker.start()
        try:
            yield Trial(folder, python, "", broker)
        finally:
            broker.stop()


def allowed(folder: Path) -> list[str]:
    """The stories that must pass: one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in (folder / "tests.allow").read_text().splitlines())
    return [line for line in lines if line]


def all_stories(folder: Path, python: str) -> list[str]:
    command = [python, str(COMPAT / "tell.py"), "--list", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=True).stdout.split()


def tell_all(trial: Trial, names: Sequence[str], client: str) -> list[Result]:
    results = []
    for name in names:
        result = trial.tell(name)
        results.append(result)
        print(f"{client:<20} {name:<16} {result.outcome:<5} {result.seconds:6.1f} s  {_last_line(result)}", flush=True)
        if result.outcome == "fail":
            print(f"{result.why}\n--- the broker's log ends with ---\n{trial.log_tail()}", file=sys.stderr, flush=True)
    return results


def _last_line(result: Result) -> str:
    return "" if result.outcome == "pass" or not result.why else result.why.splitlines()[-1][:200]


def judge(results: Sequence[Result], must: Sequence[str], against: str) -> list[str]:
    """What is wrong with these results, in sentences."""
    faults = [f"{one.story} failed" for one in results if one.outcome == "fail"]
    for one in results:
        if one.outcome == "skip" and one.story in must and not against:
            faults.append(f"{one.story} is in tests.allow and was skipped: {_last_line(one)}")
        if one.outcome == "pass" and one.story not in must and not against:
            faults.append(f"{one.story} passes: add it to tests.allow")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description="Put one client through its stories.")
    parser.add_argument("folder", type=Path, help="the client's folder")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the client")
    parser.add_argument("--version", default="", help="the client's version, for the report")
    parser.add_argument("--story", action="append", default=[], help="only this story; may be repeated")
    parser.add_argument("--against", default="", metavar="HOST:PORT", help="a broker that runs already")
    parser.add_argument("--results", type=Path, help="where to write the results, as JSON")
    options = parser.parse_args()
    folder = options.folder.resolve()
    with trial(folder, options.python, options.against) as running:
        results = tell_all(running, options.story or all_stories(folder, options.python), folder.name)
    if options.results:
        rows = [one._asdict() for one in results]
        options.results.write_text(json.dumps({"client": folder.name, "version": options.version, "stories": rows}))
    faults = judge(results, allowed(folder), options.against)
    for fault in faults:
        print(f"{folder.name}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
