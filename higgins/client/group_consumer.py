"""A consumer that shares its topics with its group: a member, a consumer, and the task that sends heartbeats.

Records count as read when `poll` is called again, or `commit`, or when the block ends well: positions are committed at
intervals, before a rebalance and at the end, so that a record is delivered at least once.
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
LEAVE_TIMEOUT_S = 3.0


class GroupConsumer:
    """Made by `open_group_consumer`, which owns its heartbeats and leaves the group at the end."""

    def __init__(self, member: GroupMember, consumer: Consumer, start: int, commit_interval_s: float) -> None:
        self.member = member
        self.consumer = consumer
        self._start = start
        self._commit_interval_s = commit_interval_s
        self._commit_at = trio.current_time() + commit_interval_s
        self._committed: dict[TopicPartition, int] = {}
        self._read: dict[TopicPartition, int] = {}
        self._failure: BrokerRefused | None = None

    def __repr__(self) -> str:
        return f"<GroupConsumer {self.member!r}>"

    async def poll(self, timeout_s: float, *, records_max: int | None = None) -> list[ConsumedRecord]:
        """Records of the partitions assigned now; joins and rejoins the group as needed.

        Raises: BrokerRefused for what does not pass by itself, such as another member with the same instance id.
        """
        deadline = trio.current_time() + timeout_s
        self._read = self.consumer.positions()
        while True:
            if self._failure is not None:
                raise self._failure
            if not self.member.joined:
                await self._join()
            if trio.current_time() >= self._commit_at:
                await self._commit_quietly()
            left_s = deadline - trio.current_time()
            records = await self.consumer.poll(max(0.0, min(POLL_SLICE_S, left_s)), records_max=records_max)
            if records and not self.member.joined:
                # Somebody else may read them now. They come again from the last commit after the rejoin.
                continue
            if records or left_s <= 0:
                return records

    async def commit(self) -> None:
        """Commit everything handed out so far. Raises Rebalancing when it was too late for that."""
        self._read = self.consumer.positions()
        await self._commit()

    def finished_reading(self) -> None:
        """Everything handed out counts as read."""
        self._read = self.consumer.positions()

    async def beat(self, interval_s: float) -> None:
        """Send heartbeats for ever; what they say is acted upon by the next `poll`."""
        while True:
            await trio.sleep(interval_s)
            if not self.member.joined:
                continue
            try:
                await self.member.heartbeat()
            except Rebalancing:
                continue
            except BrokerRefused as refusal:
                self._failure = refusal
            except ClientError:
                continue  # the session may outlive it; the next beat tells

    async def finish(self) -> None:
        """Commit and leave, as far as that is possible in a moment."""
        with trio.move_on_after(LEAVE_TIMEOUT_S, shield=True):
            await self._commit_quietly()
            try:
                await self.member.leave()
            except ClientError:
                pass  # the session ends by itself

    async def _join(self) -> None:
        await self._commit_quietly()
        assignment = await self.member.join()
        committed = await self.member.committed(assignment) if assignment else {}
        self._committed = committed
        self._read = {}
        self.consumer.assign({key: committed.get(key, self._start) for key in assignment})

    async def _commit(self) -> None:
        self._commit_at = trio.current_time() + self._commit_interval_s
        news = {key: at for key, at in self._read.items() if self._committed.get(key) != at}
        if news and self.member.member_id:
            await self.member.commit(news)
            self._committed.update(news)

    async def _commit_quietly(self) -> None:
        try:
            await self._commit()
        except ClientError:
            pass  # what is not committed is read again by whoever gets the partition


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
    """A member that reads for as long as the block lasts, then leaves; `start` is for what has no commit yet."""
    settings = member or MemberSettings()
    one = GroupConsumer(
        GroupMember(cluster, group_id, topics, settings),
        Consumer(cluster, consumer),
        start,
        commit_interval_s,
    )
    async with background() as nursery:
        nursery.start_soon(one.beat, settings.heartbeat_interval_ms / 1000)
        try:
            yield one
            one.finished_reading()
        finally:
            await one.finish()
            one.consumer.close()
