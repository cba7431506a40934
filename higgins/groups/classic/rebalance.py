"""The rebalance cycle of a classic group: when a generation ends, who is in the next one, when it is assigned.

    Empty -> PreparingRebalance -> CompletingRebalance -> Stable -> PreparingRebalance ...

Pure. The checks of requests are in `machine`; here is what follows from accepted requests and from time.
"""

from enum import StrEnum

import msgspec

from higgins.groups.classic.member import Member
from higgins.groups.classic.members import Members
from higgins.groups.classic.requests import JoinResult, MemberProtocol, SyncResult
from higgins.groups.ledger_access import ClassicGroupRecord
from higgins.groups.machine import Instruction, Persist, Reply, Wake
from higgins.groups.settings import GroupSettings
from higgins_protocol.errors import ErrorCode

SILENCE_FIRST_MS = 2_000
"""How long after a takeover the members that have sent nothing yet are recorded; each later time is twice as long."""

UNHEARD_SESSION_MS = 2_000
"""The least time that a member has after a takeover, however silent it has been before, or a third of its session."""

FLUSH_MS = 200
"""How soon it is recorded that a silent member was heard: so long, others that are heard share the commit."""

DOUBTED_MS = 6_000
"""How long a rebalance waits for a member after an outage that was longer than the member's session.

The client may have given its membership up meanwhile, and be the one that joins now.
"""


