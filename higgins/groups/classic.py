"""The classic group protocol as a pure machine: an event and the time go in, instructions come out.

No clock, no I/O, no randomness; times are milliseconds of any one clock that never goes back. It follows Kafka's
coordinator state by state, with one addition: a generation is committed when it begins as well as when it is assigned,
so that no generation number is ever given twice, whichever node coordinates.
"""

from collections.abc import Callable
from typing import Any

from higgins.groups.events import (
    AuthoriseCommit,
    Delete,
    Departure,
    Event,
    Heartbeat,
    Instruction,
    Join,
    JoinResult,
    Leave,
    LeaveResult,
    Persist,
    Restored,
    Stalled,
    Sync,
    SyncResult,
    Tick,
)
from higgins.groups.member import Member
from higgins.groups.rebalance import GroupState, RebalanceCycle
from higgins.groups.settings import GroupSettings
from higgins_protocol.errors import ErrorCode


class ClassicGroup(RebalanceCycle):
    """One group of the classic protocol (KIP-62, 345, 394, 800, 814)."""

    def __init__(self, group_id: str, settings: GroupSettings | None = None) -> None:
        super().__init__(group_id, settings or GroupSettings())

    def handle(self, event: Event, now_ms: int) -> list[Instruction]:
        """Advance the group. The driver commits every Persist before it sends any Reply that follows it."""
        self._TRANSITIONS[type(event)](self, event, now_ms)
        instructions, self._out = self._out, []
        return instructions

    # ---- JoinGroup

    def _join(self, event: Join, now_ms: int) -> None:
        error = self._fault_in_join(event)
        if error is not None:
            self._refuse_join(event, error)
            self._complete_if_all_joined(now_ms)
        elif not event.member_id:
            self._enter(event, now_ms)
        elif event.member_id in self.roster.pending:
            self._add(_newcomer(event, event.member_id), event.protocol_type, event.token, now_ms)
        else:
            self._return(event, now_ms)

    def _refuse_join(self, event: Join, error: ErrorCode, member_id: str | None = None) -> None:
        self._reply(event.token, JoinResult(error=error, member_id=member_id or event.member_id))

    def _fault_in_join(self, event: Join) -> ErrorCode | None:
        settings = self._settings
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if not settings.min_session_timeout_ms <= event.session_timeout_ms <= settings.max_session_timeout_ms:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        if not self._has_room_for(event):
            self.roster.pending.pop(event.member_id, None)
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if not self._suits(event):
            # Who claims to be in a group that never had a generation is unknown there, whatever else is wrong.
            claims = event.member_id and not self.generation and event.member_id not in self.roster.pending
            return ErrorCode.UNKNOWN_MEMBER_ID if claims else ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return None

    def _has_room_for(self, event: Join) -> bool:
        settings, roster = self._settings, self.roster
        news_bytes = sum(len(offer.metadata) for offer in event.protocols)
        if roster.metadata_bytes + news_bytes > settings.group_bytes_max:
            return False
        if roster.get(event.member_id) is not None or roster.of_instance(event.instance_id) is not None:
            return True
        is_announced = event.member_id in roster.pending
        has_place = is_announced or len(roster.pending) < settings.pending_members_max
        return has_place and len(roster) < settings.group_members_max

    def _suits(self, event: Join) -> bool:
        if self.state is GroupState.EMPTY:
            return bool(event.protocol_type and event.protocols)
        return event.protocol_type == self.protocol_type and self.roster.supports(event.protocols)

    def _enter(self, event: Join, now_ms: int) -> None:
        """Somebody without a member id: new, or a static member come back."""
        former = self.roster.of_instance(event.instance_id)
        if former is not None:
            self._replace(former, event, now_ms)
        elif event.instance_id is None and event.requires_known_id:
            self.roster.pending[event.fresh_member_id] = now_ms + event.session_timeout_ms
            self._wake_by(now_ms + event.session_timeout_ms)
            self._refuse_join(event, ErrorCode.MEMBER_ID_REQUIRED, event.fresh_member_id)
        else:
            self._add(_newcomer(event, event.fresh_member_id), event.protocol_type, event.token, now_ms)

    def _return(self, event: Join, now_ms: int) -> None:
        """A member that says it belongs here already."""
        error = self.roster.fault(event.member_id, event.instance_id)
        if error is not None:
            self._refuse_join(event, error)
            return
        member = self._member(event.member_id)
        knows_all = member.protocols == event.protocols
        is_repeat = self.state is GroupState.COMPLETING and knows_all
        # A follower that joins a stable group as it is has only lost an answer; a leader wants to assign anew.
        is_idle = self.state is GroupState.STABLE and knows_all and member.id != self.roster.leader
        if is_repeat or is_idle:
            self._reply(event.token, self._joined(member, tells_members=is_repeat))
            self._heard(member, now_ms)
            return
        _update(member, event)
        self._rejoin(member, event.protocols, event.token, now_ms)

    def _replace(self, member: Member, event: Join, now_ms: int) -> None:
        """A static member restarted: it takes the place of its former self, which is fenced (KIP-345)."""
        former_id, former_leader = member.id, self.roster.leader
        self._reply(
            self.roster.end_join(member),
            JoinResult(error=ErrorCode.FENCED_INSTANCE_ID, member_id=former_id),
        )
        token, member.sync_token = member.sync_token, None
        self._reply(token, SyncResult(error=ErrorCode.FENCED_INSTANCE_ID))
        self.roster.rename(member, event.fresh_member_id)
        if former_id in self._unsynced:
            self._unsynced.remove(former_id)
            self._unsynced.add(member.id)
        _update(member, event)
        self.roster.offer(member, event.protocols)
        self._heard(member, now_ms)
        if self.state is GroupState.STABLE and self.roster.vote() == self.protocol:
            self._persist()
            self._reply(event.token, self._resumed(member, event, former_leader))
        else:
            self._rejoin(member, event.protocols, event.token, now_ms)

    def _resumed(self, member: Member, event: Join, former_leader: str | None) -> JoinResult:
        """A static member goes on where it was, without a rebalance.

        A leader must not assign in a stable group, where nobody would hear of it: from v9 it is told so, before that
        it is named a leader that is not itself.
        """
        result = self._joined(member, tells_members=event.can_skip_assignment)
        is_leader = member.id == self.roster.leader
        return JoinResult(
            member_id=result.member_id,
            generation=result.generation,
            protocol_type=result.protocol_type,
            protocol=result.protocol,
            leader=result.leader if event.can_skip_assignment else former_leader or "",
            members=result.members,
            skip_assignment=is_leader and event.can_skip_assignment,
        )

    # ---- SyncGroup

    def _sync(self, event: Sync, now_ms: int) -> None:
        error = self._fault_in_sync(event)
        if error is not None:
            self._reply(event.token, SyncResult(error=error))
            return
        member = self._member(event.member_id)
        self._synced(member)
        if self.state is GroupState.STABLE:
            self._heard(member, now_ms)
            self._reply(event.token, self._assigned(member))
            return
        self._reply(member.sync_token, SyncResult(error=ErrorCode.REBALANCE_IN_PROGRESS))
        member.sync_token = event.token
        if member.id == self.roster.leader:
            self._take_assignments(event, now_ms)

    def _fault_in_sync(self, event: Sync) -> ErrorCode | None:
        error = self._fault_in_member(event.member_id, event.instance_id, event.generation)
        if error is not None:
            return error
        if event.protocol_type not in (None, self.protocol_type) or event.protocol not in (None, self.protocol):
            # A generation in preparation has no protocol yet, only the one it had.
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.REBALANCE_IN_PROGRESS if self.state is GroupState.PREPARING else None

    def _take_assignments(self, event: Sync, now_ms: int) -> None:
        assignments = dict(event.assignments)
        if sum(map(len, assignments.values())) > self._settings.group_bytes_max:
            # Kafka, too, has no better word for a generation too large to be written.
            self._refuse_syncs(ErrorCode.UNKNOWN_SERVER_ERROR, now_ms)
            self._begin_rebalance(now_ms)
        else:
            self._assign(assignments, now_ms)

    # ---- Heartbeat, LeaveGroup, OffsetCommit, DeleteGroups

    def _heartbeat(self, event: Heartbeat, now_ms: int) -> None:
        error = self._fault_in_member(event.member_id, event.instance_id, event.generation)
        if error is None:
            self._heard(self._member(event.member_id), now_ms)
            if self.state is GroupState.PREPARING:
                error = ErrorCode.REBALANCE_IN_PROGRESS
        self._reply(event.token, ErrorCode.NONE if error is None else error)

    def _leave(self, event: Leave, now_ms: int) -> None:
        if self.state is GroupState.DEAD:
            self._reply(event.token, LeaveResult(error=ErrorCode.COORDINATOR_NOT_AVAILABLE))
            return
        errors = tuple(self._depart(departure, now_ms) for departure in event.departures)
        self._reply(event.token, LeaveResult(departures=errors))

    def _depart(self, departure: Departure, now_ms: int) -> ErrorCode:
        if self.roster.pending.pop(departure.member_id, None) is not None:
            self._complete_if_all_joined(now_ms)
            return ErrorCode.NONE
        if departure.member_id:
            error = self.roster.fault(departure.member_id, departure.instance_id)
            if error is not None:
                return error
            self._remove(self._member(departure.member_id), now_ms)
            return ErrorCode.NONE
        member = self.roster.of_instance(departure.instance_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        self._remove(member, now_ms)
        return ErrorCode.NONE

    def _authorise_commit(self, event: AuthoriseCommit, now_ms: int) -> None:
        error = self._fault_in_commit(event)
        member = self.roster.get(event.member_id)
        if error is None and member is not None:
            self._heard(member, now_ms)
        self._reply(event.token, ErrorCode.NONE if error is None else error)

    def _fault_in_commit(self, event: AuthoriseCommit) -> ErrorCode | None:
        """Members commit in their generation; anybody may while nobody is in (consumers without a group)."""
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if event.generation < 0 and self.state is GroupState.EMPTY:
            return None
        error = self._fault_in_member(event.member_id, event.instance_id, event.generation)
        if error is None and self.state is GroupState.COMPLETING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return error

    def _delete(self, event: Delete, now_ms: int) -> None:
        if self.state is GroupState.DEAD:
            self._reply(event.token, ErrorCode.GROUP_ID_NOT_FOUND)
        elif self.state is not GroupState.EMPTY:
            self._reply(event.token, ErrorCode.NON_EMPTY_GROUP)
        else:
            self.state = GroupState.DEAD
            self._out.append(Persist(None, event.with_offsets))
            self._reply(event.token, ErrorCode.NONE)

    # ---- time, and taking over

    def _tick(self, event: Tick, now_ms: int) -> None:
        self._advance(now_ms)

    def _stalled(self, event: Stalled, now_ms: int) -> None:
        self._postpone(event.lost_ms, now_ms)
        self._advance(now_ms)

    def _restore(self, event: Restored, now_ms: int) -> None:
        """Go on from what was committed: members stay, if they are heard of within their session."""
        record = event.record
        self.generation = record.generation
        self.protocol_type = record.protocol_type
        self.protocol = record.protocol
        for each in record.members:
            member = Member.restore(each, record.protocol or "")
            self.roster.add(member)
            self._heard(member, now_ms)
        if not len(self.roster):
            return
        self.roster.leader = record.leader
        if any(member.assignment for member in self.roster):
            self.state = GroupState.STABLE
        else:
            self._await_assignment(now_ms)

    def _await_assignment(self, now_ms: int) -> None:
        """The generation was committed, its assignment not (or it was empty): the leader may still bring it."""
        self.state = GroupState.COMPLETING
        self._is_takeover = True
        self._unsynced = {member.id for member in self.roster}
        self._sync_deadline_ms = now_ms + self.roster.rebalance_timeout_ms()
        self._wake_by(self._sync_deadline_ms)

    # ---- checks shared by events

    def _member(self, member_id: str) -> Member:
        member = self.roster.get(member_id)
        assert member is not None, f"{self!r} answered for {member_id} without a check"
        return member

    def _fault_in_member(self, member_id: str, instance_id: str | None, generation: int) -> ErrorCode | None:
        if self.state is GroupState.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = self.roster.fault(member_id, instance_id)
        if error is not None:
            return error
        return None if generation == self.generation else ErrorCode.ILLEGAL_GENERATION

    _TRANSITIONS: dict[type[Any], Callable[[Any, Any, int], None]] = {
        Join: _join,
        Sync: _sync,
        Heartbeat: _heartbeat,
        Leave: _leave,
        AuthoriseCommit: _authorise_commit,
        Delete: _delete,
        Tick: _tick,
        Stalled: _stalled,
        Restored: _restore,
    }


def _newcomer(event: Join, member_id: str) -> Member:
    return Member(
        id=member_id,
        instance_id=event.instance_id,
        client_id=event.client_id,
        client_host=event.client_host,
        session_timeout_ms=event.session_timeout_ms,
        rebalance_timeout_ms=event.rebalance_timeout_ms,
        protocols=event.protocols,
    )


def _update(member: Member, event: Join) -> None:
    member.client_id = event.client_id
    member.client_host = event.client_host
    member.session_timeout_ms = event.session_timeout_ms
    member.rebalance_timeout_ms = event.rebalance_timeout_ms
