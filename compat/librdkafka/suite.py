"""Runs librdkafka's own test runner, test by test, and writes `pass|fail|skip TEST` for each.

Standard library only. `suite.py RUNNERS-FOLDER --broker HOST:PORT … [NUMBER…]`. Each number is
a process of its own, so that one that hangs or aborts takes no other with it; a few that have many parts, and stop at
the first that fails, are run part by part. It starts no broker and builds nothing (suite.sh does), and leaves out tests
that need no broker, or only the library's mock of one.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

RUN_S = 900.0
KAFKA_VERSION = "4.1.0"
# Left out: what needs no broker or is run on request only, and what is for a newer one (groups that share partitions).
NOT_OURS = re.compile(r"TEST_F_(LOCAL|MANUAL)|TEST_F_KNOWN_ISSUE\b|TEST_BRKVER\(4, 2,")
WORDS = {"PASSED": "pass", "FAILED": "fail", "SKIPPED": "skip"}
LONGEST = ("0113", "0089")
IN_PARTS = ("0055", "0081", "0137")
# What test.conf of the library's own continuous integration has, and names that no other run has taken.
CONF = "test.timeout.multiplier=2\ntest.topic.random=true\nbootstrap.servers={}\n"


class Run(NamedTuple):
    """One process: the tests of a number in a scenario, or one part of them."""

    number: str
    scenario: str
    part: str = ""

    def __str__(self) -> str:
        return "-".join(word for word in (self.number, self.scenario, self.part) if word)


class Result(NamedTuple):
    """What became of one test: `outcome` is PASSED, FAILED or SKIPPED."""

    test: str
    outcome: str
    seconds: float
    why: str


def declared(folder: Path) -> Iterator[tuple[str, str]]:
    """The number and the scenarios of each test that wants a broker."""
    table = (folder / "test.c").read_text().split("struct test tests[] = {")[1].split("/* Manual tests */")[0]
    for entry in re.split(r"\n\s*_TEST\(", table)[1:]:
        name = entry.split(",", 1)[0]
        if not NOT_OURS.search(entry) and not name.endswith("_mock"):
            found = re.search(r'scenario = "([\w,]+)"', entry)
            yield name[:4], found[1] if found else "default"


def runs(folder: Path, scenarios: Sequence[str], numbers: Sequence[str]) -> list[Run]:
    """What is to be run, each once."""
    wanted = {
        (number, scenario): None
        for number, allowed in declared(folder)
        for scenario in scenarios
        if scenario in allowed.split(",") and (not numbers or number in numbers)
    }
    in_order = sorted(wanted, key=lambda each: (each[0] not in LONGEST, each))
    return [run for number, scenario in in_order for run in in_parts(folder, number, scenario)]


def in_parts(folder: Path, number: str, scenario: str) -> list[Run]:
    if number not in IN_PARTS:
        return [Run(number, scenario)]
    functions = re.split(r"\nstatic void\s+", next(folder.glob(f"{number}-*.c")).read_text())
    parts = [text.split("(", 1)[0] for text in functions if "SUB_TEST" in text]
    # The colon keeps a name from matching longer ones that begin with it.
    return [Run(number, scenario, f"{part}:") for part in parts]


def run(folder: Path, brokers: dict[str, str], logs: Path, one: Run) -> list[Result]:
    """Run one process to its end, or to RUN_S."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rdk") as work, (logs / str(one)).open("wb") as log:
        conf, report = Path(work, "test.conf"), Path(work, "report")
        conf.write_text(CONF.format(brokers[one.scenario]))
        environment = {
            **os.environ,
            "RDKAFKA_TEST_CONF": str(conf),
            "TEST_REPORT": str(report),
            "TEST_KAFKA_VERSION": KAFKA_VERSION,
            "TESTS": one.number,
            "BROKERS": brokers[one.scenario],
        }
        if one.part:
            environment["SUBTESTS"] = one.part
        command = ["./test-runner", "-L", "-K", "-p1", "-r", "-s", one.scenario]
        try:
            status = subprocess.run(
                command, cwd=folder, env=environment, stdout=log, stderr=log, timeout=RUN_S, check=False
            ).returncode
            ended = f"exit status {status}" if status else ""
        except subprocess.TimeoutExpired:
            ended = f"not over after {RUN_S:.0f} s"
        said = (logs / str(one)).read_text(errors="replace")
        return list(results(one, report, said, ended, time.monotonic() - begun))


def results(one: Run, report: Path, said: str, ended: str, seconds: float) -> Iterator[Result]:
    """From the runner's report, which it writes unless it dies before its end."""
    why, part = first_failure(said) or ended, one.part.rstrip(":")
    try:
        tests = json.loads(report.read_text())["tests"]
    except (OSError, ValueError):
        tests = {}
    named = {name: test for name, test in tests.items() if name.startswith(one.number) and ran(name, test, said)}
    if not named or (ended and all(test["state"] != "FAILED" for test in named.values())):
        yield Result("/".join(filter(None, (one.number, part))), "FAILED", seconds, why or "no report")
        return
    for name, test in named.items():
        skipped = re.search(rf"\[{name} [^\n]*WARN: SKIPPING TEST: ([^\n]*)", said)
        because = why if test["state"] == "FAILED" else skipped[1] if skipped else ""
        yield Result("/".join(filter(None, (name, part))), test["state"], float(test["duration"]), because)


def ran(name: str, test: dict[str, str], said: str) -> bool:
    """Not one of the number's that are left out, nor one for another scenario."""
    return test["state"] != "SKIPPED" or f"Running test {name} " in said


def first_failure(said: str) -> str:
    """The place and the words of the first assertion that did not hold."""
    found = re.search(r'### Test "([^"]*)" failed at (\S+) at [^\n]*\n([^\n]*)', said)
    return re.sub(r"\x1b\[\d*m", "", f"{found[2]} {found[3]}")[:300] if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="the library's folder of tests, where the runner was built")
    parser.add_argument("--broker", required=True, help="HOST:PORT of one with four partitions by default")
    parser.add_argument("--noautocreate", help="HOST:PORT of one that makes no topics by itself")
    parser.add_argument("--logs", type=Path, required=True, help="what each process prints goes there")
    parser.add_argument("--results", type=Path, required=True, help="the outcomes are written there")
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("numbers", nargs="*")
    asked = parser.parse_intermixed_args()
    brokers = {"default": asked.broker, **({"noautocreate": asked.noautocreate} if asked.noautocreate else {})}
    asked.logs.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(asked.jobs) as pool, asked.results.open("w") as outcomes:
        wanted = runs(asked.folder, list(brokers), asked.numbers)
        for found in pool.map(lambda one: run(asked.folder, brokers, asked.logs, one), wanted):
            for result in found:
                print(f"{result.outcome:8}{result.test}  {result.seconds:.1f} s  {result.why}", flush=True)
                print(WORDS[result.outcome], result.test, file=outcomes, flush=True)


if __name__ == "__main__":
    main()
