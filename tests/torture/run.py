"""The complete torture test in one command: brokers that are killed and stopped, a faulty store, clients, and checks.

usage: python -m tests.torture.run [--seconds 60] [--store DIR|directory|s3|azure|gcs] [--chaos] [--nodes 1]
       [--kill 6] [--stop 20] [--roll 30]

With `s3` a versitygw is started on a temporary directory, with `azure` an azurite, with `gcs` a fake-gcs-server. With
--chaos a proxy in front of it drops responses, closes connections and delays requests. Only processes that this command
started are signalled. Exit status 0: no anomaly.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conformance.services import SERVICES, free_port, settings_for, variables_for

BROKER_SETTINGS = (
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "num.partitions=4",
)
CHAOS = ("--lose", "0.02", "--reset", "0.02", "--hole", "0.002", "--hole-seconds", "5", "--delay", "0:0.02")
LOG_LINES_BEFORE_EXIT = 15
START_TIMEOUT_S = 30


@contextmanager
def running(command: list[str], log: Path, env: dict[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A child process that is stopped when the block ends."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def store_of(options: argparse.Namespace, scratch: Path, stack: ExitStack) -> tuple[str, dict[str, str]]:
    """The store's URL, and the environment variables that it needs."""
    if options.store not in SERVICES:
        return (str(scratch / "store") if options.store == "directory" else options.store), {}
    endpoint = stack.enter_context(SERVICES[options.store](scratch))
    if options.chaos:
        port = free_port()
        target, _, path = endpoint.removeprefix("http://").partition("/")
        proxy = module("tests.torture.chaosproxy", str(port), target, "--seed", str(options.seed), *CHAOS)
        stack.enter_context(running(proxy, scratch / "proxy.log"))
        endpoint = f"http://127.0.0.1:{port}/{path}".rstrip("/")
    settings = settings_for(options.store, endpoint, "torture")
    return settings.url, {**variables_for(settings), "HIGGINS_STORE_REQUEST_TIMEOUT_S": "3"}


def broker(options: argparse.Namespace, node: int, port: int, url: str) -> list[str]:
    """The command of a broker under the nemesis, which stops injecting faults when the clients stop writing."""
    sets = [word for setting in BROKER_SETTINGS for word in ("--set", setting)]
    up = module("higgins", "up", "--store", url, "--listen", f"127.0.0.1:{port}", *sets)
    nemesis = module(
        "tests.torture.nemesis",
        *("--kill", str(options.kill), "--stop", str(options.stop), "--pause", str(options.pause)),
        *("--roll", str(options.roll)),
        *("--seed", str(options.seed + node), "--calm-after", str(options.seconds)),
    )
    return [*nemesis, "--", *up]


def answers(address: str) -> bool:
    """Whether a broker answers within START_TIMEOUT_S."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if subprocess.run(module("higgins", "ping", "-b", address), capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.3)
    return False


def torture(options: argparse.Namespace, scratch: Path) -> int:
    with ExitStack() as stack:
        url, environment = store_of(options, scratch, stack)
        ports = [free_port() for _ in range(options.nodes)]
        for node, port in enumerate(ports):
            command = broker(options, node, port, url)
            log = scratch / f"node-{node}.log"
            stack.enter_context(running(command, log, {**os.environ, **environment}))
        addresses = [f"127.0.0.1:{port}" for port in ports]
        if not any(answers(address) for address in addresses):
            print(f"No broker answered within {START_TIMEOUT_S:g} s. Its log is {scratch}/node-0.log")
            return 2
        history = scratch / "history.jsonl"
        command = module(
            "tests.torture.torture",
            *("--bootstrap", ",".join(addresses), "--seconds", str(options.seconds), "--out", str(history)),
            *("--seed", str(options.seed), "--txn", "0", "--eos", "0", "--rate", str(options.rate)),
            *("--configs", "--grow", "--trim"),
            *(() if options.no_derived else ("--derived",)),
        )
        status = subprocess.run(command, check=False).returncode
        deaths = [line for node in range(options.nodes) for line in nemesis_lines(scratch / f"node-{node}.log")]
        kinds = {"kill": "kills", "stop": "stops", "rolled": "graceful restarts"}
        print(", ".join(f"{sum(f' {kind} ' in line for line in deaths)} {label}" for kind, label in kinds.items()))
        exits = [line for node in range(options.nodes) for line in unexpected_exits(scratch / f"node-{node}.log")]
        if exits:
            print("Brokers exited unexpectedly:", *exits, sep="\n  ")
        print(f"history and logs: {scratch}" if options.keep or status else "")
        return status


def nemesis_lines(log: Path) -> list[str]:
    """The lines of the nemesis, which begin with seconds."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if line.split(" ", 1)[0].replace(".", "", 1).isdigit()]


def unexpected_exits(log: Path) -> list[str]:
    """Each unexpected exit, after the last lines that the broker logged."""
    lines, actions = log.read_text(errors="replace").splitlines(), nemesis_lines(log)
    deaths = {line for line in actions if " died " in line}
    before = LOG_LINES_BEFORE_EXIT
    return [line for i, last in enumerate(lines) if last in deaths for line in lines[max(i - before, 0) : i + 1]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--store", default="directory", help="a directory; or directory, s3, azure, gcs")
    parser.add_argument("--chaos", action="store_true", help="put a faulty proxy in front of the cloud's service")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--kill", type=float, default=6, help="mean seconds between kills")
    parser.add_argument("--stop", type=float, default=20, help="mean seconds between stops")
    parser.add_argument("--roll", type=float, default=30, help="mean seconds between graceful restarts")
    parser.add_argument("--pause", type=float, default=8, help="the longest stop in seconds")
    parser.add_argument("--rate", type=float, default=200, help="records per second of each writer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-derived", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the history and logs also without anomalies")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="higgins-torture-"))
    status = torture(options, scratch)
    if not status and not options.keep:
        subprocess.run(["rm", "-r", str(scratch)], check=False)
    return status


if __name__ == "__main__":
    sys.exit(main())
