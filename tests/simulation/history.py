"""One history: two nodes over a bucket, clients, trouble, calm, a last look at everything. One seed decides it all."""

import random
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import msgspec
import structlog
import trio

from higgins.client.errors import ClientError
from higgins.config.broker import BrokerConfig
from higgins.groups.settings import GroupSettings
from higgins.ledger.settings import LedgerSettings
from higgins.log.settings import LogSettings
from higgins.operators.settings import OperatorSettings
from higgins.settings import Settings
from higgins.storage.store import StoreTraits
from tests.simulation.bucket import Bucket, SimulatedStore
from tests.simulation.checks.verdict import Evidence, judge
from tests.simulation.chronicle import Chronicle
from tests.simulation.last_look import LastLook
from tests.simulation.nemesis import Nemesis
from tests.simulation.network import Network
from tests.simulation.node import LIFE, SimulatedNode
from tests.simulation.runtime import SimulatedRuntime
from tests.simulation.schedule import Timetable, run_seeded
from tests.simulation.workloads import configuring, growing, members, readers, topics, trimming, writers
from tests.simulation.workloads.stage import LARGE, ORDERS, PARTITIONS, PLAIN, Stage

TROUBLE_S = 18.0
CALM_S = 10.0
RETURN_S = 5.0
OPERATIONS_MIN = 1_000
"""A history with fewer goes on for a while; trouble may have kept the clients from their work."""
SETTLE_S = 3.0
STORE_LATENCIES_S = ((0.001, 0.004), (0.005, 0.02), (0.01, 0.05))
NETWORK_DELAYS_S = ((0.0002, 0.001), (0.001, 0.02))
NODES = ("north", "south")


class Outcome(msgspec.Struct):
    """What became of a seed."""

    seed: int
    digest: str
    violations: dict[str, list[str]]
    """By the checker's name, with examples."""
    virtual_s: float
    operations: int
    faults: int
    commits: int
    details: dict[str, int]


def run_history(seed: int) -> Outcome:
    """Play a seed to its end and judge it."""
    structlog.configure(processors=[_Faults.keep], cache_logger_on_first_use=False)
    _Faults.found = []
    try:
        return run_seeded(seed, lambda: _World(seed).play())
    finally:
        structlog.reset_defaults()


class _Faults:
    """Catches what the product logs as an error: a fault of ours that some edge has caught."""

    found: list[str] = []

    @classmethod
    def keep(cls, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        life = LIFE.get()
        # What the tasks of a killed node say while they are unwound was never said.
        if method in {"error", "exception", "critical"} and (life is None or not life.dead):
            cls.found.append(f"{event.get('event')}: {_innermost(event.get('exc_info'))}")
        raise structlog.DropEvent


def _innermost(error: Any) -> str:
    error = sys.exc_info()[1] if error is True else error
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, BaseException):
        return repr(error)
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:]]
    return f"{error!r} at {' '.join(places)}"


