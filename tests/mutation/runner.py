"""Runs pytest again and again in one tree, each time in a fresh fork: python -m tests.mutation.runner

It reads requests from standard input and answers on standard output, one JSON document a line. The libraries are
imported once, before the forks; the modules of the tree are imported by each fork, so that it sees what is planted. A
fork has its own session, which is killed as a whole when its time is over, and a limit of memory, because a loop with a
mistake may never end or never stop growing.
"""

import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.plugin import Selection, Tracer

LIBRARIES = (
    "pytest_trio", "hypothesis", "trio.testing", "msgspec", "construct", "obstore", "cramjam", "crc32c", "structlog",
    "rich", "cyclopts", "starlette.applications", "anycorn", "prometheus_client",
)  # fmt: skip
MEMORY_BYTES_MAX = 4 << 30
POLL_S = 0.02
TIMED_OUT = 124
ARGUMENTS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "--tb=line")


def main() -> None:
    """Answer requests until standard input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """The exit code of pytest, and what failed; TIMED_OUT if it took longer than `seconds_max`."""
    started = time.monotonic()
    output = Path(request["output"])
    process = os.fork()
    if not process:
        os._exit(_run(request, output))
    code = None
    while code is None:
        time.sleep(POLL_S)
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        elif time.monotonic() - started > request["seconds_max"]:
            code = TIMED_OUT
    # What the tests have started belongs to the session of the fork and ends with it.
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if code == TIMED_OUT:
        os.waitpid(process, 0)
    return {"code": code, "what": _summary(output.read_text(errors="replace"))}


def _summary(output: str) -> str:
    """Which tests failed; the end of the output where pytest does not say so."""
    failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "\n".join(failed) or output[-2000:]


def _run(request: dict[str, Any], output: Path) -> int:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    sys.dont_write_bytecode = not request["trace"]
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    tracer = Tracer(os.getcwd(), request["trace"])
    plugins: list[object] = [tracer] if request["trace"] else []
    if request["only"] is not None:
        plugins.append(Selection(request["only"]))
    code = int(pytest.main([*ARGUMENTS, *request["tests"]], plugins=plugins))
    sys.stdout.flush()
    if request["trace"]:
        calls = {test: sorted(names) for test, names in tracer.calls.items()}
        Path(request["calls"]).write_text(json.dumps({"calls": calls, "seconds": tracer.seconds}))
    return code


if __name__ == "__main__":
    main()
