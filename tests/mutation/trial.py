"""Plants mistakes in a copy of the tree, one at a time, and lets the tests judge each."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.mutation.runner import TIMED_OUT
from tests.mutation.source import Mistake

BASE_SECONDS_MAX = 1200.0
SLOWER_MAX = 5
"""How many times as long as without a mistake the tests may take, after START_S for the start of pytest."""

START_S = 20.0

ENOUGH = 0.5
"""A mistake that survives this part of all tests, those that call its function, is not tried again with the others."""


class Verdict(StrEnum):
    """What became of a mistake."""

    NOTICED = "noticed"
    TIMEOUT = "timeout"
    """The tests did not end: noticed, too."""

    SURVIVED = "survived"
    NOT_REACHED = "not reached"
    """No test calls the function; it survives without a run."""

    @property
    def survives(self) -> bool:
        return self in (Verdict.SURVIVED, Verdict.NOT_REACHED)


class TestsFail(Exception):
    """The tests fail without any mistake, so that they cannot judge one."""

    __test__ = False


@dataclass(frozen=True)
class Reach:
    """Which tests call a function, and how long each takes."""

    calls: dict[str, set[str]]
    """For each test, the functions as path:first line."""

    seconds: dict[str, float]

    def tests_of(self, mistake: Mistake) -> list[str] | None:
        """The tests that call the function of a mistake; None if it runs at import, where any test may notice."""
        if not mistake.function:
            return None
        function = f"{mistake.path}:{mistake.first_line}"
        return [test for test, functions in self.calls.items() if function in functions]


def copy_tree(root: Path, copy: Path) -> None:
    """Copy what git knows or would add, with its times, so that compiled modules stay valid."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)


class Trials:
    """One copy of the tree with one runner of tests in it. Use it as a context manager."""

    def __init__(self, copy: Path, tests: Sequence[str], then: Sequence[str] = ()) -> None:
        """`tests` judge every mistake; `then`, if given, judge what survives them. Paths are relative to the copy."""
        self._copy = copy
        self._tests = list(tests)
        self._then = list(then)
        paths = [str(copy), str(copy / "protocol")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}
        self._runner = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.runner"],
            cwd=copy, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.terminate()
        self._runner.communicate()

    def measure(self, paths: Collection[str]) -> Reach:
        """Run the tests without a mistake and see which functions of these modules each calls. Raises: TestsFail."""
        calls = self._copy.parent / f"{self._copy.name}.calls"
        answer = self._request(self._tests, None, BASE_SECONDS_MAX, trace=list(paths), calls=str(calls))
        if answer["code"] != 0:
            raise TestsFail(f"The tests fail without any mistake:\n{answer['what']}")
        measured = json.loads(calls.read_text())
        return Reach({test: set(names) for test, names in measured["calls"].items()}, measured["seconds"])

    def judge(self, mistake: Mistake, reach: Reach) -> Verdict:
        """Plant a mistake, run the tests that can notice it, and remove it again."""
        tests = reach.tests_of(mistake)
        if tests == [] and not self._then:
            return Verdict.NOT_REACHED
        target = self._copy / mistake.path
        stat = target.stat()
        target.write_text(mistake.after)
        try:
            return self._judge_planted(tests, reach)
        finally:
            target.write_text(mistake.before)
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def _judge_planted(self, tests: list[str] | None, reach: Reach) -> Verdict:
        total = sum(reach.seconds.values())
        verdict = Verdict.NOT_REACHED
        if tests:
            files = sorted({test.partition("::")[0] for test in tests})
            verdict = self._verdict(files, tests, sum(reach.seconds[test] for test in tests))
        if tests is None or (tests and verdict.survives and len(tests) < ENOUGH * len(reach.calls)):
            verdict = self._verdict(self._tests, None, total)
        if self._then and verdict.survives:
            verdict = self._verdict(self._then, None, BASE_SECONDS_MAX)
        return verdict

    def _verdict(self, paths: list[str], only: list[str] | None, seconds: float) -> Verdict:
        code = self._request(paths, only, START_S + SLOWER_MAX * seconds)["code"]
        if code == TIMED_OUT:
            return Verdict.TIMEOUT
        return Verdict.NOTICED if code else Verdict.SURVIVED

    def _request(
        self, tests: list[str], only: list[str] | None, seconds_max: float, trace: Sequence[str] = (), calls: str = ""
    ) -> dict[str, Any]:
        assert self._runner.stdin is not None and self._runner.stdout is not None
        output = str(self._copy.parent / f"{self._copy.name}.output")
        request = {
            "tests": tests, "only": only, "seconds_max": seconds_max, "trace": trace, "calls": calls, "output": output,
        }  # fmt: skip
        self._runner.stdin.write(json.dumps(request) + "\n")
        self._runner.stdin.flush()
        line = self._runner.stdout.readline()
        if not line:
            raise RuntimeError("The runner of the tests has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer
