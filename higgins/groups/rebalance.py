"""The cycle of a group's generations: when one ends, who enters the next, and when everyone has what it needs.

    Empty -> PreparingRebalance -> CompletingRebalance -> Stable -> PreparingRebalance ...

Pure. What members may ask for, and what they are told, is in `classic`; here is what follows from it and from time.
"""

from enum import StrEnum

from higgins.groups.events import (
    Instruction,
    JoinResult,
    MemberProtocol,
    Persist,
    Reply,
    Result,
    SyncResult,
    Wake,
)
from higgins.groups.member import Member
from higgins.groups.roster import Roster
from higgins.groups.settings import GroupSettings
from higgins.ledger.state.group_records import ClassicGroupRecord
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
        self.roster = Roster()
        self._settings = settings
        self._unsynced: set[str] = set()
        self._join_deadline_ms: int | None = None
        self._initial_left_ms: int | None = None
        self._newcomer_seen = False
        self._sync_deadline_ms: int | None = None
        self._is_takeover = False
        self._wake_ms: int | None = None
        self._out: list[Instruction] = []

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.group_id} generation={self.generation} "
            f"members={len(self.roster)} {self.state.name}>"
        )

    def configure(self, settings: GroupSettings) -> None:
        """Go by other settings from now on; deadlines already set stay."""
        self._settings = settings

    # ---- what goes out

    def _reply(self, token: int | None, result: Result) -> None:
        if token is not None:
            self._out.append(Reply(token, result))

    def _persist(self) -> None:
        self._out.append(Persist(self.record()))

    def _wake_by(self, at_ms: int) -> None:
        """Ask for a Tick no later than this. Deadlines only ever move later between ticks, or come through here."""
        if self._wake_ms is None or at_ms < self._wake_ms:
            self._wake_ms = at_ms
            self._out.append(Wake(at_ms))

    def record(self) -> ClassicGroupRecord:
        """The group as it is committed."""
        return ClassicGroupRecord(
            protocol_type=self.protocol_type,
            generation=self.generation,
            protocol=self.protocol,
            leader=self.roster.leader,
            members=tuple(member.record(self.protocol) for member in self.roster),
            changed_ms=0,
        )

    def _heard(self, member: Member, now_ms: int) -> None:
        member.expires_ms = now_ms + member.session_timeout_ms
        self._wake_by(member.expires_ms)

    # ---- from a generation to the next

    def _begin_rebalance(self, now_ms: int) -> None:
        """Ask everyone to join anew. In a group that was empty, wait a little for company first."""
        if self.state is GroupState.COMPLETING:
            self._refuse_syncs(ErrorCode.REBALANCE_IN_PROGRESS, now_ms)
        self._unsynced.clear()
        self._sync_deadline_ms = None
        self._is_takeover = False
        timeout_ms = self.roster.rebalance_timeout_ms()
        delay_ms = self._settings.initial_rebalance_delay_ms
        if self.state is GroupState.EMPTY:
            self._initial_left_ms = max(timeout_ms - delay_ms, 0)
            self._join_deadline_ms = now_ms + delay_ms
        else:
            self._initial_left_ms = None
            self._join_deadline_ms = now_ms + timeout_ms
        self.state = GroupState.PREPARING
        self._wake_by(self._join_deadline_ms)
        if self._initial_left_ms is not None and delay_ms == 0:
            self._complete_join(now_ms)
        else:
            self._complete_if_all_joined(now_ms)

    def _rebalance_unless_preparing(self, now_ms: int) -> None:
        if self.state is GroupState.PREPARING:
            self._complete_if_all_joined(now_ms)
        elif self.state is not GroupState.DEAD:
            self._begin_rebalance(now_ms)

    def _complete_if_all_joined(self, now_ms: int) -> None:
        is_initial = self._initial_left_ms is not None
        if self.state is GroupState.PREPARING and not is_initial and self.roster.is_complete():
            self._complete_join(now_ms)

    def _end_wait_for_joins(self, now_ms: int) -> None:
        """The time for joining is over; the first one of a new group is extended while newcomers keep coming."""
        if self._initial_left_ms and self._newcomer_seen:
            delay_ms = min(self._settings.initial_rebalance_delay_ms, self._initial_left_ms)
            self._initial_left_ms -= delay_ms
            self._newcomer_seen = False
            self._join_deadline_ms = now_ms + delay_ms
            self._wake_by(self._join_deadline_ms)
        else:
            self._complete_join(now_ms)

    def _complete_join(self, now_ms: int) -> None:
        """Begin the next generation with whoever came; static members stay although they did not."""
        for member in self.roster:
            if not member.is_joining and not member.is_static:
                self.roster.remove(member)
        if len(self.roster) and not self.roster.elect():
            self._initial_left_ms = None
            self._join_deadline_ms = now_ms + self.roster.rebalance_timeout_ms()
            self._wake_by(self._join_deadline_ms)
            return
        self._join_deadline_ms = self._initial_left_ms = None
        self._newcomer_seen = False
        self.generation += 1
        if len(self.roster):
            self._open_generation(now_ms)
        else:
            self.protocol = None
            self.state = GroupState.EMPTY
            self._persist()

    def _open_generation(self, now_ms: int) -> None:
        self.protocol = self.roster.vote()
        self.state = GroupState.COMPLETING
        members = list(self.roster)
        for member in members:
            member.assignment = b""
            member.is_new = False
        self._persist()
        for member in members:
            self._reply(self.roster.end_join(member), self._joined(member, tells_members=True))
            self._heard(member, now_ms)
        self._unsynced = {member.id for member in members}
        self._sync_deadline_ms = now_ms + self.roster.rebalance_timeout_ms()
        self._wake_by(self._sync_deadline_ms)

    def _joined(self, member: Member, *, tells_members: bool) -> JoinResult:
        """What a member of this generation is told; the leader of a fresh one also who the others are."""
        is_told = tells_members and member.id == self.roster.leader
        return JoinResult(
            member_id=member.id,
            generation=self.generation,
            protocol_type=self.protocol_type,
            protocol=self.protocol,
            leader=self.roster.leader or "",
            members=tuple(each.joined(self.protocol) for each in self.roster) if is_told else (),
        )

    # ---- assignments

    def _assign(self, assignments: dict[str, bytes], now_ms: int) -> None:
        """The leader has divided the work: commit it, then tell everyone who waits."""
        for member in self.roster:
            member.assignment = assignments.get(member.id, b"")
        self.state = GroupState.STABLE
        self._is_takeover = False
        self._persist()
        for member in self.roster:
            if member.is_syncing:
                token, member.sync_token = member.sync_token, None
                self._reply(token, self._assigned(member))
                self._heard(member, now_ms)

    def _assigned(self, member: Member) -> SyncResult:
        return SyncResult(
            protocol_type=self.protocol_type, protocol=self.protocol, assignment=member.assignment
        )

    def _synced(self, member: Member) -> None:
        self._unsynced.discard(member.id)
        if not self._unsynced:
            self._sync_deadline_ms = None

    def _refuse_syncs(self, error: ErrorCode, now_ms: int) -> None:
        for member in self.roster:
            if member.is_syncing:
                token, member.sync_token = member.sync_token, None
                self._reply(token, SyncResult(error=error))
                # It could not heartbeat while it waited for us.
                self._heard(member, now_ms)

    def _end_wait_for_syncs(self, now_ms: int) -> None:
        """Members that took their generation but never asked for their part are removed.

        After a takeover it cannot be told whether they had asked the coordinator before; then all are only asked to
        join again.
        """
        self._sync_deadline_ms = None
        if not self._is_takeover:
            for member_id in sorted(self._unsynced):
                member = self.roster.get(member_id)
                if member is not None:
                    self._drop(member)
        self._unsynced.clear()
        self._begin_rebalance(now_ms)

    # ---- members come and go

    def _add(self, member: Member, protocol_type: str, token: int, now_ms: int) -> None:
        if not len(self.roster):
            self.protocol_type = protocol_type
        self._newcomer_seen |= self.state is GroupState.PREPARING and self.generation == 0
        self.roster.add(member)
        self.roster.await_join(member, token)
        member.is_new = True
        member.expires_ms = now_ms + self._settings.new_member_timeout_ms
        self._wake_by(member.expires_ms)
        self._rebalance_unless_preparing(now_ms)

    def _rejoin(
        self, member: Member, protocols: tuple[MemberProtocol, ...], token: int, now_ms: int
    ) -> None:
        # An answer still owed to an earlier attempt of the same member goes to a client that gave up on it.
        self._reply(member.join_token, JoinResult(error=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.id))
        self.roster.offer(member, protocols)
        self.roster.await_join(member, token)
        self._rebalance_unless_preparing(now_ms)

    def _drop(self, member: Member) -> None:
        """Take a member out, answering what it still waits for."""
        self._reply(
            self.roster.end_join(member), JoinResult(error=ErrorCode.UNKNOWN_MEMBER_ID, member_id=member.id)
        )
        token, member.sync_token = member.sync_token, None
        self._reply(token, SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        self._synced(member)
        self.roster.remove(member)

    def _remove(self, member: Member, now_ms: int) -> None:
        self._drop(member)
        self._rebalance_unless_preparing(now_ms)

    # ---- time

    def _advance(self, now_ms: int) -> None:
        """Carry out whatever is due, and ask for the next tick."""
        self._wake_ms = None
        lapsed = [member_id for member_id, at_ms in self.roster.pending.items() if at_ms <= now_ms]
        for member_id in lapsed:
            del self.roster.pending[member_id]
        if lapsed:
            self._complete_if_all_joined(now_ms)
        for member in self.roster:
            if member.has_expired(now_ms) and self.roster.get(member.id) is member:
                self._remove(member, now_ms)
        if self._join_deadline_ms is not None and self._join_deadline_ms <= now_ms:
            self._end_wait_for_joins(now_ms)
        if self._sync_deadline_ms is not None and self._sync_deadline_ms <= now_ms:
            self._end_wait_for_syncs(now_ms)
        self._ask_for_next_tick(now_ms)

    def _ask_for_next_tick(self, now_ms: int) -> None:
        deadlines = [*self.roster.pending.values()]
        deadlines += [at_ms for at_ms in (self._join_deadline_ms, self._sync_deadline_ms) if at_ms is not None]
        # Who waits for an answer may be past its session: it is looked at again when the answer is given.
        deadlines += [member.expires_ms for member in self.roster if member.expires_ms > now_ms]
        if deadlines:
            self._wake_by(min(deadlines))

    def _postpone(self, by_ms: int, now_ms: int) -> None:
        """Give back the time in which nobody could be heard; nothing that began meanwhile gets more than its whole."""

        def later(at_ms: int, whole_ms: int) -> int:
            return max(at_ms, min(at_ms + by_ms, now_ms + whole_ms))

        for member in self.roster:
            member.expires_ms = later(member.expires_ms, member.session_timeout_ms)
        for member_id in self.roster.pending:
            self.roster.pending[member_id] += by_ms
        whole_ms = self.roster.rebalance_timeout_ms()
        if self._join_deadline_ms is not None:
            self._join_deadline_ms = later(self._join_deadline_ms, whole_ms)
        if self._sync_deadline_ms is not None:
            self._sync_deadline_ms = later(self._sync_deadline_ms, whole_ms)
