"""Whole histories with faults: nothing that was promised is broken, and one seed is one history."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.history import run_history
from tests.simulation.play import is_history

SEEDS = range(1, 9)
ONCE_FAILED: tuple[int, ...] = (17, 27, 147, 1025, 1054, 1111, 91126)
"""Seeds that found something once: losers of races that starved, reads one by one, members taken for
silent while their own generation was being committed, starts that never end, members waited for twice as long as
they had been unheard."""


@pytest.mark.parametrize("seed", [*SEEDS, *ONCE_FAILED])
def test_a_history_with_faults_breaks_no_promise(seed: int) -> None:
    outcome = run_history(seed)
    assert outcome.violations == {}, f"replay: python -m tests.simulation --seed {seed}"
    assert is_history(outcome), outcome


def test_one_seed_is_one_history_in_any_process() -> None:
    ours = run_history(3).digest
    for hash_seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "3", "--processes", "1", "--verbose"],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert told.stdout.split()[1] == ours[:16], told.stdout
