"""The classic group protocol as a pure machine: checks requests and answers them.

It follows Kafka's group coordinator state by state (`ClassicGroup` and `GroupMetadataManager` in Kafka 4), except that
a generation is committed when it begins as well as when it is assigned (`RebalanceCycle._begin_generation`).
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from higgins.groups.classic.member import Member
from higgins.groups.classic.rebalance import GroupState, RebalanceCycle
from higgins.groups.classic.requests import (
    Heartbeat,
    Join,
    JoinResult,
    Leave,
    LeaveResult,
    LeavingMember,
    Sync,
    SyncResult,
)
from higgins.groups.ledger_access import ClassicGroupRecord, GroupMemberRecord, GroupRecord
from higgins.groups.machine import (
    AuthoriseCommit,
    DeleteGroup,
    Event,
    Forget,
    GroupProtocol,
    Instruction,
    Stalled,
    Tick,
)
from higgins.groups.settings import GroupSettings
from higgins.groups.subscription import subscribed_topics
from higgins.groups.views import GroupView, MemberView
from higgins_protocol.errors import ErrorCode

CONSUMER_PROTOCOL_TYPE = "consumer"
"""The protocol type of consumers. Metadata of other types (connect, sr) is never looked into."""


class ClassicGroup(RebalanceCycle):
    """One group of the classic protocol (KIP-62, 345, 394, 800, 814)."""

    def __init__(self, group_id: str, settings: GroupSettings | None = None) -> None:
        super().__init__(group_id, settings or GroupSettings())

    def handle(self, event: Event, now_ms: int) -> list[Instruction]:
        """Advance the group. The driver commits every Persist before it sends any Reply that follows it."""
        self._TRANSITIONS[type(event)](self, event, now_ms)
        return self._take_instructions()

    def restore(
        self, record: GroupRecord, members: Mapping[str, GroupMemberRecord], now_ms: int
    ) -> list[Instruction]:
        """Continue from what was committed. Members stay if a request arrives within their session timeout."""
        assert isinstance(record, ClassicGroupRecord) and not members, record
        self._recorded = record
        self.generation = record.generation
        self.protocol_type = record.protocol_type
        self.protocol = record.protocol
        for member_record in record.members:
            member = Member.restore(member_record, record.protocol or "")
            self.members.add(member)
            self._restore_session(member, now_ms)
        self.assigned_bytes = sum(len(member.assignment) for member in self.members)
        if len(self.members):
            self._watch_silence(now_ms)
            self.members.leader = record.leader
            if any(member.assignment for member in self.members):
                self.state = GroupState.STABLE
            else:
                self._await_assignment(now_ms)
        return self._take_instructions()

    @property
    def has_members(self) -> bool:
        return len(self.members) > 0

    @property
    def member_bytes(self) -> int:
        return self.members.held_bytes + self.assigned_bytes

    @property
    def is_idle(self) -> bool:
        return self.state is GroupState.EMPTY and not self.members.pending

    @property
    def offset_deletion_error(self) -> ErrorCode | None:
        """What members of another protocol type consume is unknown, so all offsets stay while there are members."""
        is_opaque = self.has_members and self.protocol_type != CONSUMER_PROTOCOL_TYPE
        return ErrorCode.NON_EMPTY_GROUP if is_opaque else None

    def subscribed_topics(self) -> AbstractSet[str] | None:
        if self.has_members and self.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return None
        return subscribed_topics(member.metadata(self.protocol) for member in self.members)

    def view(self) -> GroupView:
        is_stable = self.state is GroupState.STABLE
        return GroupView(
            group_id=self.group_id,
            state=self.state.value,
            group_type=CLASSIC.name,
            protocol_type=self.protocol_type,
            protocol=(self.protocol or "") if is_stable else "",
            members=tuple(self._member_view(member, is_stable=is_stable) for member in self.members),
        )

    def _member_view(self, member: Member, *, is_stable: bool) -> MemberView:
        return MemberView(
            member_id=member.id,
            client_id=member.client_id,
            client_host=member.client_host,
            instance_id=member.instance_id,
            metadata=member.metadata(self.protocol) if is_stable else b"",
            assignment=member.assignment if is_stable else b"",
        )

    def _take_instructions(self) -> list[Instruction]:
        instructions, self._instructions = self._instructions, []
        return instructions

    # ---- JoinGroup

    def _join(self, request: Join, now_ms: int) -> None:
        error = self._join_error(request)
        if error is not None:
            self._refuse_join(request, error)
            # The refusal may have released a pending member id that the rebalance waited for.
            self._complete_if_all_joined(now_ms)
        elif not request.member_id:
            self._join_without_id(request, now_ms)
        elif request.member_id in self.members.pending:
            self._add(_new_member(request, request.member_id), request.protocol_type, request.token, now_ms)
        else:
            self._join_with_id(request, now_ms)

    def _refuse_join(self, request: Join, error: ErrorCode, member_id: str | None = None) -> None:
        self._reply(request.token, JoinResult(error=error, member_id=member_id or request.member_id))

    def _join_error(self, request: Join) -> ErrorCode | None:
        settings = self._settings
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if not settings.min_session_timeout_ms <= request.session_timeout_ms <= settings.max_session_timeout_ms:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        if not self._has_room_for(request):
            self.members.pending.pop(request.member_id, None)
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if not self._is_consistent(request):
            # As in Kafka: before the first generation, an unknown member id is reported before anything else.
            claims_membership = (
                request.member_id and not self.generation and request.member_id not in self.members.pending
            )
            return ErrorCode.UNKNOWN_MEMBER_ID if claims_membership else ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return None

    def _has_room_for(self, request: Join) -> bool:
        settings, members = self._settings, self.members
        metadata_bytes = sum(len(protocol.metadata) for protocol in request.protocols)
        if members.metadata_bytes + metadata_bytes > settings.group_bytes_max:
            return False
        if members.get(request.member_id) is not None or members.of_instance(request.instance_id) is not None:
            return True
        is_pending = request.member_id in members.pending
        may_be_pending = is_pending or len(members.pending) < settings.pending_members_max
        return may_be_pending and len(members) < settings.group_members_max

    def _is_consistent(self, request: Join) -> bool:
        """Whether the member shares the group's protocol type and a protocol with all other members."""
        if self.state is GroupState.EMPTY:
            return bool(request.protocol_type and request.protocols)
        return request.protocol_type == self.protocol_type and self.members.support_any(request.protocols)

    def _join_without_id(self, request: Join, now_ms: int) -> None:
        """A new member, or a static member that returns."""
        static_member = self.members.of_instance(request.instance_id)
        if static_member is not None:
            self._replace_static(static_member, request, now_ms)
        elif request.instance_id is None and request.requires_member_id:
            # KIP-394: a client that never hears of its id, because the connection broke, leaves no member behind.
            self.members.pending[request.new_member_id] = now_ms + request.session_timeout_ms
            self._wake_by(now_ms + request.session_timeout_ms)
            self._refuse_join(request, ErrorCode.MEMBER_ID_REQUIRED, request.new_member_id)
        else:
            self._add(_new_member(request, request.new_member_id), request.protocol_type, request.token, now_ms)

    def _join_with_id(self, request: Join, now_ms: int) -> None:
        """A member joins again."""
        error = self.members.id_error(request.member_id, request.instance_id)
        if error is not None:
            self._refuse_join(request, error)
            return
        member = self._member(request.member_id)
        is_unchanged = member.protocols == request.protocols
        is_repeated = self.state is GroupState.COMPLETING and is_unchanged
        # A follower that joins a stable group without changes missed its answer. A leader wants to assign anew.
        needs_no_rebalance = (
            self.state is GroupState.STABLE and is_unchanged and member.id != self.members.leader
        )
        if is_repeated or needs_no_rebalance:
            self._reply(request.token, self._joined(member, with_members=is_repeated))
            self._extend_session(member, now_ms)
            return
        _update(member, request)
        self._rejoin(member, request.protocols, request.token, now_ms)

    def _replace_static(self, member: Member, request: Join, now_ms: int) -> None:
        """A static member restarted: it gets a new member id, and its old id is fenced (KIP-345)."""
        old_id, old_leader = member.id, self.members.leader
        self._reply(
            self.members.end_join(member),
            JoinResult(error=ErrorCode.FENCED_INSTANCE_ID, member_id=old_id),
        )
        token, member.sync_token = member.sync_token, None
        self._reply(token, SyncResult(error=ErrorCode.FENCED_INSTANCE_ID))
        self.members.replace_id(member, request.new_member_id)
        if old_id in self._pending_sync:
            self._pending_sync.remove(old_id)
            self._pending_sync.add(member.id)
        _update(member, request)
        self.members.update_protocols(member, request.protocols)
        self._extend_session(member, now_ms)
        if self.state is GroupState.STABLE and self.members.select_protocol() == self.protocol:
            self._persist()
            self._reply(request.token, self._rejoined_static(member, request, old_leader))
        else:
            self._rejoin(member, request.protocols, request.token, now_ms)

    def _rejoined_static(self, member: Member, request: Join, old_leader: str | None) -> JoinResult:
        """The answer to a static member that keeps its assignment, without a rebalance.

        A leader must not assign in a stable group, because no member would fetch that assignment. From v9 on the answer
        says so (KIP-814). Older clients get the leader's old id, so that they do not take themselves for the leader.
        """
        result = self._joined(member, with_members=request.supports_skipping_assignment)
        if request.supports_skipping_assignment:
            return msgspec.structs.replace(result, skip_assignment=member.id == self.members.leader)
        return msgspec.structs.replace(result, leader=old_leader or "")

    # ---- SyncGroup

    def _sync(self, request: Sync, now_ms: int) -> None:
        error = self._sync_error(request)
        if error is not None:
            self._reply(request.token, SyncResult(error=error))
            return
        member = self._member(request.member_id)
        self._remove_pending_sync(member)
        if self.state is GroupState.STABLE:
            self._extend_session(member, now_ms)
            self._reply(request.token, self._synced(member))
            return
        self._reply(member.sync_token, SyncResult(error=ErrorCode.REBALANCE_IN_PROGRESS))
        member.sync_token = request.token
        if member.id == self.members.leader:
            self._accept_assignments(request, now_ms)

    def _sync_error(self, request: Sync) -> ErrorCode | None:
        error = self._member_error(request.member_id, request.instance_id, request.generation)
        if error is not None:
            return error
        if request.protocol_type not in (None, self.protocol_type) or request.protocol not in (None, self.protocol):
            # Checked even while a rebalance is being prepared, against the protocol of the generation before.
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.REBALANCE_IN_PROGRESS if self.state is GroupState.PREPARING else None

    def _accept_assignments(self, request: Sync, now_ms: int) -> None:
        assignments = dict(request.assignments)
        if sum(map(len, assignments.values())) > self._settings.group_bytes_max:
            # Kafka answers the same when a generation is too large to be written; there is no better error code.
            self._refuse_syncs(ErrorCode.UNKNOWN_SERVER_ERROR, now_ms)
            self._begin_rebalance(now_ms)
        else:
            self._assign(assignments, now_ms)

    # ---- Heartbeat, LeaveGroup, OffsetCommit, DeleteGroups

    def _heartbeat(self, request: Heartbeat, now_ms: int) -> None:
        error = self._member_error(request.member_id, request.instance_id, request.generation)
        if error is None:
            self._extend_session(self._member(request.member_id), now_ms)
            if self.state is GroupState.PREPARING:
                error = ErrorCode.REBALANCE_IN_PROGRESS
        self._reply(request.token, ErrorCode.NONE if error is None else error)

    def _leave(self, request: Leave, now_ms: int) -> None:
        if self.state is GroupState.DEAD:
            self._reply(request.token, LeaveResult(error=ErrorCode.COORDINATOR_NOT_AVAILABLE))
            return
        errors = tuple(self._remove_leaving(leaving, now_ms) for leaving in request.members)
        self._reply(request.token, LeaveResult(members=errors))

    def _remove_leaving(self, leaving: LeavingMember, now_ms: int) -> ErrorCode:
        if self.members.pending.pop(leaving.member_id, None) is not None:
            self._complete_if_all_joined(now_ms)
            return ErrorCode.NONE
        if leaving.member_id:
            error = self.members.id_error(leaving.member_id, leaving.instance_id)
            if error is not None:
                return error
            self._remove(self._member(leaving.member_id), now_ms)
            return ErrorCode.NONE
        member = self.members.of_instance(leaving.instance_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        self._remove(member, now_ms)
        return ErrorCode.NONE

    def _authorise_commit(self, request: AuthoriseCommit, now_ms: int) -> None:
        error = self._commit_error(request)
        member = self.members.get(request.member_id)
        if error is None and member is not None:
            self._extend_session(member, now_ms)
        self._reply(request.token, ErrorCode.NONE if error is None else error)

    def _commit_error(self, request: AuthoriseCommit) -> ErrorCode | None:
        """Members commit in their generation; a consumer without membership commits while the group is empty."""
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if request.generation < 0 and self.state is GroupState.EMPTY:
            return None
        error = self._member_error(request.member_id, request.instance_id, request.generation)
        if error is None and self.state is GroupState.COMPLETING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return error

    def _delete(self, request: DeleteGroup, now_ms: int) -> None:
        if self.state is GroupState.DEAD:
            self._reply(request.token, ErrorCode.GROUP_ID_NOT_FOUND)
        elif self.state is not GroupState.EMPTY:
            self._reply(request.token, ErrorCode.NON_EMPTY_GROUP)
        else:
            self.state = GroupState.DEAD
            self._instructions.append(Forget(request.with_offsets))
            self._reply(request.token, ErrorCode.NONE)

    # ---- time and takeover

    def _tick(self, event: Tick, now_ms: int) -> None:
        self._advance(now_ms)

    def _stalled(self, event: Stalled, now_ms: int) -> None:
        self._postpone(event.lost_ms, now_ms)
        self._advance(now_ms)

    def _await_assignment(self, now_ms: int) -> None:
        """The generation was committed, but its assignment was not, or is empty: the leader may still send it."""
        self.state = GroupState.COMPLETING
        self._is_restored = True
        self._pending_sync = {member.id for member in self.members}
        self._sync_deadline_ms = now_ms + self.members.rebalance_timeout_ms()
        self._wake_by(self._sync_deadline_ms)

    # ---- checks that several requests share

    def _member(self, member_id: str) -> Member:
        member = self.members.get(member_id)
        assert member is not None, f"{self!r} accepted a request of {member_id}, which is no member"
        return member

    def _member_error(self, member_id: str, instance_id: str | None, generation: int) -> ErrorCode | None:
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = self.members.id_error(member_id, instance_id)
        if error is not None:
            return error
        return None if generation == self.generation else ErrorCode.ILLEGAL_GENERATION

    _TRANSITIONS: dict[type[Any], Callable[[Any, Any, int], None]] = {
        Join: _join,
        Sync: _sync,
        Heartbeat: _heartbeat,
        Leave: _leave,
        AuthoriseCommit: _authorise_commit,
        DeleteGroup: _delete,
        Tick: _tick,
        Stalled: _stalled,
    }


def _new_member(request: Join, member_id: str) -> Member:
    return Member(
        id=member_id,
        instance_id=request.instance_id,
        client_id=request.client_id,
        client_host=request.client_host,
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        protocols=request.protocols,
    )


def _update(member: Member, request: Join) -> None:
    member.client_id = request.client_id
    member.client_host = request.client_host
    member.session_timeout_ms = request.session_timeout_ms
    member.rebalance_timeout_ms = request.rebalance_timeout_ms


def _count_members(record: GroupRecord, members: Mapping[str, GroupMemberRecord]) -> int:
    assert isinstance(record, ClassicGroupRecord), record
    return len(record.members)


CLASSIC = GroupProtocol(
    name="classic",
    record=ClassicGroupRecord,
    machine=ClassicGroup,
    requests=frozenset({Join, Sync, Heartbeat, Leave}),
    opened_by=frozenset({Join}),
    count_members=_count_members,
)
