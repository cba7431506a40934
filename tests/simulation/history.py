"""One simulated history: two nodes on one bucket, clients, faults, a recovery period, and checks of the result.

Everything is drawn from the seed: settings, latencies, faults, and the order in which tasks run. Each part has its own
random generator, named after it, so that a change in one part does not shift the numbers that the others draw.
"""

import random
import sys
import traceback
from collections import Counter
from collections.abc import MutableMapping
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
from tests.simulation.checks.all_checks import Artifacts, run_checks
from tests.simulation.event_log import EventLog
from tests.simulation.final_reads import FinalReads
from tests.simulation.nemesis import Nemesis
from tests.simulation.network import Network
from tests.simulation.node import LIFE, SimulatedNode
from tests.simulation.runtime import SimulatedRuntime
from tests.simulation.schedule import TimerQueue, run_seeded
from tests.simulation.workloads import configuring, growing, members, readers, topics, trimming, writers
from tests.simulation.workloads.context import LARGE, ORDERS, PARTITIONS, PLAIN, WorkloadContext

FAULTS_S = 18.0
RECOVERY_S = 10.0
RETURN_S = 5.0
OPERATIONS_MIN = 1_000
"""A history with fewer operations is extended; faults may have kept the clients from working."""
SETTLE_S = 3.0
STORE_LATENCIES_S = ((0.001, 0.004), (0.005, 0.02), (0.01, 0.05))
NETWORK_DELAYS_S = ((0.0002, 0.001), (0.001, 0.02))
NODES = ("north", "south")


class Outcome(msgspec.Struct):
    """The result of one history."""

    seed: int
    digest: str
    violations: dict[str, list[str]]
    """Examples by the name of the check."""
    virtual_s: float
    operations: int
    faults: int
    commits: int
    details: dict[str, int]


def run_history(seed: int, *, idle_s: float = 0.0) -> Outcome:
    """Run the history of a seed and check its result.

    With `idle_s`, the two nodes first run for that long without clients, so that they commit nothing but signals of
    their liveness. Races between such commits, which have equal facts, are rare while clients write.
    """
    structlog.configure(processors=[_LoggedErrors.process], cache_logger_on_first_use=False)
    _LoggedErrors.errors = []
    try:
        return run_seeded(seed, lambda: _History(seed, idle_s).run())
    finally:
        structlog.reset_defaults()


