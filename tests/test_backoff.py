"""Back-off: pauses double up to the longest, with jitter."""

import random

import trio
import trio.testing

from higgins.runtime import Backoff


async def test_pauses_double_up_to_the_longest_and_vary(autojump_clock: trio.testing.MockClock) -> None:
    backoff = Backoff(random.Random(1), first_s=1.0, longest_s=10.0)
    waits: list[float] = []
    for _ in range(7):
        before = trio.current_time()
        await backoff.wait()
        waits.append(trio.current_time() - before)
    for wait, bound in zip(waits, [1, 2, 4, 8, 10, 10, 10], strict=True):
        assert bound / 2 <= wait <= bound
    assert len(set(waits)) == len(waits)
