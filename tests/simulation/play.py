"""One seed, as the command line and the tests play it."""

from tests.simulation.bugs import planted
from tests.simulation.history import OPERATIONS_MIN, Outcome, run_history

FAULTS_MIN = 3
VIRTUAL_MIN_S = 30.0


def play(seed: int, bug: str = "") -> Outcome:
    """A history, with a bug in the product where one is named."""
    if not bug:
        return run_history(seed)
    with planted(bug):
        return run_history(seed)


def is_history(outcome: Outcome) -> bool:
    """Whether it was long, busy and troubled enough to count."""
    return (
        outcome.virtual_s >= VIRTUAL_MIN_S and outcome.operations >= OPERATIONS_MIN and outcome.faults >= FAULTS_MIN
    )
