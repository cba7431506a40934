"""Play many seeds: `python -m tests.simulation --histories 200 --seed 1000`. Exit status 1 on a violation.

`--bug NAME` plants a bug first; `--list-bugs` names them. A failing seed is printed with the command that replays it.
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
from tests.simulation.play import is_history, play

FAULT_KINDS = ("nemesis", "store", "network")


def main(arguments: list[str] | None = None) -> int:
    """Play, print, and say whether all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--histories", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--bug", default="", choices=["", *BUGS])
    parser.add_argument("--list-bugs", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="a line for each history")
    given = parser.parse_args(arguments)
    if given.list_bugs:
        print("\n".join(BUGS))
        return 0
    begun = time.monotonic()
    seeds = range(given.seed, given.seed + given.histories)
    outcomes: list[Outcome] = []
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(given.processes, len(seeds)), mp_context=fresh) as pool:
        for played in as_completed([pool.submit(play, seed, given.bug) for seed in seeds]):
            outcomes.append(played.result())
            _print_one(outcomes[-1], given.bug, given.verbose)
    _print_all(outcomes, time.monotonic() - begun)
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
    done = f"{outcome.operations} operations, {outcome.faults} troubles, {outcome.commits} commits"
    return f"{outcome.virtual_s:.0f} s, {done}"


def _print_all(outcomes: Iterable[Outcome], took_s: float) -> None:
    outcomes = list(outcomes)
    violated = [outcome for outcome in outcomes if outcome.violations]
    small = [outcome.seed for outcome in outcomes if not is_history(outcome)]
    details: Counter[str] = Counter()
    for outcome in outcomes:
        details.update(outcome.details)
    words = [f"{name} {count}" for name, count in sorted(details.items()) if name.startswith(FAULT_KINDS)]
    print(
        f"{len(outcomes)} histories, {len(violated)} with violations, in {took_s:.0f} s: "
        f"{sum(outcome.virtual_s for outcome in outcomes) / 3600:.2f} simulated hours, "
        f"{sum(outcome.operations for outcome in outcomes)} operations, "
        f"{sum(outcome.commits for outcome in outcomes)} commits, {details['lives']} lives of nodes"
    )
    print("faults: " + ", ".join(words))
    if small:
        print(f"too small to count as histories: {small}")


if __name__ == "__main__":
    sys.exit(main())
