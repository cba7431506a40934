"""Measures several brokers alternately on the same machine, and prints their ratios.

usage: python -m tests.bench.sitting [--peers memory,kafka] [--only produce-1,consume-1] [--rounds 3] [--keep]

Every round starts each peer, one at a time, measures it with measure.py and stops it. With --keep they run for all
rounds, which favours brokers that get faster after a while, such as a JVM. A figure is the median of its rounds; a
ratio is the first peer's figure divided by each other's. Peers: kafka, memory, directory, directory-os, s3, s3-slow
(each request to the store takes 40 ms more). Needs two cores, a C compiler and librdkafka's headers.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack

from tests.bench.peers import DRIVER_CORE, HERE, Peer, driver, objects_in, started

FIGURES = (
    "mb_s", "records_s", "broker_cpu_s_per_gb", "broker_cpu_us_per_record", "p50_ms", "p99_ms", "rss_mb", "puts_s",
)  # fmt: skip
CASES = "produce-1,consume-1,produce-8,consume-8,produce-slow,single,tail"
PATIENCE_S = 900

Figures = dict[tuple[str, str], dict[str, list[float]]]


def measure(name: str, peer: Peer, case: str, megabytes: int) -> dict[str, float]:
    """Measure one case on one running peer. A case that consumes is joined by + to the one that produces its input."""
    before, begun_s = objects_in(peer.folder), time.monotonic()
    command = [sys.executable, str(HERE / "measure.py"), peer.address, "--pid", str(peer.pid), "--name", name, "--json"]
    command += ["--only", case, "--driver", str(driver()), "--core", DRIVER_CORE, "--megabytes", str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if not lines or "error" in lines[-1]:
        sys.exit(f"{name} {case}: {lines[-1]['error'] if lines else done.stderr.strip()}")
    result: dict[str, float] = lines[-1]
    if peer.folder is not None:
        result["puts_s"] = round((objects_in(peer.folder) - before) / (time.monotonic() - begun_s), 2)
    return result


def with_dependencies(case: str) -> str:
    """A case that consumes needs its producing case in the same run of measure.py."""
    return f"{case.replace('consume', 'produce')},{case}" if case.startswith("consume") else case


def show(figures: Figures, peers: list[str], cases: list[str]) -> None:
    first, *others = peers
    for case in cases:
        for figure in FIGURES:
            medians = {p: statistics.median(v) for p in peers if (v := figures[p, case].get(figure))}
            if first not in medians:
                continue
            ratios = [f"{medians[first] / medians[other]:.2f} x {other}" for other in others if medians.get(other)]
            values = "  ".join(f"{peer} {medians[peer]:,.2f}" for peer in peers if peer in medians)
            print(f"{case:13} {figure:26} {values}   {'  '.join(ratios)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default="memory,kafka")
    parser.add_argument("--only", default=CASES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--keep", action="store_true", help="start each peer once, for all rounds")
    options = parser.parse_args()
    peers, cases = options.peers.split(","), options.only.split(",")
    figures: Figures = defaultdict(lambda: defaultdict(list))
    with ExitStack() as lasting:
        kept = {name: warmed(name, lasting, options.megabytes) for name in peers} if options.keep else {}
        for round_number in range(options.rounds):
            for name in peers:
                with ExitStack() as passing:
                    peer = kept.get(name) or warmed(name, passing, options.megabytes)
                    take_round(name, peer, cases, round_number + 1, options.megabytes, figures)
    show(figures, peers, cases)


def warmed(name: str, stack: ExitStack, megabytes: int) -> Peer:
    peer = stack.enter_context(started(name))
    measure(name, peer, "warm", megabytes)
    return peer


def take_round(name: str, peer: Peer, cases: list[str], number: int, megabytes: int, figures: Figures) -> None:
    for case in cases:
        result = measure(name, peer, with_dependencies(case), megabytes)
        for figure in FIGURES:
            if result.get(figure) is not None:
                figures[name, case][figure].append(result[figure])
        print(f"# round {number} {name} {case}: {result['mb_s']} MB/s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
