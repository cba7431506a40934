"""Members of one group: they join, read, commit, leave or die, and come back."""

import random
from collections.abc import Mapping

import trio

from higgins.client import Consumer, ConsumerSettings, MemberSettings, Rebalancing, open_cluster
from higgins.client.cluster import Cluster, TopicPartition
from higgins.client.errors import ClientError
from higgins.client.group import GroupMember
from higgins.client.group_consumer import GroupConsumer
from higgins.client.offsets import EARLIEST
from higgins.client.tasks import background
from tests.simulation.chronicle import FOREVER, decode_value, key_of
from tests.simulation.workloads.stage import GROUP, ORDERS, PLAIN, Stage

SETTINGS = MemberSettings(session_timeout_ms=2_000, rebalance_timeout_ms=2_000, heartbeat_interval_ms=500)
COMMIT_INTERVAL_S = 0.5


class NotedMember(GroupMember):
    """A member that notes its generations and what became of its commits."""

    def __init__(self, stage: Stage, name: str, cluster: Cluster) -> None:
        self._interrupted = False
        self._known: int | None = None
        super().__init__(cluster, GROUP, (ORDERS, PLAIN), SETTINGS)
        self._stage = stage
        self._name = name
        self.session = 0

    @property
    def _coordinator(self) -> int | None:
        return self._known

    @_coordinator.setter
    def _coordinator(self, node_id: int | None) -> None:
        # The member forgets its coordinator whenever an attempt has no answer or was sent elsewhere, and tries again.
        self._interrupted = self._interrupted or node_id is None
        self._known = node_id

    async def join(self) -> tuple[TopicPartition, ...]:
        begun = self._stage.chronicle.now()
        assignment = await super().join()
        self.session += 1
        starts = dict.fromkeys((key_of(*one) for one in assignment), None)
        self._stage.chronicle.add("assign", c=self._name, s=self.session, g=GROUP, k=starts)
        self._stage.chronicle.add(
            "generation", g=GROUP, c=self._name, generation=self.generation, t0=begun, k=sorted(starts)
        )
        return assignment

    async def commit(self, offsets: Mapping[TopicPartition, int], metadata: str = "") -> None:
        chronicle = self._stage.chronicle
        rows = {key_of(*key): offset for key, offset in offsets.items()}
        begun = chronicle.now()
        self._interrupted = False
        ok = -1
        try:
            await super().commit(offsets, metadata)
            ok = 1
            chronicle.succeeded("commits")
        except Rebalancing:
            ok = 0
            raise
        finally:
            if ok < 0 or self._interrupted:
                # An attempt nobody answered may take effect whenever it is found.
                chronicle.add("ocommit", g=GROUP, c=self._name, k=rows, ok=-1, t0=begun, t=FOREVER)
            if ok >= 0 and not (ok == 0 and self._interrupted):
                chronicle.add("ocommit", g=GROUP, c=self._name, k=rows, ok=ok, t0=begun)


async def take_part(stage: Stage, role: str) -> None:
    """Be a member, one life after another."""
    chance = stage.chance(role)
    life = 0
    while stage.reading:
        life += 1
        with stage.life(chance, 12):
            await _one_life(stage, role, f"{role}.{life}", chance)


async def _one_life(stage: Stage, role: str, name: str, chance: random.Random) -> None:
    # Who leaves in good order does so by itself; a life cut short leaves nothing but a silent member.
    leaves_at = trio.current_time() + (chance.uniform(2, 12) if chance.random() < 0.5 else float("inf"))
    async with open_cluster(stage.connect, stage.runtime(name), stage.addresses, stage.client_settings) as cluster:
        consumer = Consumer(cluster, ConsumerSettings(max_wait_ms=300, poll_records_max=100))
        one = GroupConsumer(NotedMember(stage, name, cluster), consumer, EARLIEST, COMMIT_INTERVAL_S)
        async with background() as nursery:
            nursery.start_soon(one.run_heartbeats, SETTINGS.heartbeat_interval_ms / 1000)
            await _poll(stage, name, one, leaves_at)
            await one.commit_and_leave()


async def _poll(stage: Stage, name: str, one: GroupConsumer, leaves_at: float) -> None:
    member = one.member
    assert isinstance(member, NotedMember)
    while stage.reading and (trio.current_time() < leaves_at or stage.is_peaceful):
        begun = stage.chronicle.now()
        try:
            records = await one.poll(0.5)
        except ClientError as error:
            stage.chronicle.add("nemesis", c=name, error=str(error))
            await trio.sleep(0.5)
            return
        if records:
            rows = [[key_of(row.topic, row.partition), row.offset, decode_value(row.value)] for row in records]
            stage.chronicle.add("poll", c=name, s=member.session, iso="rc", t0=begun, r=rows)
            stage.chronicle.succeeded("members")