class GroupState(StrEnum):
    """Kafka's names, as DescribeGroups shows them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class RebalanceCycle:
    """State, members and deadlines of one group."""

    def __init__(self, group_id: str, settings: GroupSettings) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.generation = 0
        self.protocol_type = ""
        self.protocol: str | None = None
        self.members = Members()
        self._settings = settings
        self._pending_sync: set[str] = set()
        """Members of this generation that have not sent a SyncGroup yet."""
        self._join_deadline_ms: int | None = None
        self._initial_delay_left_ms: int | None = None
        """By how much the first rebalance may still be extended; None in any other rebalance."""
        self._new_member_joined = False
        self._sync_deadline_ms: int | None = None
        self._is_restored = False
        """Whether the assignment was under way when this node took the group over."""
        self._recorded: ClassicGroupRecord | None = None
        """The newest record of the group."""
        self._silence_due_ms: int | None = None
        """When the members that are silent since the takeover are recorded: `_silence_next_ms`, or sooner."""
        self._silence_next_ms = 0
        self._silence_interval_ms = 0
        self._silence_since_ms = 0
        self.assigned_bytes = 0
        """The size of the assignments of this generation; those of members that have left since are included."""
        self._wake_ms: int | None = None
        self._instructions: list[Instruction] = []

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.group_id} generation={self.generation} "
            f"members={len(self.members)} {self.state.name}>"
        )

    def configure(self, settings: GroupSettings) -> None:
        """Use other settings from now on. Deadlines that are already set stay."""
        self._settings = settings

    # ---- instructions

    def _reply(self, token: int | None, result: object) -> None:
        if token is not None:
            self._instructions.append(Reply(token, result))

    def _persist(self) -> None:
        self._recorded = self.record()
        self._instructions.append(Persist(self._recorded))

    def _wake_by(self, at_ms: int) -> None:
        """Ask for a Tick no later than this. Between ticks, an earlier deadline is only ever set through here."""
        if self._wake_ms is None or at_ms < self._wake_ms:
            self._wake_ms = at_ms
            self._instructions.append(Wake(at_ms))

    def record(self) -> ClassicGroupRecord:
        """The group as it is committed."""
        return ClassicGroupRecord(
            changed_ms=0,
            protocol_type=self.protocol_type,
            generation=self.generation,
            protocol=self.protocol,
            leader=self.members.leader,
            members=tuple(member.record(self.protocol) for member in self.members),
        )

    def _extend_session(self, member: Member, now_ms: int) -> None:
        """The member was heard, or could not send anything until now."""
        if member.silent_ms:
            # The record says that it is silent. It must not, when another node takes the group over.
            self._record_silence_soon(now_ms)
        member.silent_ms = 0
        member.is_unheard = False
        member.doubted_ms = None
        self._restart_session(member, now_ms)

    def _restart_session(self, member: Member, now_ms: int) -> None:
        """The member gets a full session, although it was not heard."""
        member.expires_ms = now_ms + member.session_timeout_ms
        self._wake_by(member.expires_ms)

    # ---- silence after takeovers

    def _restore_session(self, member: Member, now_ms: int) -> None:
        """Give a member of a group that was taken over the time to be heard.

        When its last request arrived at the former coordinator is unknown, so it gets a full session, as in Kafka. But
        if the coordinator is replaced again and again, that alone would never end the session of a member that died. So
        a coordinator records for how long it has waited in vain, and the next one gives only what is left. A member
        that was removed, but not in time for another generation to begin, is removed at once.
        """
        left_ms = member.session_timeout_ms - member.silent_ms
        if left_ms > 0:
            left_ms = max(left_ms, min(UNHEARD_SESSION_MS, member.session_timeout_ms // 3))
        member.is_unheard = True
        member.expires_ms = now_ms + max(left_ms, 0)
        self._wake_by(member.expires_ms)

    def _watch_silence(self, now_ms: int) -> None:
        """After a takeover: record from time to time which members have not been heard yet."""
        shortest_ms = min(member.session_timeout_ms for member in self.members)
        self._silence_interval_ms = min(SILENCE_FIRST_MS, shortest_ms // 3)
        self._silence_since_ms = now_ms
        self._silence_due_ms = self._silence_next_ms = now_ms + self._silence_interval_ms
        self._wake_by(self._silence_due_ms)

    def _record_silence_soon(self, now_ms: int) -> None:
        soon_ms = now_ms + FLUSH_MS
        self._silence_due_ms = soon_ms if self._silence_due_ms is None else min(self._silence_due_ms, soon_ms)
        self._wake_by(self._silence_due_ms)

    def _record_silence(self, now_ms: int) -> None:
        """Record for how long each member has been silent, and nothing else: the generation has not changed."""
        unheard = [member for member in self.members if member.is_unheard]
        for member in unheard:
            # Short of the whole session: only members that were removed are recorded as silent for all of it.
            silent_ms = member.silent_ms + now_ms - self._silence_since_ms
            member.silent_ms = min(silent_ms, member.session_timeout_ms - 1)
        self._silence_since_ms = now_ms
        record = self._recorded
        assert record is not None
        members = tuple(
            msgspec.structs.replace(each, silent_ms=self._silence_of(each.member_id, each.session_timeout_ms))
            for each in record.members
        )
        if members != record.members:
            self._recorded = msgspec.structs.replace(record, members=members)
            self._instructions.append(Persist(self._recorded))
        self._silence_due_ms = None
        if unheard:
            if now_ms >= self._silence_next_ms:
                self._silence_interval_ms *= 2
                self._silence_next_ms = now_ms + self._silence_interval_ms
            self._silence_due_ms = self._silence_next_ms
            self._wake_by(self._silence_due_ms)

    def _silence_of(self, member_id: str, session_timeout_ms: int) -> int:
        """How long a member of the record has been silent; one that has left or expired since will not come back."""
        member = self.members.get(member_id)
        return session_timeout_ms if member is None else member.silent_ms

    # ---- from a generation to the next

    def _begin_rebalance(self, now_ms: int) -> None:
        """Ask all members to rejoin. A group that was empty first waits for more members."""
        if self.state is GroupState.COMPLETING:
            self._refuse_syncs(ErrorCode.REBALANCE_IN_PROGRESS, now_ms)
        self._pending_sync.clear()
        self._sync_deadline_ms = None
        self._is_restored = False
        timeout_ms = self.members.rebalance_timeout_ms()
        delay_ms = self._settings.initial_rebalance_delay_ms
        if self.state is GroupState.EMPTY:
            self._initial_delay_left_ms = max(timeout_ms - delay_ms, 0)
            self._join_deadline_ms = now_ms + delay_ms
        else:
            self._initial_delay_left_ms = None
            self._join_deadline_ms = now_ms + timeout_ms
        self.state = GroupState.PREPARING
        self._wake_by(self._join_deadline_ms)
        if self._initial_delay_left_ms is not None and delay_ms == 0:
            self._complete_join(now_ms)
        else:
            self._complete_if_all_joined(now_ms)

    def _rebalance(self, now_ms: int) -> None:
        """Begin a rebalance, or complete the one that is being prepared if no member is missing any more."""
        if self.state is GroupState.PREPARING:
            self._complete_if_all_joined(now_ms)
        elif self.state is not GroupState.DEAD:
            self._begin_rebalance(now_ms)

    def _complete_if_all_joined(self, now_ms: int) -> None:
        # The first rebalance always waits for its whole delay: how many members there will be is unknown.
        is_initial = self._initial_delay_left_ms is not None
        if self.state is GroupState.PREPARING and not is_initial and self.members.all_joined():
            self._complete_join(now_ms)

    def _end_join_phase(self, now_ms: int) -> None:
        """The time for joining is over. The first rebalance is extended as long as new members keep coming."""
        if self._initial_delay_left_ms and self._new_member_joined:
            delay_ms = min(self._settings.initial_rebalance_delay_ms, self._initial_delay_left_ms)
            self._initial_delay_left_ms -= delay_ms
            self._new_member_joined = False
            self._join_deadline_ms = now_ms + delay_ms
            self._wake_by(self._join_deadline_ms)
        else:
            self._complete_join(now_ms)

    def _complete_join(self, now_ms: int) -> None:
        """Begin the next generation with the members that joined, and with all static members (KIP-345)."""
        for member in self.members:
            if not member.is_joining and not member.is_static:
                self.members.remove(member)
        if len(self.members) and not self.members.elect_leader():
            # Only static members that are away are left, and none could assign. Wait until one rejoins or all expire.
            self._initial_delay_left_ms = None
            self._join_deadline_ms = now_ms + self.members.rebalance_timeout_ms()
            self._wake_by(self._join_deadline_ms)
            return
        self._join_deadline_ms = self._initial_delay_left_ms = None
        self._new_member_joined = False
        self.generation += 1
        if len(self.members):
            self._begin_generation(now_ms)
        else:
            self.protocol = None
            self.state = GroupState.EMPTY
            self.assigned_bytes = 0
            self._persist()

    def _begin_generation(self, now_ms: int) -> None:
        """Commit the generation without assignments, then answer every JoinGroup.

        Kafka writes a generation only when it is assigned. Here it is committed when it begins as well, so that no
        generation number is ever used twice, whichever node coordinates the group next.
        """
        self.protocol = self.members.select_protocol()
        self.state = GroupState.COMPLETING
        members = list(self.members)
        for member in members:
            member.assignment = b""
            member.is_new = False
            if member.is_joining:
                self._extend_session(member, now_ms)
            else:
                self._restart_session(member, now_ms)
        self.assigned_bytes = 0
        self._persist()
        for member in members:
            self._reply(self.members.end_join(member), self._joined(member, with_members=True))
        self._pending_sync = {member.id for member in members}
        self._sync_deadline_ms = now_ms + self.members.rebalance_timeout_ms()
        self._wake_by(self._sync_deadline_ms)

    def _joined(self, member: Member, *, with_members: bool) -> JoinResult:
        """The answer to a member of this generation. `with_members` adds the list of members, for the leader only."""
        has_members = with_members and member.id == self.members.leader
        return JoinResult(
            member_id=member.id,
            generation=self.generation,
            protocol_type=self.protocol_type,
            protocol=self.protocol,
            leader=self.members.leader or "",
            members=tuple(each.joined(self.protocol) for each in self.members) if has_members else (),
        )

    # ---- assignments

    def _assign(self, assignments: dict[str, bytes], now_ms: int) -> None:
        """The leader has assigned: commit the assignments, then answer every SyncGroup that waits."""
        for member in self.members:
            member.assignment = assignments.get(member.id, b"")
        self.assigned_bytes = sum(len(member.assignment) for member in self.members)
        self.state = GroupState.STABLE
        self._is_restored = False
        self._persist()
        for member in self.members:
            if member.is_syncing:
                token, member.sync_token = member.sync_token, None
                self._reply(token, self._synced(member))
                self._extend_session(member, now_ms)

    def _synced(self, member: Member) -> SyncResult:
        return SyncResult(
            protocol_type=self.protocol_type, protocol=self.protocol, assignment=member.assignment
        )

    def _remove_pending_sync(self, member: Member) -> None:
        self._pending_sync.discard(member.id)
        if not self._pending_sync:
            self._sync_deadline_ms = None

    def _refuse_syncs(self, error: ErrorCode, now_ms: int) -> None:
        """Answer every SyncGroup that waits with an error."""
        for member in self.members:
            if member.is_syncing:
                token, member.sync_token = member.sync_token, None
                self._reply(token, SyncResult(error=error))
                # It could not send heartbeats while it waited.
                self._extend_session(member, now_ms)

    def _end_sync_phase(self, now_ms: int) -> None:
        """Remove the members that joined the generation but never sent a SyncGroup, and rebalance.

        After a takeover no member is removed: it may have sent its SyncGroup to the coordinator before this one.
        """
        self._sync_deadline_ms = None
        if not self._is_restored:
            for member_id in sorted(self._pending_sync):
                member = self.members.get(member_id)
                if member is not None:
                    self._take_out(member, now_ms)
        self._pending_sync.clear()
        self._begin_rebalance(now_ms)

    # ---- members come and go

    def _add(self, member: Member, protocol_type: str, token: int, now_ms: int) -> None:
        if not len(self.members):
            self.protocol_type = protocol_type
        self._new_member_joined |= self.state is GroupState.PREPARING and self.generation == 0
        self.members.add(member)
        self.members.begin_join(member, token)
        member.is_new = True
        member.expires_ms = now_ms + self._settings.new_member_timeout_ms
        self._wake_by(member.expires_ms)
        self._rebalance(now_ms)

    def _rejoin(
        self, member: Member, protocols: tuple[MemberProtocol, ...], token: int, now_ms: int
    ) -> None:
        # The client gave up on an earlier JoinGroup that is not answered yet, or it would not have sent another.
        self._reply(member.join_token, JoinResult(error=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.id))
        self.members.update_protocols(member, protocols)
        self.members.begin_join(member, token)
        self._rebalance(now_ms)

    def _take_out(self, member: Member, now_ms: int) -> None:
        """Remove a member without a rebalance. Its requests that are not answered yet get UNKNOWN_MEMBER_ID."""
        self._reply(
            self.members.end_join(member), JoinResult(error=ErrorCode.UNKNOWN_MEMBER_ID, member_id=member.id)
        )
        token, member.sync_token = member.sync_token, None
        self._reply(token, SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        self._remove_pending_sync(member)
        self.members.remove(member)
        if member.is_unheard:
            self._record_silence_soon(now_ms)

    def _remove(self, member: Member, now_ms: int) -> None:
        self._take_out(member, now_ms)
        self._rebalance(now_ms)

    # ---- time

    def _advance(self, now_ms: int) -> None:
        """Do everything that is due, and ask for the next tick."""
        self._wake_ms = None
        expired = [member_id for member_id, at_ms in self.members.pending.items() if at_ms <= now_ms]
        for member_id in expired:
            del self.members.pending[member_id]
        if expired:
            self._complete_if_all_joined(now_ms)
        for member in self.members:
            # Removing one member may complete the rebalance, and that may remove others of this (copied) list.
            is_waited_for = self.state is GroupState.PREPARING
            if member.has_expired(now_ms, is_waited_for=is_waited_for) and self.members.get(member.id) is member:
                self._remove(member, now_ms)
        if self._join_deadline_ms is not None and self._join_deadline_ms <= now_ms:
            self._end_join_phase(now_ms)
        if self._sync_deadline_ms is not None and self._sync_deadline_ms <= now_ms:
            self._end_sync_phase(now_ms)
        if self._silence_due_ms is not None and self._silence_due_ms <= now_ms:
            self._record_silence(now_ms)
        self._wake_by_next_deadline(now_ms)

    def _wake_by_next_deadline(self, now_ms: int) -> None:
        deadlines = [*self.members.pending.values()]
        others = (self._join_deadline_ms, self._sync_deadline_ms, self._silence_due_ms)
        deadlines += [at_ms for at_ms in others if at_ms is not None]
        doubted = [member.doubted_ms for member in self.members if member.doubted_ms is not None]
        deadlines += [at_ms for at_ms in doubted if at_ms > now_ms]
        # A member that waits for an answer may be past its session. The answer gives it a new one, and a deadline.
        deadlines += [member.expires_ms for member in self.members if member.expires_ms > now_ms]
        if deadlines:
            self._wake_by(min(deadlines))

    def _postpone(self, by_ms: int, now_ms: int) -> None:
        """Extend all deadlines by a stall, but none beyond what it would be if it were set now.

        Something that began during the stall did not lose all of that time.
        """

        def extended(at_ms: int, timeout_ms: int) -> int:
            return max(at_ms, min(at_ms + by_ms, now_ms + timeout_ms))

        for member in self.members:
            member.expires_ms = extended(member.expires_ms, member.session_timeout_ms)
            if by_ms >= member.session_timeout_ms:
                member.doubted_ms = now_ms + min(DOUBTED_MS, member.session_timeout_ms)
        if self._silence_due_ms is not None:
            self._silence_due_ms += by_ms
            self._silence_next_ms += by_ms
            self._silence_since_ms += by_ms
        for member_id in self.members.pending:
            self.members.pending[member_id] += by_ms
        timeout_ms = self.members.rebalance_timeout_ms()
        if self._join_deadline_ms is not None:
            self._join_deadline_ms = extended(self._join_deadline_ms, timeout_ms)
        if self._sync_deadline_ms is not None:
            self._sync_deadline_ms = extended(self._sync_deadline_ms, timeout_ms)
