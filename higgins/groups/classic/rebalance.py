"""The rebalance cycle of a classic group: when a generation ends, who is in the next one, when it is assigned.

    Empty -> PreparingRebalance -> CompletingRebalance -> Stable -> PreparingRebalance ...

Pure. The checks of requests are in `machine`; here is what follows from accepted requests and from time.
"""

from enum import StrEnum

from higgins.groups.classic.member import Member
from higgins.groups.classic.members import Members
from higgins.groups.classic.requests import JoinResult, MemberProtocol, SyncResult
from higgins.groups.ledger_access import ClassicGroupRecord
from higgins.groups.machine import Instruction, Persist, Reply, Wake
from higgins.groups.settings import GroupSettings
from higgins_protocol.errors import ErrorCode


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
        self._instructions.append(Persist(self.record()))

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
        member.expires_ms = now_ms + member.session_timeout_ms
        self._wake_by(member.expires_ms)

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
        self._persist()
        for member in members:
            self._reply(self.members.end_join(member), self._joined(member, with_members=True))
            self._extend_session(member, now_ms)
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
                    self._take_out(member)
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

    def _take_out(self, member: Member) -> None:
        """Remove a member without a rebalance. Its requests that are not answered yet get UNKNOWN_MEMBER_ID."""
        self._reply(
            self.members.end_join(member), JoinResult(error=ErrorCode.UNKNOWN_MEMBER_ID, member_id=member.id)
        )
        token, member.sync_token = member.sync_token, None
        self._reply(token, SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        self._remove_pending_sync(member)
        self.members.remove(member)

    def _remove(self, member: Member, now_ms: int) -> None:
        self._take_out(member)
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
            if member.has_expired(now_ms) and self.members.get(member.id) is member:
                self._remove(member, now_ms)
        if self._join_deadline_ms is not None and self._join_deadline_ms <= now_ms:
            self._end_join_phase(now_ms)
        if self._sync_deadline_ms is not None and self._sync_deadline_ms <= now_ms:
            self._end_sync_phase(now_ms)
        self._wake_by_next_deadline(now_ms)

    def _wake_by_next_deadline(self, now_ms: int) -> None:
        deadlines = [*self.members.pending.values()]
        deadlines += [at_ms for at_ms in (self._join_deadline_ms, self._sync_deadline_ms) if at_ms is not None]
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
        for member_id in self.members.pending:
            self.members.pending[member_id] += by_ms
        timeout_ms = self.members.rebalance_timeout_ms()
        if self._join_deadline_ms is not None:
            self._join_deadline_ms = extended(self._join_deadline_ms, timeout_ms)
        if self._sync_deadline_ms is not None:
            self._sync_deadline_ms = extended(self._sync_deadline_ms, timeout_ms)
