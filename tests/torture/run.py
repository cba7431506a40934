"""The whole torture in one command: brokers killed and stopped, a store that may misbehave, clients, a verdict.

usage: python -m tests.torture.run [--seconds 60] [--store DIR|directory|s3] [--chaos] [--nodes 1]
       [--kill 6] [--stop 20] [--roll 30]

With `s3` a versitygw is started over a scratch folder, and with --chaos a proxy before it loses answers, cuts and
delays. Everything is started here, and nothing else is ever signalled. Exit status 0 means no anomaly.
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

from tests.conformance.services import ACCESS, BUCKET, SECRET, free_port, versitygw

BROKER_SETTINGS = (
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "num.partitions=4",
)
CHAOS = ("--lose", "0.02", "--reset", "0.02", "--hole", "0.002", "--hole-seconds", "5", "--delay", "0:0.02")
WORDS_LINES = 15
START_PATIENCE_S = 30


@contextmanager
def running(command: list[str], log: Path, env: dict[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of ours, ended on the way out."""
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
    """The store's URL, and what the environment must say for it."""
    if options.store != "s3":
        return (str(scratch / "store") if options.store == "directory" else options.store), {}
    endpoint = stack.enter_context(versitygw(scratch))
    if options.chaos:
        port = free_port()
        target = endpoint.removeprefix("http://")
        proxy = module("tests.torture.chaosproxy", str(port), target, "--seed", str(options.seed), *CHAOS)
        stack.enter_context(running(proxy, scratch / "proxy.log"))
        endpoint = f"http://127.0.0.1:{port}"
    return f"s3://{BUCKET}/torture", {
        "HIGGINS_STORE_ENDPOINT": endpoint,
        "HIGGINS_STORE_ACCESS_KEY_ID": ACCESS,
        "HIGGINS_STORE_SECRET_ACCESS_KEY": SECRET,
        "HIGGINS_STORE_REQUEST_TIMEOUT_S": "3",
    }


def broker(options: argparse.Namespace, node: int, port: int, url: str) -> list[str]:
    """A broker under its nemesis, which lets it be when the clients have stopped writing."""
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
    """Whether a broker answers in time."""
    deadline = time.monotonic() + START_PATIENCE_S
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
            print(f"no broker answers; see {scratch}/node-0.log")
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
        kinds = {"kill": "kills", "stop": "stops", "rolled": "restarts in good order"}
        print(", ".join(f"{sum(f' {kind} ' in line for line in deaths)} {told}" for kind, told in kinds.items()))
        by_itself = [words for node in range(options.nodes) for words in last_words(scratch / f"node-{node}.log")]
        if by_itself:
            print("brokers ended by themselves:", *by_itself, sep="\n  ")
        print(f"history and logs: {scratch}" if options.keep or status else "")
        return status


def nemesis_lines(log: Path) -> list[str]:
    """What the nemesis did: lines that begin with seconds."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if line.split(" ", 1)[0].replace(".", "", 1).isdigit()]


def last_words(log: Path) -> list[str]:
    """Each end that was nobody's doing, behind what the broker said before."""
    lines, told = log.read_text(errors="replace").splitlines(), nemesis_lines(log)
    deaths = {line for line in told if " died " in line}
    return [line for i, each in enumerate(lines) if each in deaths for line in lines[max(i - WORDS_LINES, 0) : i + 1]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--store", default="directory", help="a folder, 'directory' for a scratch one, or 's3'")
    parser.add_argument("--chaos", action="store_true", help="a proxy before the S3 service that breaks things")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--kill", type=float, default=6, help="mean seconds between kills")
    parser.add_argument("--stop", type=float, default=20, help="mean seconds between stops")
    parser.add_argument("--roll", type=float, default=30, help="mean seconds between restarts in good order")
    parser.add_argument("--pause", type=float, default=8, help="the longest stop in seconds")
    parser.add_argument("--rate", type=float, default=200, help="records a second for each writer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-derived", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep history and logs of a good run too")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="higgins-torture-"))
    status = torture(options, scratch)
    if not status and not options.keep:
        subprocess.run(["rm", "-r", str(scratch)], check=False)
    return status


if __name__ == "__main__":
    sys.exit(main())
