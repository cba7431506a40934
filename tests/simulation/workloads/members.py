"""Members of one consumer group: they join, read, commit, leave or crash, and start again."""

import random
from collections.abc import Mapping

import trio

from higgins.client import Consumer, ConsumerSettings, MemberSettings, Rebalancing
from higgins.client.cluster import Cluster, TopicPartition
from higgins.client.errors import ClientError
from higgins.client.group import GroupMember
from higgins.client.group_consumer import GroupConsumer
from higgins.client.offsets import EARLIEST
from higgins.client.tasks import background
from tests.simulation.event_log import FOREVER, decode_value, key_of
from tests.simulation.workloads.context import GROUP, ORDERS, PLAIN, WorkloadContext

SETTINGS = MemberSettings(session_timeout_ms=2_000, rebalance_timeout_ms=2_000, heartbeat_interval_ms=500)
COMMIT_INTERVAL_S = 0.5


class LoggedMember(GroupMember):
    """A group member that adds its generations, and the results of its commits, to the event log."""

    def __init__(self, context: WorkloadContext, name: str, cluster: Cluster) -> None:
        self._interrupted = False
        self._coordinator_id: int | None = None
        super().__init__(cluster, GROUP, (ORDERS, PLAIN), SETTINGS)
        self._workloads = context
        self._name = name
        self.session = 0

    @property
    def _coordinator(self) -> int | None:
        return self._coordinator_id

    @_coordinator.setter
    def _coordinator(self, node_id: int | None) -> None:
        # GroupMember sets its coordinator to None when an attempt failed, and then retries. Such an attempt may still
        # take effect later, even if the retry succeeds.
        self._interrupted = self._interrupted or node_id is None
        self._coordinator_id = node_id

    async def join(self) -> tuple[TopicPartition, ...]:
        started_at = self._workloads.event_log.now()
        assignment = await super().join()
        self.session += 1
        starts = dict.fromkeys((key_of(*partition) for partition in assignment), None)
        self._workloads.event_log.add("assign", c=self._name, s=self.session, g=GROUP, k=starts)
        self._workloads.event_log.add(
            "generation", g=GROUP, c=self._name, generation=self.generation, t0=started_at, k=sorted(starts)
        )
        return assignment

    async def commit(self, offsets: Mapping[TopicPartition, int], metadata: str = "") -> None:
        event_log = self._workloads.event_log
        rows = {key_of(*key): offset for key, offset in offsets.items()}
        started_at = event_log.now()
        self._interrupted = False
        ok = -1
        try:
            await super().commit(offsets, metadata)
            ok = 1
            event_log.succeeded("commits")
        except Rebalancing:
            ok = 0
            raise
        finally:
            if ok < 0 or self._interrupted:
                # An attempt without a response may take effect at any time from now on.
                event_log.add("ocommit", g=GROUP, c=self._name, k=rows, ok=-1, t0=started_at, t=FOREVER)
            if ok >= 0 and not (ok == 0 and self._interrupted):
                event_log.add("ocommit", g=GROUP, c=self._name, k=rows, ok=ok, t0=started_at)


async def take_part(context: WorkloadContext, role: str) -> None:
    """Join the group, read and commit; crash or leave, and start again."""
    rng = context.rng(role)
    life = 0
    while context.reading:
        life += 1
        with context.life(rng, 12):
            await _one_life(context, role, f"{role}.{life}", rng)


async def _one_life(context: WorkloadContext, role: str, name: str, rng: random.Random) -> None:
    # Half of the members leave the group. The others crash: the coordinator removes them after the session timeout.
    leaves_at = trio.current_time() + (rng.uniform(2, 12) if rng.random() < 0.5 else float("inf"))
    async with context.open_cluster(name) as cluster:
        consumer = Consumer(cluster, ConsumerSettings(max_wait_ms=300, poll_records_max=100))
        group_consumer = GroupConsumer(LoggedMember(context, name, cluster), consumer, EARLIEST, COMMIT_INTERVAL_S)
        async with background() as nursery:
            nursery.start_soon(group_consumer.run_heartbeats, SETTINGS.heartbeat_interval_ms / 1000)
            await _poll(context, name, group_consumer, leaves_at)
            await group_consumer.commit_and_leave()


async def _poll(context: WorkloadContext, name: str, group_consumer: GroupConsumer, leaves_at: float) -> None:
    member = group_consumer.member
    assert isinstance(member, LoggedMember)
    while context.reading and (trio.current_time() < leaves_at or context.crashes_stopped):
        started_at = context.event_log.now()
        try:
            records = await group_consumer.poll(0.5)
        except ClientError as error:
            context.event_log.add("nemesis", c=name, error=str(error))
            await trio.sleep(0.5)
            return
        if records:
            rows = [[key_of(row.topic, row.partition), row.offset, decode_value(row.value)] for row in records]
            context.event_log.add("poll", c=name, s=member.session, iso="rc", t0=started_at, r=rows)
            context.event_log.succeeded("members")
