"""The coordinator of a node: which groups run here, under which lease, and when each must be woken.

A group runs on the node that rendezvous hashing names; that node takes the group's lease and starts the machine from
what was last committed. Every other node answers NOT_COORDINATOR, after it has made sure that it knows the newest
commit; so does a node that has not been in touch with the ledger for a while. Nothing of a group is stored here.
"""

from collections.abc import Awaitable, Coroutine, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeAlias, TypeVar, cast

import trio

from higgins.groups.classic import ClassicGroup
from higgins.groups.commits import Commits, code_of, codes_of
from higgins.groups.events import (
    AuthoriseCommit,
    Delete,
    Heartbeat,
    Join,
    JoinResult,
    Leave,
    LeaveResult,
    Question,
    Restored,
    Result,
    Stalled,
    Sync,
    SyncResult,
    Tick,
    refusal,
)
from higgins.groups.progress import operator_groups, operator_of, operator_offsets, operator_view
from higgins.groups.seat import LedgerPort, Seat, Waiter
from higgins.groups.settings import GroupSettings
from higgins.groups.subscription import subscribed_topics
from higgins.groups.timers import Timers
from higgins.groups.views import GroupView, view_of, view_of_record
from higgins.ledger.committer import Outcome
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.offsets import CommitOffsets, DeleteOffsets, OffsetEntry, OffsetToCommit, group_resource
from higgins.ledger.state.sessions import Session, TakeLease
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import Topic
from higgins.model.errors import StorageUnavailable
from higgins.model.names import TopicId
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

REVIEW_MS = 1_000
"""How often groups that moved away are looked for."""

STALL_MS = 1_000
"""Waking later than this, the node must have been stopped or cut off, and the members are not to blame."""

CONSUMER_PROTOCOL = "consumer"
"""The one type of protocol whose subscriptions are read."""

T = TypeVar("T")
Answer: TypeAlias = T | Coroutine[Any, Any, T]
"""The answer itself, or, when it takes a wait, a coroutine for it."""

CommittedOffsets: TypeAlias = dict[tuple[TopicId, int], OffsetEntry]


