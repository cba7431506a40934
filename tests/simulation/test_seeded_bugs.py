"""Tests of the simulation itself: each bug that is planted in the product is found by the checks made for it.

A seed finds a bug only if its faults happen at the right moments, so each bug is tried with up to SEEDS_MAX seeds.
"""

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.run import run_one

SEEDS_MAX = 16
"""A change anywhere in the product changes every history; a bug that one seed in four shows must still be found."""

FOUND_BY = {
    "acknowledge before commit": {"lost-write", "inconsistent-offsets", "wrong-offset"},
    "nonce ignored": {"lost-write", "inconsistent-offsets"},
    "facts compared instead of nonces": {"fault", "state-diverged", "ledger-broken"},
    "refusals from memory": {"stale-hw", "commit-lost", "commit-stale"},
    "dedupe in memory": {"duplicate", "nonmonotonic-send", "lost-write"},
    "object deleted on an ambiguous commit": {"pointer-without-bytes"},
    # A task that begins again on its node waits for the commit of its predecessor, so records are repeated only when
    # the task moves between nodes. An epoch of an older condition that is committed shows as other output.
    "a task compares neither lease nor offset": {"operator-repeated", "operator-reordered", "operator-output"},
    "log starts go back": {"trim-start"},
    "operators do not grow": {"growth-uneven"},
    "configs are overwritten": {"config-old", "config-lost"},
}


def test_every_bug_names_its_checks() -> None:
    assert FOUND_BY.keys() == BUGS.keys()


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    violations: set[str] = set()
    for seed in range(1, SEEDS_MAX + 1):
        violations |= run_one(seed, bug).violations.keys()
        if violations & FOUND_BY[bug]:
            return
    pytest.fail(f"{SEEDS_MAX} seeds with the bug '{bug}' have only these violations: {sorted(violations)}")
