"""A consumer in a consumer group: a `GroupMember`, a `Consumer`, and a task that sends heartbeats.

Delivery is at least once. The records that `poll` returned count as processed when `poll` is called again, when
`commit` is called, or when the block ends without an error. Positions are committed every `commit_interval_s`, before a
rebalance and at the end.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from higgins.client.cluster import Cluster, TopicPartition
from higgins.client.consumer import ConsumedRecord, Consumer
from higgins.client.errors import BrokerRefused, ClientError, Rebalancing
from higgins.client.group import GroupMember
from higgins.client.offsets import EARLIEST
from higgins.client.settings import ConsumerSettings, MemberSettings
from higgins.client.tasks import background

COMMIT_INTERVAL_S = 5.0
POLL_SLICE_S = 0.5
"""How long `poll` waits for records before it looks whether the group is rebalancing."""
LEAVE_TIMEOUT_S = 3.0


class GroupConsumer:
    """Created by `open_group_consumer`, which runs its heartbeats and leaves the group at the end."""

    def __init__(self, member: GroupMember, consumer: Consumer, start: int, commit_interval_s: float) -> None:
        self.member = member
        self.consumer = consumer
        self._start = start
        self._commit_interval_s = commit_interval_s
        self._commit_at = trio.current_time() + commit_interval_s
        self._committed: dict[TopicPartition, int] = {}
        self._processed: dict[TopicPartition, int] = {}
        self._heartbeat_error: BrokerRefused | None = None

    def __repr__(self) -> str:
        return f"<GroupConsumer {self.member!r}>"

    @property
    def is_joined(self) -> bool:
        """Whether this is a member of the group's current generation, so that its assignment is known."""
        return self.member.joined

    async def poll(self, timeout_s: float, *, records_max: int | None = None) -> list[ConsumedRecord]:
        """Records of the partitions that are assigned now. Joins the group, and joins again after a rebalance.

        Raises: BrokerRefused for an error that a retry does not clear, such as a second member with the same
        instance id.
        """
        deadline = trio.current_time() + timeout_s
        self.mark_processed()
        while True:
            if self._heartbeat_error is not None:
                raise self._heartbeat_error
            if not self.member.joined:
                await self._join()
            if trio.current_time() >= self._commit_at:
                await self._try_commit()
            remaining_s = deadline - trio.current_time()
            records = await self.consumer.poll(max(0.0, min(POLL_SLICE_S, remaining_s)), records_max=records_max)
            if records and not self.member.joined:
                # A heartbeat has said meanwhile that the group is rebalancing, so another member may own these
                # partitions already. The records are dropped; the new owner reads them from the last commit.
                continue
            if records or remaining_s <= 0:
                return records

    async def commit(self) -> None:
        """Commit the positions behind all records returned so far.

        Raises: Rebalancing when the group has rebalanced; other members may process the records again.
        """
        self.mark_processed()
        await self._commit()

    def mark_processed(self) -> None:
        """Count every record returned so far as processed, to be committed with the next commit."""
        self._processed = self.consumer.positions()

    async def run_heartbeats(self, interval_s: float) -> None:
        """Send heartbeats until cancelled. The next `poll` reacts to what they return.

        A rebalance is not handled here: joining again changes the assignment, which must not happen while the caller
        still processes records of the old one.
        """
        while True:
            await trio.sleep(interval_s)
            if not self.member.joined:
                continue
            try:
                await self.member.heartbeat()
            except Rebalancing:
                continue  # the member is no longer joined, so `poll` joins again
            except BrokerRefused as error:
                self._heartbeat_error = error
            except ClientError:
                continue  # the session timeout is longer than the interval: the next heartbeat may get through

    async def commit_and_leave(self) -> None:
        """Commit and leave the group, within LEAVE_TIMEOUT_S, even when cancelled."""
        with trio.move_on_after(LEAVE_TIMEOUT_S, shield=True):
            await self._try_commit()
            try:
                await self.member.leave()
            except ClientError:
                pass  # the coordinator removes the member when its session times out

    async def _join(self) -> None:
        # Best effort: the coordinator refuses the commit when this member is no longer part of a generation. Then the
        # records since the last commit are read again.
        await self._try_commit()
        assignment = await self.member.join()
        committed = await self.member.committed(assignment) if assignment else {}
        self._committed = committed
        self._processed = {}
        self.consumer.assign({key: committed.get(key, self._start) for key in assignment})

    async def _commit(self) -> None:
        self._commit_at = trio.current_time() + self._commit_interval_s
        changed = {key: offset for key, offset in self._processed.items() if self._committed.get(key) != offset}
        if changed and self.member.member_id:
            await self.member.commit(changed)
            self._committed.update(changed)

    async def _try_commit(self) -> None:
        try:
            await self._commit()
        except ClientError:
            pass  # records behind the last commit are read again by the partition's next owner: at least once


@asynccontextmanager
async def open_group_consumer(
    cluster: Cluster,
    group_id: str,
    topics: Sequence[str],
    *,
    start: int = EARLIEST,
    member: MemberSettings | None = None,
    consumer: ConsumerSettings | None = None,
    commit_interval_s: float = COMMIT_INTERVAL_S,
) -> AsyncIterator[GroupConsumer]:
    """A group consumer that leaves the group when the block ends.

    `start` is the position in partitions without a committed offset.
    """
    settings = member or MemberSettings()
    group_consumer = GroupConsumer(
        GroupMember(cluster, group_id, topics, settings),
        Consumer(cluster, consumer),
        start,
        commit_interval_s,
    )
    async with background() as nursery:
        nursery.start_soon(group_consumer.run_heartbeats, settings.heartbeat_interval_ms / 1000)
        try:
            yield group_consumer
            group_consumer.mark_processed()
        finally:
            await group_consumer.commit_and_leave()
            group_consumer.consumer.close()
