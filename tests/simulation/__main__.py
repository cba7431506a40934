"""Run simulated histories: `python -m tests.simulation --histories 200 --seed 1000`. Exit status 1 on a violation.

`--bug NAME` plants a bug first; `--list-bugs` lists their names. A seed that fails is printed with the command that
runs it again.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.bugs import BUGS
from tests.simulation.history import Outcome
from tests.simulation.run import is_history, run_one

FAULT_KINDS = ("nemesis", "store", "network")


def main(arguments: list[str] | None = None) -> int:
    """Run the histories and print the results. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--histories", type=int, default=1, help="how many seeds to run")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--processes", type=int, default=cores, help="default: the number of cores")
    parser.add_argument("--bug", default="", choices=["", *BUGS], metavar="NAME", help="a bug to plant first")
    parser.add_argument("--list-bugs", action="store_true", help="print the names of the bugs and exit")
    parser.add_argument("--verbose", action="store_true", help="print a line for each history")
    options = parser.parse_args(arguments)
    if options.list_bugs:
        print("\n".join(BUGS))
        return 0
    started_at = time.monotonic()
    seeds = range(options.seed, options.seed + options.histories)
    outcomes: list[Outcome] = []
    # Spawned processes do not inherit this one's state, so each history depends on its seed alone.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(options.processes, len(seeds)), mp_context=spawn) as pool:
        for future in as_completed([pool.submit(run_one, seed, options.bug) for seed in seeds]):
            outcomes.append(future.result())
            _print_one(outcomes[-1], options.bug, options.verbose)
    _print_all(outcomes, time.monotonic() - started_at)
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _print_one(outcome: Outcome, bug: str, verbose: bool) -> None:
    if verbose and not outcome.violations:
        print(f"{outcome.seed} {outcome.digest[:16]} {_figures(outcome)}", flush=True)
    if not outcome.violations:
        return
    replay = f"python -m tests.simulation --seed {outcome.seed}" + (f" --bug '{bug}'" if bug else "")
    print(f"seed {outcome.seed}: {', '.join(outcome.violations)} ({_figures(outcome)})\n  replay: {replay}", flush=True)
    for name, examples in outcome.violations.items():
        for example in examples:
            print(f"  {name}: {example[:400]}", flush=True)


def _figures(outcome: Outcome) -> str:
    counts = f"{outcome.operations} operations, {outcome.faults} faults, {outcome.commits} commits"
    return f"{outcome.virtual_s:.0f} s, {counts}"


def _print_all(outcomes: Iterable[Outcome], elapsed_s: float) -> None:
    outcomes = list(outcomes)
    violated = [outcome for outcome in outcomes if outcome.violations]
    small = [outcome.seed for outcome in outcomes if not is_history(outcome)]
    details: Counter[str] = Counter()
    for outcome in outcomes:
        details.update(outcome.details)
    counts = [f"{name} {count}" for name, count in sorted(details.items()) if name.startswith(FAULT_KINDS)]
    print(
        f"{len(outcomes)} histories, {len(violated)} with violations, in {elapsed_s:.0f} s: "
        f"{sum(outcome.virtual_s for outcome in outcomes) / 3600:.2f} simulated hours, "
        f"{sum(outcome.operations for outcome in outcomes)} operations, "
        f"{sum(outcome.commits for outcome in outcomes)} commits, {details['lives']} starts of nodes"
    )
    print("faults: " + ", ".join(counts))
    if small:
        print(f"these seeds had too few operations or faults to count as histories: {small}")


if __name__ == "__main__":
    sys.exit(main())
