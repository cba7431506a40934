"""A member of a consumer group in the classic protocol: join, sync, heartbeat, commit and leave, as calls.

The member has no task of its own: its owner calls `heartbeat` in time, and `join` again after `Rebalancing`. A call can
be cancelled anywhere; the next `join` starts again with the member id that the coordinator has assigned.

*How a member joins.* JoinGroup is answered when all members of the group have joined, with the leader's name and, for
the leader, everybody's subscription. SyncGroup then gives each member its assignment, which the leader computes. Either
may be refused because the group has started another rebalance meanwhile; `join` then starts again, up to ROUNDS_MAX
times. UNKNOWN_MEMBER_ID means that the coordinator has removed this member: it joins as a new one, without an id and
without the partitions it owned.

*Connections.* JoinGroup and SyncGroup may take as long as the slowest member, and a broker answers the requests of a
connection in order. So a member has one connection for them and another one for heartbeats, commits and leaving.
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
    error_code,
    raise_for_error,
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
OFFSET_FETCH_VERSION_MIN = 8
"""The first version with `groups`, the only form that is sent here."""
LEAVE_VERSION_MIN = 3
"""The first version that names members by instance id as well (KIP-345)."""
JOIN_GRACE_S = 5.0
"""How much longer than the rebalance timeout the client waits for JoinGroup and SyncGroup."""
ROUNDS_MAX = 100

_COORDINATOR_MOVED = frozenset(
    {
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
_MUST_REJOIN = frozenset(
    {ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID}
)


class GroupMember:
    """One member. `generation` is -1 and `joined` false while it has no valid assignment."""

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
        self._connection_name = cluster.unique_connection_name("group")
        self._join_connection_name = cluster.unique_connection_name("join")

    def __repr__(self) -> str:
        return f"<GroupMember {self.group_id} {self.member_id or '-'} generation={self.generation}>"

    @property
    def joined(self) -> bool:
        """Whether the member has an assignment that the coordinator has not revoked, as far as it knows."""
        return self.generation >= 0

    async def join(self) -> tuple[TopicPartition, ...]:
        """Join the group's next generation and return the assigned partitions. Waits for the other members.

        Raises: BrokerRefused for an error that a retry does not clear, Unreachable, OutcomeUnknown.
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
            ErrorCode.REBALANCE_IN_PROGRESS,
            f"Group '{self.group_id}' started another rebalance each of the {ROUNDS_MAX} times that it was joined.",
        )

    async def heartbeat(self) -> None:
        """Send one heartbeat. Raises: Rebalancing when the member must join again; other ClientErrors."""
        request = HeartbeatRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
        )
        response = await self._call(request, HeartbeatResponse, lambda response: response.error_code)
        self._raise_for_error(response.error_code)

    async def commit(self, offsets: Mapping[TopicPartition, int], metadata: str = "") -> None:
        """Commit the next offset to read of each partition.

        Raises: Rebalancing (nothing was committed: join again), BrokerRefused with the first partition's error.
        """
        request = OffsetCommitRequest(
            group_id=self.group_id,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
            topics=offset_commit_topics(offsets, metadata),
        )
        response = await self._call(request, OffsetCommitResponse, _first_commit_code)
        for topic in response.topics:
            for partition in topic.partitions:
                self._raise_for_error(partition.error_code)

    async def committed(
        self, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, int]:
        """The committed offsets of these partitions, or of all; partitions without one are not in the result."""
        return await fetch_committed(self._cluster, self.group_id, partitions)

    async def leave(self) -> None:
        """Leave the group now, so that the others need not wait for this member's session timeout."""
        if not self.member_id:
            return
        identity = MemberIdentity(member_id=self.member_id, group_instance_id=self._settings.instance_id)
        request = LeaveGroupRequest(group_id=self.group_id, members=[identity])
        self.generation = -1
        self.assignment = ()
        try:
            await self._call(
                request, LeaveGroupResponse, lambda response: response.error_code, at_least=LEAVE_VERSION_MIN
            )
        finally:
            self.member_id = ""
            self.close()

    def close(self) -> None:
        """Close the member's connections without leaving the group."""
        self._cluster.close_connections(self._connection_name)
        self._cluster.close_connections(self._join_connection_name)

    async def _join_once(self) -> JoinGroupResponse | None:
        """Send one JoinGroup; None when it has to be repeated with the member id that was just assigned."""
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
        response = await self._call(request, JoinGroupResponse, lambda response: response.error_code, joining=True)
        if response.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            # KIP-394: a new member gets its id first and then joins with it. Without that, every retry after a lost
            # response would add another member, which the others would wait for.
            self.member_id = response.member_id
            return None
        self._raise_for_error(response.error_code)
        self.member_id = response.member_id
        return response

    async def _sync(self, joined: JoinGroupResponse) -> tuple[TopicPartition, ...]:
        # KIP-814: a static leader that has only restarted keeps the assignment, and must not compute another one.
        is_leader = joined.leader == joined.member_id and not joined.skip_assignment
        request = SyncGroupRequest(
            group_id=self.group_id,
            generation_id=joined.generation_id,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocol_name=joined.protocol_name,
            assignments=await self._assign(joined) if is_leader else [],
        )
        response = await self._call(request, SyncGroupResponse, lambda response: response.error_code, joining=True)
        self._raise_for_error(response.error_code)
        return decode_assignment(response.assignment)

    async def _assign(self, joined: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        """The assignments of all members, computed by this one as the leader."""
        subscriptions = {member.member_id: decode_subscription(member.metadata) for member in joined.members}
        topics = sorted({topic for subscription in subscriptions.values() for topic in subscription.topics})

        async def attempt() -> dict[str, int]:
            metadata = await self._cluster.refresh(topics)
            return {name: len(metadata.topics[name].leaders) for name in topics if name in metadata.topics}

        assigned = assign_ranges(subscriptions, await self._cluster.retry(attempt) if topics else {})
        return [
            SyncGroupRequestAssignment(member_id=member_id, assignment=encode_assignment(partitions))
            for member_id, partitions in assigned.items()
        ]

    def _raise_for_error(self, code: int) -> None:
        named = error_code(code)
        if named in _MUST_REJOIN:
            self.generation = -1
            if named is ErrorCode.UNKNOWN_MEMBER_ID:
                self.member_id = ""
                self.assignment = ()
            raise Rebalancing(f"Group '{self.group_id}' is rebalancing ({named.name}); join it again.")
        raise_for_error(code, f"Group '{self.group_id}' refuses this member.")

    async def _call(
        self,
        message: Message,
        response_type: type[Response],
        code_of: Callable[[Response], int],
        *,
        joining: bool = False,
        at_least: int = 0,
    ) -> Response:
        """Send a request to the group's coordinator, and find the coordinator again when it has moved.

        A response that only says so is never returned. Repeating is safe for every request sent here.
        """
        timeout_s = self._settings.rebalance_timeout_ms / 1000 + JOIN_GRACE_S if joining else None
        connection_name = self._join_connection_name if joining else self._connection_name

        async def attempt() -> Response:
            if self._coordinator is None:
                self._coordinator = await self._cluster.find_coordinator(self.group_id)
            try:
                connection = await self._cluster.connection(self._coordinator, connection_name)
                response = await connection.call(message, response_type, at_least=at_least, timeout_s=timeout_s)
            except (Unreachable, OutcomeUnknown):
                self._coordinator = None
                raise
            code = error_code(code_of(response))
            if code in _COORDINATOR_MOVED:
                self._coordinator = None
                raise BrokerRefused(code, f"Group '{self.group_id}' has no coordinator now.")
            return response

        return await self._cluster.retry(attempt)


def _first_commit_code(response: OffsetCommitResponse) -> int:
    return next((partition.error_code for topic in response.topics for partition in topic.partitions), 0)


def offset_commit_topics(
    offsets: Mapping[TopicPartition, int], metadata: str = ""
) -> list[OffsetCommitRequestTopic]:
    """Offsets in the form in which OffsetCommit lists them."""
    return [
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
    ]


async def fetch_committed(
    cluster: Cluster, group_id: str, partitions: Iterable[TopicPartition] | None = None
) -> dict[TopicPartition, int]:
    """A group's committed offsets for these partitions, or for all; partitions without one are not in the result."""
    topics = None
    if partitions is not None:
        topics = [
            OffsetFetchRequestTopics(name=topic, partition_indexes=indexes)
            for topic, indexes in by_topic(partitions).items()
        ]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=topics)])

    async def attempt() -> dict[TopicPartition, int]:
        connection = await cluster.connection(await cluster.find_coordinator(group_id), "admin")
        response = await connection.call(request, OffsetFetchResponse, at_least=OFFSET_FETCH_VERSION_MIN)
        committed: dict[TopicPartition, int] = {}
        for group in response.groups:
            raise_for_error(group.error_code, f"The offsets of group '{group_id}' cannot be read.")
            for topic in group.topics:
                for partition in topic.partitions:
                    raise_for_error(
                        partition.error_code,
                        f"The offset of group '{group_id}' in {topic.name} [{partition.partition_index}] "
                        "cannot be read.",
                    )
                    if partition.committed_offset >= 0:
                        committed[topic.name, partition.partition_index] = partition.committed_offset
        return committed

    return await cluster.retry(attempt)
