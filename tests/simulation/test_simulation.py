"""Simulated histories with faults have no violations, and a seed always gives the same history."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.history import run_history
from tests.simulation.run import is_history

SEEDS = range(1, 9)
REGRESSION_SEEDS: tuple[int, ...] = (17, 27, 147, 1025, 1054, 1111, 91126, 662008, 777070)
"""Seeds that once found a bug: commits that starved after losing races, reads of single objects one after the other,
members removed while their own generation was being committed, starts that never ended, members that were waited for
twice as long as they had been silent, and proposals that lost one race after the other."""


@pytest.mark.parametrize("seed", [*SEEDS, *REGRESSION_SEEDS])
def test_a_history_with_faults_has_no_violations(seed: int) -> None:
    outcome = run_history(seed)
    assert outcome.violations == {}, f"run it again: python -m tests.simulation --seed {seed}"
    assert is_history(outcome), outcome


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    digest = run_history(3).digest
    for hash_seed in ("1", "2"):
        process = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "3", "--processes", "1", "--verbose"],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert process.stdout.split()[1] == digest[:16], process.stdout