class _World:
    """Everything in one history."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        chance = self._chance("world")
        self._timetable = Timetable()
        self._bucket = Bucket(self._timetable, self._chance("bucket"), chance.choice(STORE_LATENCIES_S))
        self._network = Network(self._timetable, self._chance("network"), chance.choice(NETWORK_DELAYS_S))
        self._chronicle = Chronicle()
        self._traits = StoreTraits(
            description="a simulated bucket",
            linger_ms=chance.choice((0, 20, 100)),
            inline_bytes_max=chance.choice((0, 300, 64 << 10)),
            follow_ms=chance.choice((40, 100)),
            reads_are_direct=False,
            is_remote=chance.random() < 0.5,
        )
        self._settings = Settings(
            ledger=LedgerSettings(
                session_timeout_ms=4_000,
                sign_interval_ms=1_000,
                snapshot_commits_min=chance.choice((20, 100)),
                snapshot_interval_min_s=chance.choice((2.0, 5.0)),
            ),
            groups=GroupSettings(initial_rebalance_delay_ms=chance.choice((0, 300)), min_session_timeout_ms=1_000),
            broker=BrokerConfig(partitions_default=PARTITIONS),
            operators=OperatorSettings(progress_interval_ms=300, retry_longest_ms=1_000),
            log=LogSettings(),
        )
        addresses = [(name, 9092) for name in NODES]
        self._stage = Stage(self._chronicle, self._network, addresses, self._chance)

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}/{name}")

    async def play(self) -> Outcome:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._timetable.run)
            nodes = [self._node(name, nursery) for name in NODES]
            for node in nodes:
                node.start()
            try:
                await topics.set_up(self._stage)
            except ClientError as error:
                nursery.cancel_scope.cancel()
                return self._stillborn(error, nodes)
            nemesis = Nemesis(self._chronicle, self._chance("nemesis"), nodes, self._bucket, self._network)
            healed_at = await self._load(nemesis, nodes)
            last = LastLook(self._chronicle, self._stage.connect, [node.address for node in nodes])
            await last.look()
            evidence = self._evidence(nodes, last, healed_at)
            nursery.cancel_scope.cancel()
        faults = sum(nemesis.done.values())
        return Outcome(
            seed=self._seed,
            digest=self._chronicle.digest(),
            violations=judge(evidence),
            virtual_s=trio.current_time(),
            operations=self._chronicle.operations(),
            faults=faults,
            commits=evidence.commits,
            details=dict(
                Counter({f"nemesis {k}": v for k, v in nemesis.done.items()})
                + Counter({f"store {k}": v for k, v in self._bucket.injected.items()})
                + Counter({f"network {k}": v for k, v in self._network.injected.items()})
                + Counter({f"bucket {k}": v for k, v in self._bucket.operations.items()})
                + Counter({"lives": sum(node.lives for node in nodes), "loud ends": sum(n.loud_ends for n in nodes)})
                + Counter({f"event {k}": v for k, v in Counter(e["e"] for e in self._chronicle.events).items()})
            ),
        )

    def _evidence(self, nodes: list[SimulatedNode], last: LastLook, healed_at: int) -> Evidence:
        living = [node.broker.node for node in nodes if node.broker is not None]
        return Evidence(
            chronicle=self._chronicle,
            healed_at=healed_at,
            calm_ns=int(CALM_S * 1e9),
            objects=self._bucket.objects,
            derived=last.derived,
            operator_positions=last.positions,
            digests=[row for node in nodes for row in node.digests],
            deaths=[death for node in nodes for death in node.deaths] + _Faults.found,
            unread=last.unread,
            overwritten=self._bucket.overwritten,
            states=[node.state for node in living if node is not None],
        )

    def _stillborn(self, error: ClientError, nodes: list[SimulatedNode]) -> Outcome:
        deaths = [death for node in nodes for death in node.deaths] + _Faults.found
        return Outcome(
            seed=self._seed,
            digest=self._chronicle.digest(),
            violations={"no-start": [str(error)], **({"fault": deaths} if deaths else {})},
            virtual_s=trio.current_time(),
            operations=0,
            faults=0,
            commits=0,
            details={},
        )

    def _node(self, name: str, nursery: trio.Nursery) -> SimulatedNode:
        return SimulatedNode(
            name,
            nursery,
            self._bucket,
            self._network,
            self._settings,
            lambda: SimulatedStore(self._bucket, self._traits),
            lambda life: SimulatedRuntime(self._chance(f"node/{life}")),
        )

    async def _load(self, nemesis: Nemesis, nodes: list[SimulatedNode]) -> int:
        """Clients at work while things break, then in peace; when the peace began, in nanoseconds."""
        stage = self._stage
        async with trio.open_nursery() as clients:
            for i in range(2):
                self._employ(clients, f"idempotent-{i}", lambda role: writers.write(stage, role, idempotent=True))
                self._employ(clients, f"member-{i}", lambda role: members.take_part(stage, role))
            self._employ(clients, "plain", lambda role: writers.write(stage, role, idempotent=False))
            self._employ(clients, "reader", lambda role: readers.read(stage, role, (ORDERS, PLAIN)))
            self._employ(clients, "follower", lambda role: readers.read(stage, role, (LARGE,)))
            self._employ(clients, "probe", lambda role: readers.probe(stage, role))
            self._employ(clients, "steer", lambda role: topics.steer(stage, role))
            for entry in configuring.ENTRIES:
                self._employ(clients, f"configure {entry}", partial(configuring.configure, stage, entry=entry))
            self._employ(clients, "churn", lambda role: topics.churn(stage, role))
            self._employ(clients, "trim", lambda role: trimming.trim(stage, role))
            self._employ(clients, "grow", lambda role: growing.grow(stage, role))
            await trio.sleep(1.0)
            with trio.move_on_after(TROUBLE_S):
                await nemesis.run()
            nemesis.heal()
            stage.make_peace()
            # Whoever was told to stop while the store was in trouble is still at it; the calm begins with all at home.
            with trio.move_on_after(RETURN_S):
                while not all(node.is_open for node in nodes):
                    await trio.sleep(0.1)
            healed_at = self._chronicle.now()
            self._chronicle.add("nemesis", what="healed")
            await trio.sleep(CALM_S)
            longest_at = trio.current_time() + CALM_S
            while self._chronicle.operations() < OPERATIONS_MIN and trio.current_time() < longest_at:
                await trio.sleep(0.5)
            stage.writing = False
            await trio.sleep(SETTLE_S)
            stage.reading = False
            await trio.sleep(0.6)
            clients.cancel_scope.cancel()
        return healed_at

    def _employ(self, clients: trio.Nursery, role: str, work: Callable[[str], Awaitable[None]]) -> None:
        clients.start_soon(work, role)
