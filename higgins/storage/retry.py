"""Back-off with jitter, for whatever must be tried until it is done."""

import trio

from higgins.runtime import Runtime


class Backoff:
    """Waits that double from `first_s` to `longest_s`, each drawn from its upper half: nodes do not march in step."""

    def __init__(self, runtime: Runtime, *, first_s: float, longest_s: float) -> None:
        assert 0 < first_s <= longest_s
        self._runtime = runtime
        self._next_s = first_s
        self._longest_s = longest_s

    async def wait(self) -> None:
        """Sleep once."""
        await trio.sleep(self._next_s * self._runtime.random.uniform(0.5, 1.0))
        self._next_s = min(2 * self._next_s, self._longest_s)
