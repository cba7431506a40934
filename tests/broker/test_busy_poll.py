"""Busy polling for a client: only where it pays."""

from higgins.server.busy_poll import POLLS_SKIPPED_MAX, PollHistory


def requests_until_poll(history: PollHistory) -> int:
    skipped = 0
    while not history.should_poll():
        skipped += 1
    return skipped


def test_a_client_that_asks_at_once_is_always_polled_for_after_its_first_requests() -> None:
    history = PollHistory()
    assert 0 < requests_until_poll(history) < 50
    history.record(True)
    assert all(history.should_poll() for _ in range(100))


def test_a_client_that_takes_its_time_is_soon_hardly_ever_polled_for() -> None:
    history = PollHistory()
    skipped = []
    for _ in range(15):
        skipped.append(requests_until_poll(history))
        history.record(False)
    assert skipped[1:] == sorted(skipped[1:])
    assert skipped[-1] == POLLS_SKIPPED_MAX


def test_one_slow_answer_of_a_quick_client_is_forgiven() -> None:
    history = PollHistory()
    requests_until_poll(history)
    for _ in range(10):
        history.record(True)
    history.record(False)
    assert requests_until_poll(history) == 1
