"""The store is gone for every node at once, and comes back: a consumer goes on soon, whoever coordinates its group."""

import random
from collections.abc import MutableMapping
from functools import partial
from typing import Any

import msgspec
import pytest
import structlog
import trio

from higgins.client import Admin, Consumer, ConsumerSettings, MemberSettings, ProducerSettings, open_producer
from higgins.client.errors import ClientError
from higgins.client.group import GroupMember
from higgins.client.group_consumer import GroupConsumer
from higgins.client.offsets import EARLIEST
from higgins.client.tasks import background
from higgins.groups.settings import GroupSettings
from higgins.settings import Settings
from higgins.storage.store import StoreTraits
from tests.simulation.bucket import Bucket, SimulatedStore
from tests.simulation.event_log import EventLog
from tests.simulation.network import Network
from tests.simulation.node import SimulatedNode
from tests.simulation.node_client import retry_until
from tests.simulation.runtime import SimulatedRuntime
from tests.simulation.schedule import TimerQueue, run_seeded
from tests.simulation.workloads.context import WorkloadContext

TRAITS = StoreTraits(
    description="a simulated bucket",
    linger_ms=20,
    inline_bytes_max=64 << 10,
    follow_ms=100,
    reads_are_direct=False,
    is_remote=True,
)
NODES = ("north", "south")
BEFORE_S = 15.0
WITHIN_S = 10.0


class Blackout:
    """Two nodes, one producer, and a group with one consumer."""

    def __init__(self, seed: int, away_s: float, session_ms: int, *, gives_up: bool) -> None:
        self._seed = seed
        self._away_s = away_s
        self._session_ms = session_ms
        self._gives_up = gives_up
        timers = self._timers = TimerQueue()
        self._bucket = Bucket(timers, self._rng("bucket"), (0.005, 0.02))
        self._network = Network(timers, self._rng("network"), (0.001, 0.02))
        addresses = [(name, 9092) for name in NODES]
        self._context = WorkloadContext(EventLog(), self._network, addresses, self._rng)
        # The client must not give up before the store returns.
        self._context.client_settings = msgspec.structs.replace(
            self._context.client_settings, operation_timeout_s=2 * away_s + 60
        )
        self._consumed_at = 0.0
        self._is_away = False

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}/{name}")

    async def run(self) -> float:
        """How long after the store's return the consumer had its first record that was written after it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._timers.run)
            nodes = [self._node(name, nursery) for name in NODES]
            for node in nodes:
                node.start()
            async with self._context.open_cluster("setup") as cluster:
                await retry_until(partial(Admin(cluster).create_topic, "t", partitions=1), 10.0)
            nursery.start_soon(self._produce)
            nursery.start_soon(self._consume)
            await trio.sleep(BEFORE_S + self._rng("moment").uniform(0, 3))
            assert self._consumed_at > trio.current_time() - 2, "the consumer works before"
            self._set_away(nodes, True)
            await trio.sleep(self._away_s)
            self._set_away(nodes, False)
            returned_at = trio.current_time()
            with trio.move_on_after(120):
                while self._consumed_at < returned_at:
                    await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        return trio.current_time() - returned_at

    def _set_away(self, nodes: list[SimulatedNode], is_away: bool) -> None:
        self._is_away = is_away
        for node in nodes:
            assert node.store is not None
            node.store.cut_off = is_away

    def _node(self, name: str, nursery: trio.Nursery) -> SimulatedNode:
        settings = Settings(groups=GroupSettings(initial_rebalance_delay_ms=0))
        return SimulatedNode(
            name,
            nursery,
            self._bucket,
            self._network,
            settings,
            lambda: SimulatedStore(self._bucket, TRAITS),
            lambda life: SimulatedRuntime(self._rng(f"node/{life}")),
        )

    async def _produce(self) -> None:
        while True:
            try:
                async with (
                    self._context.open_cluster("producer") as cluster,
                    open_producer(cluster, ProducerSettings()) as producer,
                ):
                    while True:
                        await producer.produce("t", b"%f" % trio.current_time(), partition=0)
                        await trio.sleep(0.2)
            except ClientError:
                await trio.sleep(0.2)

    async def _consume(self) -> None:
        """Consume, as a member that keeps its id, or as one that gives it up when its session is over."""
        member_settings = MemberSettings(
            session_timeout_ms=self._session_ms,
            rebalance_timeout_ms=60_000,
            heartbeat_interval_ms=self._session_ms // 15,
        )
        life = 0
        while True:
            life += 1
            try:
                async with self._context.open_cluster(f"consumer-{life}") as cluster:
                    consumer = Consumer(cluster, ConsumerSettings(max_wait_ms=300, poll_records_max=100))
                    member = GroupMember(cluster, "g", ("t",), member_settings)
                    group_consumer = GroupConsumer(member, consumer, EARLIEST, 1.0)
                    async with background() as nursery:
                        nursery.start_soon(group_consumer.run_heartbeats, member_settings.heartbeat_interval_ms / 1000)
                        await self._poll(group_consumer)
            except ClientError:
                await trio.sleep(0.2)

    async def _poll(self, group_consumer: GroupConsumer) -> None:
        away_since: float | None = None
        while True:
            try:
                records = await group_consumer.poll(0.5)
            except ClientError:
                records = []
                await trio.sleep(0.2)
            for record in records:
                self._consumed_at = max(self._consumed_at, float(bytes(record.value or b"0")))
            away_since = (away_since or trio.current_time()) if self._is_away else None
            if self._gives_up and away_since and trio.current_time() - away_since > self._session_ms / 1000:
                # As librdkafka does: its session is over, so it begins again without a member id.
                self._gives_up = False
                return


def _drop(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    raise structlog.DropEvent


@pytest.mark.parametrize("gives_up", [False, True], ids=["keeps its id", "gives its id up"])
@pytest.mark.parametrize(("away_s", "session_ms"), [(3.0, 45_000), (20.0, 45_000), (60.0, 45_000), (60.0, 6_000)])
@pytest.mark.parametrize("seed", [1])
def test_a_lone_consumer_goes_on_soon_after_the_store_returns(
    seed: int, away_s: float, session_ms: int, gives_up: bool
) -> None:
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    try:
        took_s = run_seeded(seed, Blackout(seed, away_s, session_ms, gives_up=gives_up).run)
    finally:
        structlog.reset_defaults()
    assert took_s <= WITHIN_S
