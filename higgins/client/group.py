"""A member of a classic consumer group: join, sync, heartbeat, commit, leave, each a call that can be cancelled.

The member has no task of its own: whoever holds it calls `heartbeat` in time, and `join` again when told that the group
is rebalancing. Every member has its own connections, because a join is answered only when its group is complete.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from higgins.client.assignment import (
    Subscription,
    assign_ranges,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from higgins.client.cluster import Cluster, TopicPartition
from higgins.client.errors import (
    BrokerRefused,
    OutcomeUnknown,
    Rebalancing,
    Unreachable,
    check,
    error_code,
)
from higgins.client.offsets import by_topic
from higgins.client.settings import MemberSettings
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from higgins_protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from higgins_protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from higgins_protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from higgins_protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from higgins_protocol.schema import Message

Response = TypeVar("Response", bound=Message)

PROTOCOL_TYPE = "consumer"
PROTOCOL = "range"
GROUPS_VERSION_MIN = 8
LEAVE_VERSION_MIN = 3
JOIN_GRACE_S = 5.0
# How often a join may be sent back to its start before it counts as refused.
ROUNDS_MAX = 100

_COORDINATOR_MOVED = frozenset(
    {
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
_JOIN_AGAIN = frozenset(
    {ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID}
)


class GroupMember:
    """One member. `generation` is -1 while it is not part of one."""

    def __init__(
        self, cluster: Cluster, group_id: str, topics: Sequence[str], settings: MemberSettings | None = None
    ) -> None:
        self.group_id = group_id
        self.member_id = ""
        self.generation = -1
        self.assignment: tuple[TopicPartition, ...] = ()
        self._cluster = cluster
        self._topics = tuple(topics)
        self._settings = settings or MemberSettings()
        self._coordinator: int | None = None
        self._purpose = cluster.purpose("group")
        self._join_purpose = cluster.purpose("join")

    def __repr__(self) -> str:
        return f"<GroupMember {self.group_id} {self.member_id or '-'} generation={self.generation}>"

    @property
    def joined(self) -> bool:
        """Whether it holds an assignment of a generation, as far as it knows."""
        return self.generation >= 0

    async def join(self) -> tuple[TopicPartition, ...]:
        """Become part of the next generation and return what was assigned; waits for the other members.

        Raises: BrokerRefused (what does not pass by itself), Unreachable, OutcomeUnknown.
        """
        for _ in range(ROUNDS_MAX):
            try:
                joined = await self._join_once()
                if joined is None:
                    continue
                assignment = await self._sync(joined)
            except Rebalancing:
                continue
            self.generation = joined.generation_id
            self.assignment = assignment
            return assignment
        raise BrokerRefused(
            ErrorCode.REBALANCE_IN_PROGRESS, f"Group '{self.group_id}' did not settle in {ROUNDS_MAX} rounds."
        )

    async def heartbeat(self) -> None:
        """Tell the coordinator that this member lives. Raises Rebalancing when it must join again."""
        request = HeartbeatRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
        )
        answer = await self._ask(request, HeartbeatResponse, lambda one: one.error_code)
        self._check(answer.error_code)

    async def commit(self, offsets: Mapping[TopicPartition, int], metadata: str = "") -> None:
        """Commit the next offset to read of each partition.

        Raises: Rebalancing (nothing was committed: join again), BrokerRefused with the first partition's refusal.
        """
        request = OffsetCommitRequest(
            group_id=self.group_id,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
            topics=[
                OffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=partition,
                            committed_offset=offsets[topic, partition],
                            committed_metadata=metadata,
                        )
                        for partition in partitions
                    ],
                )
                for topic, partitions in by_topic(offsets).items()
            ],
        )
        answer = await self._ask(request, OffsetCommitResponse, _first_commit_code)
        for topic in answer.topics:
            for one in topic.partitions:
                self._check(one.error_code)

    async def committed(
        self, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, int]:
        """The committed offset of these partitions, or of all that have one; those without are left out."""
        return await fetch_committed(self._cluster, self.group_id, partitions)

    async def leave(self) -> None:
        """Leave the group at once, so that the others need not wait for this member's session to end."""
        if not self.member_id:
            return
        who = MemberIdentity(member_id=self.member_id, group_instance_id=self._settings.instance_id)
        request = LeaveGroupRequest(group_id=self.group_id, members=[who])
        self.generation = -1
        self.assignment = ()
        try:
            await self._ask(
                request, LeaveGroupResponse, lambda one: one.error_code, at_least=LEAVE_VERSION_MIN
            )
        finally:
            self.member_id = ""
            self.close()

    def close(self) -> None:
        """Give the connections back without telling the group."""
        self._cluster.release(self._purpose)
        self._cluster.release(self._join_purpose)

    async def _join_once(self) -> JoinGroupResponse | None:
        """One JoinGroup; None when it is to be sent again with what was just learned."""
        metadata = encode_subscription(Subscription(self._topics, self.assignment))
        request = JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=self._settings.session_timeout_ms,
            rebalance_timeout_ms=self._settings.rebalance_timeout_ms,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocols=[JoinGroupRequestProtocol(name=PROTOCOL, metadata=metadata)],
        )
        answer = await self._ask(request, JoinGroupResponse, lambda one: one.error_code, joining=True)
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            return None
        self._check(answer.error_code)
        self.member_id = answer.member_id
        return answer

    async def _sync(self, joined: JoinGroupResponse) -> tuple[TopicPartition, ...]:
        leads = joined.leader == joined.member_id and not joined.skip_assignment
        request = SyncGroupRequest(
            group_id=self.group_id,
            generation_id=joined.generation_id,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocol_name=joined.protocol_name,
            assignments=await self._divide(joined) if leads else [],
        )
        answer = await self._ask(request, SyncGroupResponse, lambda one: one.error_code, joining=True)
        self._check(answer.error_code)
        return decode_assignment(answer.assignment)

    async def _divide(self, joined: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        subscriptions = {one.member_id: decode_subscription(one.metadata) for one in joined.members}
        topics = sorted({topic for one in subscriptions.values() for topic in one.topics})

        async def attempt() -> dict[str, int]:
            view = await self._cluster.refresh(topics)
            return {name: len(view.topics[name].leaders) for name in topics if name in view.topics}

        given = assign_ranges(subscriptions, await self._cluster.retrying(attempt) if topics else {})
        return [
            SyncGroupRequestAssignment(member_id=member, assignment=encode_assignment(chosen))
            for member, chosen in given.items()
        ]

    def _check(self, code: int) -> None:
        named = error_code(code)
        if named in _JOIN_AGAIN:
            self.generation = -1
            if named is ErrorCode.UNKNOWN_MEMBER_ID:
                self.member_id = ""
                self.assignment = ()
            raise Rebalancing(f"Group '{self.group_id}' has moved on: {named.name}.")
        check(code, f"Group '{self.group_id}' refuses this member.")

    async def _ask(
        self,
        message: Message,
        response: type[Response],
        code_of: Callable[[Response], int],
        *,
        joining: bool = False,
        at_least: int = 0,
    ) -> Response:
        """Ask the coordinator, wherever it is now; answers that only say that it moved are not returned."""
        waits_s = self._settings.rebalance_timeout_ms / 1000 + JOIN_GRACE_S if joining else None
        purpose = self._join_purpose if joining else self._purpose

        async def attempt() -> Response:
            if self._coordinator is None:
                self._coordinator = await self._cluster.coordinator(self.group_id)
            try:
                connection = await self._cluster.connection(self._coordinator, purpose)
                answer = await connection.call(message, response, at_least=at_least, timeout_s=waits_s)
            except (Unreachable, OutcomeUnknown):
                self._coordinator = None
                raise
            code = error_code(code_of(answer))
            if code in _COORDINATOR_MOVED:
                self._coordinator = None
                raise BrokerRefused(code, f"Nobody coordinates group '{self.group_id}' for now.")
            return answer

        return await self._cluster.retrying(attempt)


def _first_commit_code(answer: OffsetCommitResponse) -> int:
    return next((one.error_code for topic in answer.topics for one in topic.partitions), 0)


async def fetch_committed(
    cluster: Cluster, group_id: str, partitions: Iterable[TopicPartition] | None = None
) -> dict[TopicPartition, int]:
    """A group's committed offsets, of these partitions or of all that have one."""
    wanted = None
    if partitions is not None:
        wanted = [
            OffsetFetchRequestTopics(name=topic, partition_indexes=chosen)
            for topic, chosen in by_topic(partitions).items()
        ]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=wanted)])

    async def attempt() -> dict[TopicPartition, int]:
        connection = await cluster.connection(await cluster.coordinator(group_id), "admin")
        answer = await connection.call(request, OffsetFetchResponse, at_least=GROUPS_VERSION_MIN)
        found: dict[TopicPartition, int] = {}
        for group in answer.groups:
            check(group.error_code, f"The offsets of group '{group_id}' cannot be read.")
            for topic in group.topics:
                for one in topic.partitions:
                    check(
                        one.error_code,
                        f"The offset of group '{group_id}' in {topic.name} [{one.partition_index}] cannot be read.",
                    )
                    if one.committed_offset >= 0:
                        found[topic.name, one.partition_index] = one.committed_offset
        return found

    return await cluster.retrying(attempt)