class _LoggedErrors:
    """Collects the errors that the product logs: exceptions that it did not expect, so each is a violation."""

    errors: list[str] = []

    @classmethod
    def process(cls, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        life = LIFE.get()
        # A killed process logs nothing; here its tasks may log errors while they are cancelled.
        if method in {"error", "exception", "critical"} and (life is None or not life.dead):
            cls.errors.append(f"{event.get('event')}: {_innermost(event.get('exc_info'))}")
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


class _History:
    """The parts of one history."""

    def __init__(self, seed: int, idle_s: float) -> None:
        self._seed = seed
        self._idle_s = idle_s
        rng = self._rng("world")
        self._timers = TimerQueue()
        self._bucket = Bucket(self._timers, self._rng("bucket"), rng.choice(STORE_LATENCIES_S))
        self._network = Network(self._timers, self._rng("network"), rng.choice(NETWORK_DELAYS_S))
        self._event_log = EventLog()
        self._traits = StoreTraits(
            description="a simulated bucket",
            linger_ms=rng.choice((0, 20, 100)),
            inline_bytes_max=rng.choice((0, 300, 64 << 10)),
            follow_ms=rng.choice((40, 100)),
            reads_are_direct=False,
            is_remote=rng.random() < 0.5,
        )
        self._settings = Settings(
            ledger=LedgerSettings(
                session_timeout_ms=4_000,
                sign_interval_ms=1_000,
                snapshot_commits_min=rng.choice((20, 100)),
                snapshot_interval_min_s=rng.choice((2.0, 5.0)),
            ),
            groups=GroupSettings(initial_rebalance_delay_ms=rng.choice((0, 300)), min_session_timeout_ms=1_000),
            broker=BrokerConfig(partitions_default=PARTITIONS),
            operators=OperatorSettings(progress_interval_ms=300, retry_longest_ms=1_000),
            log=LogSettings(),
        )
        addresses = [(name, 9092) for name in NODES]
        self._workloads = WorkloadContext(self._event_log, self._network, addresses, self._rng)

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}/{name}")

    async def run(self) -> Outcome:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._timers.run)
            nodes = [self._node(name, nursery) for name in NODES]
            for node in nodes:
                node.start()
            try:
                await topics.set_up(self._workloads)
            except ClientError as error:
                nursery.cancel_scope.cancel()
                return self._failed_setup(error, nodes)
            await trio.sleep(self._idle_s)
            nemesis = Nemesis(self._event_log, self._rng("nemesis"), nodes, self._bucket, self._network)
            healed_at = await self._load(nemesis, nodes)
            final_reads = FinalReads(self._event_log, self._workloads.connect, [node.address for node in nodes])
            await final_reads.run()
            artifacts = self._artifacts(nodes, final_reads, healed_at)
            nursery.cancel_scope.cancel()
        faults = sum(nemesis.injected.values())
        return Outcome(
            seed=self._seed,
            digest=self._event_log.digest(),
            violations=run_checks(artifacts),
            virtual_s=trio.current_time(),
            operations=self._event_log.operations(),
            faults=faults,
            commits=artifacts.commits,
            details=dict(
                Counter({f"nemesis {k}": v for k, v in nemesis.injected.items()})
                + Counter({f"store {k}": v for k, v in self._bucket.injected.items()})
                + Counter({f"network {k}": v for k, v in self._network.injected.items()})
                + Counter({f"bucket {k}": v for k, v in self._bucket.operations.items()})
                + Counter({"lives": sum(node.lives for node in nodes)})
                + Counter({f"event {k}": v for k, v in Counter(e["e"] for e in self._event_log.events).items()})
            ),
        )

    def _artifacts(self, nodes: list[SimulatedNode], final_reads: FinalReads, healed_at: int) -> Artifacts:
        living = [node.broker.node for node in nodes if node.broker is not None]
        return Artifacts(
            event_log=self._event_log,
            healed_at=healed_at,
            recovery_ns=int(RECOVERY_S * 1e9),
            objects=self._bucket.objects,
            derived=final_reads.derived,
            operator_positions=final_reads.positions,
            digests=[row for node in nodes for row in node.digests],
            errors=[error for node in nodes for error in node.unexpected_ends] + _LoggedErrors.errors,
            unread=final_reads.unread,
            overwritten=self._bucket.overwritten,
            states=[node.state for node in living if node is not None],
        )

    def _failed_setup(self, error: ClientError, nodes: list[SimulatedNode]) -> Outcome:
        errors = [error for node in nodes for error in node.unexpected_ends] + _LoggedErrors.errors
        return Outcome(
            seed=self._seed,
            digest=self._event_log.digest(),
            violations={"no-start": [str(error)], **({"fault": errors} if errors else {})},
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
            lambda life: SimulatedRuntime(self._rng(f"node/{life}")),
        )

    async def _load(self, nemesis: Nemesis, nodes: list[SimulatedNode]) -> int:
        """Run the workloads, with faults and then without. Returns when the faults ended, in virtual nanoseconds."""
        context = self._workloads
        async with trio.open_nursery() as clients:
            for i in range(2):
                clients.start_soon(partial(writers.write, idempotent=True), context, f"idempotent-{i}")
                clients.start_soon(members.take_part, context, f"member-{i}")
            clients.start_soon(partial(writers.write, idempotent=False), context, "plain")
            clients.start_soon(readers.read, context, "reader", (ORDERS, PLAIN))
            clients.start_soon(readers.read, context, "follower", (LARGE,))
            clients.start_soon(readers.probe, context, "probe")
            clients.start_soon(topics.steer, context, "steer")
            for entry in configuring.ENTRIES:
                clients.start_soon(configuring.configure, context, f"configure {entry}", entry)
            clients.start_soon(topics.churn, context, "churn")
            clients.start_soon(trimming.trim, context, "trim")
            clients.start_soon(growing.grow, context, "grow")
            await trio.sleep(1.0)
            with trio.move_on_after(FAULTS_S):
                await nemesis.run()
            nemesis.heal()
            context.stop_crashes()
            # A node that was stopped during store faults may still be shutting down. The recovery period, in which
            # every role must make progress, begins when all nodes run.
            with trio.move_on_after(RETURN_S):
                while not all(node.is_open for node in nodes):
                    await trio.sleep(0.1)
            healed_at = self._event_log.now()
            self._event_log.add("nemesis", what="healed")
            await trio.sleep(RECOVERY_S)
            latest_end = trio.current_time() + RECOVERY_S
            while self._event_log.operations() < OPERATIONS_MIN and trio.current_time() < latest_end:
                await trio.sleep(0.5)
            context.writing = False
            await trio.sleep(SETTLE_S)
            context.reading = False
            await trio.sleep(0.6)
            clients.cancel_scope.cancel()
        return healed_at
