"""Wake everybody who waits now, as often as needed; a pulse nobody waits for is not remembered."""

import trio


class Pulse:
    """Look at what you wait for, and only then wait, with no await between: nothing can be missed."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        """Wake whoever waits."""
        self._event.set()
        self._event = trio.Event()

    async def wait(self) -> None:
        """Sleep until the next ring."""
        await self._event.wait()