class Coordinator:
    """All groups of one node."""

    def __init__(self, runtime: Runtime, ledger: LedgerPort, settings: GroupSettings) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self.settings = settings
        self._seats: dict[str, Seat] = {}
        self._taking: dict[str, trio.Event] = {}
        self._commits = Commits(ledger)
        self._timers = Timers()
        self._alarm = trio.Event()
        self._tokens = count(1)
        self._in_touch_ms = self._now_ms()

    def __repr__(self) -> str:
        return f"<Coordinator groups={len(self._seats)}>"

    def configure(self, settings: GroupSettings) -> None:
        """Go by other settings from now on; what a running wait was given, it keeps."""
        self.settings = settings
        for seat in self._seats.values():
            seat.group.configure(settings)

    def new_token(self) -> int:
        """A token for the next question."""
        return next(self._tokens)

    # ---- what members ask

    def join(self, group_id: str, question: Join) -> Answer[JoinResult]:
        return cast("Answer[JoinResult]", self._ask(group_id, question, opens=not question.member_id))

    def sync(self, group_id: str, question: Sync) -> Answer[SyncResult]:
        return cast("Answer[SyncResult]", self._ask(group_id, question))

    def heartbeat(self, group_id: str, question: Heartbeat) -> Answer[ErrorCode]:
        return cast("Answer[ErrorCode]", self._ask(group_id, question))

    def leave(self, group_id: str, question: Leave) -> Answer[LeaveResult]:
        return cast("Answer[LeaveResult]", self._ask(group_id, question))

    async def commit(
        self, group_id: str, question: AuthoriseCommit, entries: tuple[OffsetToCommit, ...]
    ) -> tuple[ErrorCode, ...] | Awaitable[tuple[ErrorCode, ...]]:
        """Commit offsets, if the member may: an error code for each entry, in the order given, or what to wait for.

        Nothing that is committed after the return can overtake what was handed over before it.
        """
        error = self._fault_in_id(group_id, may_be_empty=True)
        seat = error or self._ready(group_id) or await self._seat(group_id, opens=question.generation < 0)
        if not isinstance(seat, Seat):
            is_new = seat is ErrorCode.UNKNOWN_MEMBER_ID and question.generation >= 0
            return (ErrorCode.GROUP_ID_NOT_FOUND if is_new else seat,) * len(entries)
        answer = seat.ask(question, self._now_ms())
        code = await answer.wait() if isinstance(answer, Waiter) else answer
        if code is not ErrorCode.NONE or not entries:
            return (cast("ErrorCode", code),) * len(entries)
        seat.is_known = True
        commit = CommitOffsets(group_id, seat.lease_epoch, entries)
        return codes_of(self._commit(group_id, commit), len(entries))

    async def delete(self, group_id: str) -> ErrorCode:
        """Forget a group that nobody is in, with all it has committed."""
        seat = await self._existing(group_id, may_be_empty=True)
        if not isinstance(seat, Seat):
            return seat
        answer = seat.ask(Delete(self.new_token(), with_offsets=True), self._now_ms())
        return cast("ErrorCode", await answer.wait() if isinstance(answer, Waiter) else answer)

    async def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[Topic, int]]
    ) -> list[ErrorCode] | ErrorCode:
        """Take back what a group committed for partitions it does not subscribe to; a code for each, or for all."""
        seat = await self._existing(group_id)
        if not isinstance(seat, Seat):
            return seat
        group = seat.group
        if len(group.roster) and group.protocol_type != CONSUMER_PROTOCOL:
            return ErrorCode.NON_EMPTY_GROUP
        held = subscribed_topics(member.metadata(group.protocol) for member in group.roster)
        is_free = [held is not None and topic.name not in held for topic, _ in partitions]
        keys = tuple((topic.id, index) for (topic, index), free in zip(partitions, is_free, strict=True) if free)
        if keys:
            outcome = await self._commit(group_id, DeleteOffsets(group_id, seat.lease_epoch, keys))
            if outcome.error is not None:
                return code_of(outcome)
        return [ErrorCode.NONE if free else ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC for free in is_free]

    # ---- what anybody asks

    async def committed(self, *group_ids: str) -> list[CommittedOffsets] | ErrorCode:
        """What each group has committed, as of now; nothing for a group nobody knows. Any node can tell.

        What was handed over here before counts, so that a connection's requests seem to be done one after the other.
        """
        if any(len(group_id) > self.settings.group_id_characters_max for group_id in group_ids):
            return ErrorCode.INVALID_GROUP_ID
        if not await self._reach_tip(self._commits.under_way(group_ids)):
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        return [self._offsets_of(group_id) for group_id in group_ids]

    async def describe(self, *group_ids: str) -> list[GroupView | ErrorCode | None]:
        """Groups that this node coordinates; None for one that nobody knows."""
        if not await self._reach_tip():
            return [ErrorCode.NOT_COORDINATOR] * len(group_ids)
        return [
            self._view(group_id) if self._owns(group_id) else ErrorCode.NOT_COORDINATOR for group_id in group_ids
        ]

    async def list_all(self) -> list[GroupView] | ErrorCode:
        """Every group that this node coordinates; other nodes list theirs."""
        if not await self._reach_tip():
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        state = self._state
        running = {group_id for group_id, seat in self._seats.items() if len(seat.group.roster)}
        known = {*state.groups.names(), *state.offsets.groups(), *operator_groups(state), *running}
        views = [self._view(group_id) for group_id in sorted(known) if self._owns(group_id)]
        return [view for view in views if view is not None]

    def find(self, group_id: str) -> Session | None:
        """The node that coordinates a group; None while no node lives."""
        return self._state.sessions.owner(group_resource(group_id))

    def _offsets_of(self, group_id: str) -> CommittedOffsets:
        operator = operator_of(group_id)
        if operator is not None:
            return operator_offsets(self._state, operator)
        offsets = self._state.offsets.of_group(group_id)
        return {(topic_id, partition): entry for topic_id, partition, entry in offsets}

    def _view(self, group_id: str) -> GroupView | None:
        operator = operator_of(group_id)
        if operator is not None:
            return operator_view(self._state, operator)
        seat = self._seats.get(group_id)
        if seat is not None and (seat.is_known or not seat.is_idle) and self._is_current(seat):
            return view_of(seat.group)
        record = self._state.groups.get(group_id)
        if isinstance(record, ClassicGroupRecord):
            return view_of_record(group_id, record)
        if any(True for _ in self._state.offsets.of_group(group_id)):
            return GroupView(group_id=group_id, state="Empty")
        return None

    # ---- asking a machine

    def _ask(self, group_id: str, question: Question, *, opens: bool = False) -> Answer[Result]:
        error = self._fault_in_id(group_id)
        if error is not None:
            return refusal(question, error)
        seat = self._ready(group_id)
        if seat is None:
            return self._ask_slowly(group_id, question, opens=opens)
        answer = seat.ask(question, self._now_ms())
        return answer.wait() if isinstance(answer, Waiter) else answer

    async def _ask_slowly(self, group_id: str, question: Question, *, opens: bool) -> Result:
        seat = await self._seat(group_id, opens=opens)
        if not isinstance(seat, Seat):
            return refusal(question, seat)
        answer = seat.ask(question, self._now_ms())
        return await answer.wait() if isinstance(answer, Waiter) else answer

    def _fault_in_id(self, group_id: str, *, may_be_empty: bool = False) -> ErrorCode | None:
        if (not group_id and not may_be_empty) or len(group_id) > self.settings.group_id_characters_max:
            return ErrorCode.INVALID_GROUP_ID
        return None if operator_of(group_id) is None else ErrorCode.POLICY_VIOLATION

    # ---- whose group it is

    @property
    def _state(self) -> State:
        return self._ledger.state

    def _owns(self, group_id: str) -> bool:
        session, owner = self._ledger.session, self.find(group_id)
        return session is not None and owner is not None and owner.epoch == session.epoch

    def _is_current(self, seat: Seat) -> bool:
        """The lease is still ours, and still should be."""
        group_id = seat.group.group_id
        holds = self._state.sessions.holds(seat.epoch, group_resource(group_id), seat.lease_epoch)
        return holds and self._owns(group_id)

    def _ready(self, group_id: str) -> Seat | None:
        """The group's seat, if it can be asked without making sure of anything first."""
        seat = self._seats.get(group_id)
        if seat is None or not self._ledger.in_touch() or not self._is_current(seat):
            return None
        return seat

    async def _existing(self, group_id: str, *, may_be_empty: bool = False) -> Seat | ErrorCode:
        """The seat of a group that somebody knows, at the tip."""
        error = self._fault_in_id(group_id, may_be_empty=may_be_empty)
        seat = error or await self._seat(group_id, opens=False)
        # A seat alone makes no group: somebody was turned away there, or committed nothing.
        if seat is ErrorCode.UNKNOWN_MEMBER_ID or (isinstance(seat, Seat) and self._view(group_id) is None):
            return ErrorCode.GROUP_ID_NOT_FOUND
        if isinstance(seat, Seat):
            seat.is_known = True
        return seat

    async def _seat(self, group_id: str, *, opens: bool) -> Seat | ErrorCode:
        """The group's seat, taken if need be, or why it is not to be had. A group nobody knows is not opened idly."""
        if not await self._reach_tip():
            return ErrorCode.NOT_COORDINATOR
        seat = self._seats.get(group_id)
        if seat is not None and not self._is_current(seat):
            seat.close(ErrorCode.NOT_COORDINATOR)
            seat = None
        if seat is not None:
            return seat
        if not self._owns(group_id):
            return ErrorCode.NOT_COORDINATOR
        if not opens and self._view(group_id) is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if len(self._seats) + len(self._taking) >= self.settings.groups_max:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        await self._take(group_id)
        seat = self._seats.get(group_id)
        return seat if seat is not None and self._is_current(seat) else ErrorCode.NOT_COORDINATOR

    async def _take(self, group_id: str) -> None:
        """Take the lease, once for everyone who wants the group; whoever leaves early stops nobody."""
        taken = self._taking.get(group_id)
        if taken is None:
            taken = self._taking[group_id] = trio.Event()
            session = self._ledger.session
            assert session is not None
            proposal = TakeLease(group_resource(group_id))
            self._ledger.submit(proposal, partial(self._taken, group_id, session.epoch))
        with trio.move_on_after(self.settings.commit_timeout_ms / 1_000):
            await taken.wait()

    def _taken(self, group_id: str, epoch: int, outcome: Outcome) -> None:
        self._taking.pop(group_id).set()
        if outcome.error is not None:
            return
        assert group_id not in self._seats
        now_ms = self._now_ms()
        seat = self._seats[group_id] = Seat(
            group=ClassicGroup(group_id, self.settings),
            epoch=epoch,
            lease_epoch=outcome.result,
            runtime=self._runtime,
            ledger=self._ledger,
            wake=self._wake,
            closed=self._forget,
        )
        seat.asked_ms = now_ms
        record = self._state.groups.get(group_id)
        if isinstance(record, ClassicGroupRecord):
            seat.tell(Restored(record), now_ms)
        self._alarm.set()

    def _forget(self, seat: Seat) -> None:
        self._timers.cancel(seat)
        del self._seats[seat.group.group_id]

    # ---- the ledger

    def _now_ms(self) -> int:
        # A microsecond's grace: at a deadline of whole milliseconds, seconds times a thousand may fall just short,
        # and a clock that stands still until the next sleep would then never get past it.
        return int(self._runtime.monotonic() * 1_000 + 0.001)

    async def _reach_tip(self, after: Sequence[trio.Event] = ()) -> bool:
        """Come to know every commit there is, once these are settled; False if the store cannot be reached in time."""
        with trio.move_on_after(self.settings.commit_timeout_ms / 1_000):
            for settled in after:
                await settled.wait()
            try:
                await self._ledger.barrier()
            except StorageUnavailable:
                return False
            return True
        return False

    def _commit(self, group_id: str, proposal: Proposal[Any]) -> Coroutine[Any, Any, Outcome]:
        return self._commits.submit(group_id, proposal, self.settings.commit_timeout_ms)

    # ---- time

    def _wake(self, seat: Seat, at_ms: int) -> None:
        soonest_ms = self._timers.next_ms()
        self._timers.set(seat, at_ms)
        if soonest_ms is None or at_ms < soonest_ms:
            self._alarm.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake groups when they asked for it, give up those that moved away, forget those nobody needs; for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._forget_unused)
            task_status.started()
            await self._keep_time()

    async def _keep_time(self) -> None:
        while True:
            due_ms = self._next_due_ms()
            with trio.move_on_at(float("inf") if due_ms is None else due_ms / 1_000):
                await self._alarm.wait()
            self._alarm = trio.Event()
            if due_ms is not None and self._now_ms() >= due_ms:
                await self._wake_due(due_ms)

    def _next_due_ms(self) -> int | None:
        if not self._seats:
            return None
        review_ms = self._now_ms() + REVIEW_MS
        wake_ms = self._timers.next_ms()
        return review_ms if wake_ms is None else min(wake_ms, review_ms)

    async def _wake_due(self, due_ms: int) -> None:
        self._review()
        silent_since_ms = due_ms
        has_due = (self._timers.next_ms() or due_ms + 1) <= self._now_ms()
        if has_due and not self._ledger.in_touch():
            while not await self._reach_tip():
                # Members were turned away all that time, so none is to be removed for having been silent.
                silent_since_ms = self._in_touch_ms
                await trio.sleep(REVIEW_MS / 1_000)
                self._review()
            self._review()
        lost_ms = self._now_ms() - silent_since_ms
        if lost_ms > STALL_MS:
            for seat in list(self._seats.values()):
                seat.tell(Stalled(lost_ms), self._now_ms())
        while (due := self._timers.pop_due(self._now_ms())) is not None:
            due.tell(Tick(), self._now_ms())

    async def _forget_unused(self) -> None:
        """Take groups off the record that have neither members nor offsets, such as passing consumers leave behind."""
        while True:
            await trio.sleep(self.settings.empty_group_retention_ms / 1_000)
            for group_id in list(self._state.groups.names()):
                if self._is_unused(group_id):
                    seat = await self._seat(group_id, opens=False)
                    if isinstance(seat, Seat) and seat.is_idle:
                        seat.tell(Delete(self.new_token()), self._now_ms())

    def _is_unused(self, group_id: str) -> bool:
        record = self._state.groups.get(group_id)
        if not isinstance(record, ClassicGroupRecord) or record.members or not self._owns(group_id):
            return False
        # The ledger's time, not this machine's: it stands still while nothing happens, which only keeps groups longer.
        is_old = self._state.time_ms - record.changed_ms >= self.settings.empty_group_retention_ms
        return is_old and not any(True for _ in self._state.offsets.of_group(group_id))

    def _review(self) -> None:
        """Give up groups whose lease has moved, whose commit hangs, or in which nothing happens."""
        now_ms = self._now_ms()
        if self._ledger.in_touch():
            self._in_touch_ms = now_ms
        idle_since_ms = now_ms - self.settings.idle_seat_ms
        hung_since_ms = now_ms - self.settings.commit_timeout_ms
        for seat in list(self._seats.values()):
            is_hung = seat.saving_since_ms is not None and seat.saving_since_ms < hung_since_ms
            is_unused = seat.is_idle and seat.asked_ms < idle_since_ms
            if is_hung or is_unused or not self._is_current(seat):
                seat.close(ErrorCode.NOT_COORDINATOR)
