"""Do the tests notice realistic mistakes? python -m tests.mutation higgins/ledger --tests tests/ledger

Plants mistakes in the modules of a room, one at a time and in a copy of the tree, runs tests on each, and prints the
diff of every mistake that no test noticed. Verdicts are kept in a file, so that a run that was interrupted goes on
where it stopped, and `--survivors` tries only what survived before, after tests have been added.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.pool import ThreadPool
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.kinds import KINDS
from tests.mutation.source import Mistake, read_modules
from tests.mutation.trial import TestsFail, Trials, Verdict, copy_tree

ROOT = Path(__file__).resolve().parents[2]


def find(root: Path, rooms: Sequence[str], without: Sequence[str], kinds: Sequence[str]) -> list[Mistake]:
    """All mistakes of these kinds that fit into the rooms, some of which may change nothing."""
    wanted = {name: kind for name, kind in KINDS.items() if name in kinds or not kinds}
    sources = [source for room in rooms for source in read_modules(root, room)]
    kept = [each for each in sources if not any(Path(each.path).is_relative_to(path) for path in without)]
    return [mistake for source in kept for mistake in source.mistakes(wanted)]


def choose(mistakes: Sequence[Mistake], count: int, seed: int) -> list[Mistake]:
    """`count` of them, or all if it is 0: the same for the same seed, and of each kind as many as of the others."""
    chosen: list[Mistake] = []
    for mistake in _in_turns(mistakes, seed):
        if mistake.changes_the_program():
            chosen.append(mistake)
        if len(chosen) == count:
            break
    return chosen


def _in_turns(mistakes: Sequence[Mistake], seed: int) -> Iterator[Mistake]:
    """The mistakes in a random order, one of each kind in turn."""
    by_kind: dict[str, list[Mistake]] = {}
    for mistake in mistakes:
        by_kind.setdefault(mistake.kind, []).append(mistake)
    chooser = random.Random(seed)
    for name in sorted(by_kind):
        chooser.shuffle(by_kind[name])
    while any(by_kind.values()):
        for name in sorted(by_kind):
            if by_kind[name]:
                yield by_kind[name].pop()


class Results:
    """The verdicts of earlier runs, in a file of one JSON document a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.verdicts: dict[str, Verdict] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self.verdicts[row["identity"]] = Verdict(row["verdict"])

    def add(self, mistake: Mistake, verdict: Verdict) -> None:
        """Keep a verdict; a later one for the same mistake replaces it."""
        self.verdicts[mistake.identity] = verdict
        self._path.parent.mkdir(parents=True, exist_ok=True)
        row = {"identity": mistake.identity, "verdict": verdict, "kind": mistake.kind, "diff": mistake.diff}
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def try_all(
    root: Path, mistakes: Sequence[Mistake], tests: Sequence[str], then: Sequence[str], jobs: int,
    report: Callable[[Mistake, Verdict], None],
) -> None:  # fmt: skip
    """Judge each mistake in one of `jobs` copies of the tree. `report` gets each verdict. Raises: TestsFail."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, ExitStack() as stack:
        free: SimpleQueue[Trials] = SimpleQueue()
        for number in range(jobs):
            copy = Path(folder) / f"tree{number}"
            copy_tree(root, copy)
            trials = stack.enter_context(Trials(copy, tests, then))
            free.put(trials)
        reach = trials.measure({each.path for each in mistakes})

        def judge(mistake: Mistake) -> tuple[Mistake, Verdict]:
            mine = free.get()
            try:
                return mistake, mine.judge(mistake, reach)
            finally:
                free.put(mine)

        with ThreadPool(jobs) as pool:
            for mistake, verdict in pool.imap_unordered(judge, mistakes):
                report(mistake, verdict)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutation", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("rooms", nargs="+", help="folders or files of the product, such as higgins/log")
    parser.add_argument("--without", action="append", default=[], help="a folder or file to leave out")
    parser.add_argument("--tests", nargs="+", required=True, help="the tests that are to notice, such as tests/log")
    parser.add_argument("--then", nargs="+", default=[], help="more tests, for mistakes that survive these")
    parser.add_argument("--count", type=int, default=50, help="how many mistakes; 0 is all (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="which mistakes (default: 1)")
    parser.add_argument("--kinds", nargs="+", default=[], choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--survivors", action="store_true", help="try again what survived earlier runs, and only that")
    parser.add_argument("--again", action="store_true", help="try again what has a verdict")
    parser.add_argument("--results", type=Path, help="the file of verdicts (default: .mutation/ROOM.jsonl)")
    parser.add_argument("--jobs", type=int, default=1, help="how many copies work side by side (default: 1)")
    parser.add_argument("--list", action="store_true", help="print the diffs of the mistakes, run nothing")
    return parser.parse_args(given)


def main() -> int:
    """0 if every mistake was noticed, 1 if some survive, 2 if the tests fail without any."""
    options = arguments()
    path = options.results or ROOT / ".mutation" / f"{options.rooms[0].strip('/').replace('/', '-')}.jsonl"
    results = Results(path)
    mistakes = find(ROOT, options.rooms, options.without, options.kinds)
    if options.survivors:
        survived = {name for name, verdict in results.verdicts.items() if verdict.survives}
        chosen = choose([each for each in mistakes if each.identity in survived], 0, options.seed)
    else:
        chosen = choose(mistakes, options.count, options.seed)
    if options.list:
        print("\n".join(mistake.diff for mistake in chosen))
        return 0
    again = options.again or options.survivors
    verdicts = {each.identity: results.verdicts[each.identity] for each in chosen if each.identity in results.verdicts}
    missing = chosen if again else [each for each in chosen if each.identity not in verdicts]

    def report(mistake: Mistake, verdict: Verdict) -> None:
        verdicts[mistake.identity] = verdict
        results.add(mistake, verdict)
        if verdict.survives:
            print(f"\n{mistake.identity} {mistake.kind} {verdict}: {mistake.function}\n{mistake.diff}", flush=True)

    try:
        if missing:
            try_all(ROOT, missing, options.tests, options.then, options.jobs, report)
    except TestsFail as error:
        print(error, file=sys.stderr)
        return 2
    counts = Counter(verdicts.values())
    noticed = counts[Verdict.NOTICED] + counts[Verdict.TIMEOUT]
    print(f"{noticed} of {len(verdicts)} mistakes noticed;", ", ".join(f"{n} {name}" for name, n in counts.items()))
    return int(noticed < len(verdicts))


if __name__ == "__main__":
    sys.exit(main())
