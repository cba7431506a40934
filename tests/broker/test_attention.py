"""Staying awake for a client: worth it or not, and never at another's cost."""

from higgins.server.attention import SKIPPED_MAX, Eagerness


def rounds_until_wanted(eagerness: Eagerness) -> int:
    skipped = 0
    while not eagerness.wants():
        skipped += 1
    return skipped


def test_a_client_that_asks_at_once_is_always_met_awake_after_its_first_requests() -> None:
    eagerness = Eagerness()
    assert 0 < rounds_until_wanted(eagerness) < 50
    eagerness.learn(True)
    assert all(eagerness.wants() for _ in range(100))


def test_a_client_that_takes_its_time_is_soon_hardly_ever_waited_for_awake() -> None:
    eagerness = Eagerness()
    skipped = []
    for _ in range(15):
        skipped.append(rounds_until_wanted(eagerness))
        eagerness.learn(False)
    assert skipped[1:] == sorted(skipped[1:])
    assert skipped[-1] == SKIPPED_MAX


def test_one_slow_answer_of_a_quick_client_is_forgiven() -> None:
    eagerness = Eagerness()
    rounds_until_wanted(eagerness)
    for _ in range(10):
        eagerness.learn(True)
    eagerness.learn(False)
    assert rounds_until_wanted(eagerness) == 1
