"""How long to wait before the next try: doubling, with jitter, up to a bound. Pure but for the generator handed in."""

import random


class Backoff:
    """The pauses of one run of failures; a success starts over."""

    def __init__(self, source: random.Random, *, initial_ms: int, max_ms: int) -> None:
        self._source = source
        self._initial_ms = initial_ms
        self._max_ms = max_ms
        self._failures = 0

    def next_ms(self) -> int:
        """The pause after one more failure, between half and the whole of the doubled bound."""
        bound = min(self._max_ms, self._initial_ms << min(self._failures, 16))
        self._failures += 1
        return max(1, int(bound * (0.5 + self._source.random() / 2)))

    def succeeded(self) -> None:
        """Forget the failures so far."""
        self._failures = 0
