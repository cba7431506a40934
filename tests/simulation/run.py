"""One history, with or without a planted bug, as the command line and the tests run it."""

from tests.simulation.bugs import planted
from tests.simulation.history import OPERATIONS_MIN, Outcome, run_history

FAULTS_MIN = 3
VIRTUAL_MIN_S = 30.0

IDLE_S = {"facts compared instead of nonces": 120.0}
"""Bugs that show only while no client writes, and how long the nodes are left alone for them."""


def run_one(seed: int, bug: str = "") -> Outcome:
    """Run a history; with `bug`, that bug is planted in the product first."""
    if not bug:
        return run_history(seed)
    with planted(bug):
        return run_history(seed, idle_s=IDLE_S.get(bug, 0.0))


def is_history(outcome: Outcome) -> bool:
    """Whether the history was long enough, and had enough operations and faults, to count as a test."""
    return (
        outcome.virtual_s >= VIRTUAL_MIN_S and outcome.operations >= OPERATIONS_MIN and outcome.faults >= FAULTS_MIN
    )
