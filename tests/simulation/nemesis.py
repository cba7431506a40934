"""Fault injection; Jepsen calls it the nemesis. Each seed draws the kinds of faults, and when they happen.

A seed uses only some kinds ("swarm testing"): with all of them at once, a run would rarely reach the states that need a
quiet system and a single kind of fault.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import trio

from tests.simulation.bucket import Bucket
from tests.simulation.event_log import EventLog
from tests.simulation.network import Network
from tests.simulation.node import SimulatedNode

FAULT_INTERVAL_S = 1.5
CLOCK_JUMP_MS = 1_200_000
STORE_FAULTS = ("fail before", "503", "409", "lost answer", "late", "slow", "absent")
NETWORK_FAULTS = ("cut", "torn frame", "half close", "silence")
STEPS_MAX = 30


class Nemesis:
    """The faults of one history."""

    def __init__(
        self, event_log: EventLog, rng: random.Random, nodes: list[SimulatedNode], bucket: Bucket, network: Network
    ) -> None:
        self.injected: Counter[str] = Counter()
        self._event_log = event_log
        self._rng = rng
        self._nodes = nodes
        self._bucket = bucket
        self._network = network
        kinds: dict[str, Callable[[SimulatedNode], Awaitable[None]]] = {
            "kill": self._kill,
            "kill at a write": self._kill_at_write,
            "freeze": self._freeze,
            "stop": self._stop,
            "cut off": self._cut_off,
            "store faults": self._store_faults,
            "disturb": self._disturb,
            "storm": self._storm,
            "clock jump": self._jump,
        }
        self._kinds = {name: kinds[name] for name in rng.sample(sorted(kinds), rng.randrange(3, len(kinds) + 1))}
        # Some seeds have a store with a low rate of faults all the time.
        self._constant_faults = {fault: rng.choice((0.01, 0.03)) for fault in STORE_FAULTS if rng.random() < 0.35}
        if rng.random() < 0.15:
            self._constant_faults |= {"corrupt": 0.002, "truncated": 0.002}

    async def run(self) -> None:
        """Inject faults until cancelled."""
        self._bucket.faults.chances = dict(self._constant_faults)
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self._rng.expovariate(1 / FAULT_INTERVAL_S))
                name = self._rng.choice(list(self._kinds))
                node = self._rng.choice(self._nodes)
                self._event_log.add("nemesis", what=name, node=node.name)
                self.injected[name] += 1
                nursery.start_soon(self._kinds[name], node)

    def heal(self) -> None:
        """End all faults: every node runs and can reach the store, and no connection hangs."""
        self._bucket.faults.chances = {}
        for node in self._nodes:
            node.thaw()
            if node.store is not None:
                node.store.cut_off = False
                node.store.on_write = None
            if node.broker is None:
                node.start()
            node.wanted = True
        self._network.heal()

    # ---- kinds of faults ----------------------------------------------------------------------------------------

    async def _kill(self, node: SimulatedNode) -> None:
        await self._random_steps()
        await self._kill_and_restart(node)

    async def _kill_at_write(self, node: SimulatedNode) -> None:
        """Kill a node when one of its writes has been applied: before it gets the response, or a few steps later."""
        store = node.store
        if store is None:
            return
        reached = trio.Event()
        remaining = self._rng.randrange(1, 6)

        def on_write(name: str) -> None:
            nonlocal remaining
            remaining -= 1
            if remaining == 0:
                store.on_write = None
                reached.set()

        store.on_write = on_write
        with trio.move_on_after(3):
            await reached.wait()
            if self._rng.random() < 0.5:
                await trio.sleep(self._rng.uniform(0, 0.02))
                await self._random_steps()
        await self._kill_and_restart(node)

    async def _kill_and_restart(self, node: SimulatedNode) -> None:
        node.kill()
        await trio.sleep(self._rng.choice((0.0, 0.1, 1.0, 3.0, 6.0)))
        if node.broker is None:
            node.start()
        else:
            node.wanted = True

    async def _freeze(self, node: SimulatedNode) -> None:
        if not node.is_frozen:
            node.freeze()
            await trio.sleep(self._rng.choice((0.2, 1.0, 3.0, 5.0, 9.0)) * self._rng.uniform(0.5, 1.5))
            node.thaw()

    async def _stop(self, node: SimulatedNode) -> None:
        node.stop()
        await trio.sleep(self._rng.uniform(0.1, 3.0))
        if node.broker is None:
            node.start()
        else:
            node.wanted = True

    async def _cut_off(self, node: SimulatedNode) -> None:
        store = node.store
        if store is not None:
            store.cut_off = True
            await trio.sleep(self._rng.uniform(0.2, 7.0))
            store.cut_off = False

    async def _store_faults(self, node: SimulatedNode) -> None:
        faults = self._rng.sample(STORE_FAULTS, 2)
        more = {fault: self._rng.choice((0.1, 0.3)) for fault in faults}
        self._bucket.faults.chances = {**self._constant_faults, **more}
        await trio.sleep(self._rng.uniform(0.5, 4.0))
        self._bucket.faults.chances = dict(self._constant_faults)

    async def _disturb(self, node: SimulatedNode) -> None:
        self._network.disturb(self._rng.choice(NETWORK_FAULTS))

    async def _storm(self, node: SimulatedNode) -> None:
        for _ in range(self._rng.randrange(3, 12)):
            self._network.disturb(self._rng.choice(NETWORK_FAULTS))
            await trio.sleep(self._rng.uniform(0.0, 0.3))

    async def _jump(self, node: SimulatedNode) -> None:
        node.jump(self._rng.randrange(-CLOCK_JUMP_MS, CLOCK_JUMP_MS))

    async def _random_steps(self) -> None:
        """Let other tasks run a few steps, so that a kill also hits awaits that take no virtual time."""
        for _ in range(self._rng.randrange(STEPS_MAX)):
            await trio.lowlevel.checkpoint()
