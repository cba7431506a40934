"""Who breaks things. Each seed draws which kinds of trouble it knows, and when; at the end everything is healed."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import trio

from tests.simulation.bucket import Bucket
from tests.simulation.chronicle import Chronicle
from tests.simulation.network import Network
from tests.simulation.node import SimulatedNode

LULL_S = 1.5
CLOCK_JUMP_MS = 1_200_000
STORE_WORDS = ("fail before", "503", "409", "lost answer", "late", "slow", "absent")
NETWORK_WORDS = ("cut", "torn frame", "half close", "silence")
STEPS_MAX = 30


class Nemesis:
    """Trouble for one history."""

    def __init__(
        self, chronicle: Chronicle, chance: random.Random, nodes: list[SimulatedNode], bucket: Bucket, network: Network
    ) -> None:
        self.done: Counter[str] = Counter()
        self._chronicle = chronicle
        self._chance = chance
        self._nodes = nodes
        self._bucket = bucket
        self._network = network
        kinds: dict[str, Callable[[SimulatedNode], Awaitable[None]]] = {
            "kill": self._kill,
            "kill at a write": self._kill_at_write,
            "freeze": self._freeze,
            "stop": self._stop,
            "cut off": self._cut_off,
            "store trouble": self._store_trouble,
            "disturb": self._disturb,
            "storm": self._storm,
            "clock jump": self._jump,
        }
        self._kinds = {name: kinds[name] for name in chance.sample(sorted(kinds), chance.randrange(3, len(kinds) + 1))}
        # A swarm: some seeds have a store that is always a little bad, in some ways.
        self._always = {word: chance.choice((0.01, 0.03)) for word in STORE_WORDS if chance.random() < 0.35}
        if chance.random() < 0.15:
            self._always |= {"corrupt": 0.002, "truncated": 0.002}

    async def run(self) -> None:
        """Break things until cancelled."""
        self._bucket.faults.chances = dict(self._always)
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self._chance.expovariate(1 / LULL_S))
                name = self._chance.choice(list(self._kinds))
                node = self._chance.choice(self._nodes)
                self._chronicle.add("nemesis", what=name, node=node.name)
                self.done[name] += 1
                nursery.start_soon(self._kinds[name], node)

    def heal(self) -> None:
        """No more trouble: everything runs, reaches everything, and nothing hangs."""
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

    # ---- kinds of trouble ---------------------------------------------------------------------------------------

    async def _kill(self, node: SimulatedNode) -> None:
        await self._some_steps()
        await self._down(node)

    async def _kill_at_write(self, node: SimulatedNode) -> None:
        """Kill as a write is applied, before the node hears of it, or a few of its steps later."""
        store = node.store
        if store is None:
            return
        struck = trio.Event()
        left = self._chance.randrange(1, 6)

        def on_write(name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                store.on_write = None
                struck.set()

        store.on_write = on_write
        with trio.move_on_after(3):
            await struck.wait()
            if self._chance.random() < 0.5:
                await trio.sleep(self._chance.uniform(0, 0.02))
                await self._some_steps()
        await self._down(node)

    async def _down(self, node: SimulatedNode) -> None:
        node.kill()
        await trio.sleep(self._chance.choice((0.0, 0.1, 1.0, 3.0, 6.0)))
        if node.broker is None:
            node.start()
        else:
            node.wanted = True

    async def _freeze(self, node: SimulatedNode) -> None:
        if not node.is_frozen:
            node.freeze()
            await trio.sleep(self._chance.choice((0.2, 1.0, 3.0, 5.0, 9.0)) * self._chance.uniform(0.5, 1.5))
            node.thaw()

    async def _stop(self, node: SimulatedNode) -> None:
        node.stop()
        await trio.sleep(self._chance.uniform(0.1, 3.0))
        if node.broker is None:
            node.start()
        else:
            node.wanted = True

    async def _cut_off(self, node: SimulatedNode) -> None:
        store = node.store
        if store is not None:
            store.cut_off = True
            await trio.sleep(self._chance.uniform(0.2, 7.0))
            store.cut_off = False

    async def _store_trouble(self, node: SimulatedNode) -> None:
        words = self._chance.sample(STORE_WORDS, 2)
        self._bucket.faults.chances = {**self._always, **{word: self._chance.choice((0.1, 0.3)) for word in words}}
        await trio.sleep(self._chance.uniform(0.5, 4.0))
        self._bucket.faults.chances = dict(self._always)

    async def _disturb(self, node: SimulatedNode) -> None:
        self._network.disturb(self._chance.choice(NETWORK_WORDS))

    async def _storm(self, node: SimulatedNode) -> None:
        for _ in range(self._chance.randrange(3, 12)):
            self._network.disturb(self._chance.choice(NETWORK_WORDS))
            await trio.sleep(self._chance.uniform(0.0, 0.3))

    async def _jump(self, node: SimulatedNode) -> None:
        node.jump(self._chance.randrange(-CLOCK_JUMP_MS, CLOCK_JUMP_MS))

    async def _some_steps(self) -> None:
        """Let the others take a few steps, so that a kill finds them at awaits that take no time."""
        for _ in range(self._chance.randrange(STEPS_MAX)):
            await trio.lowlevel.checkpoint()
