"""One group's place on this node: its machine, the lease it runs under, and what waits for a commit.

The machine answers at once and in order; a seat holds back whatever it said after a Persist until that is committed.
So no member ever hears of a generation that could still be lost. When a commit is refused, or the lease has moved, the
seat is closed: everyone who waits is told to look for the coordinator, and the machine is thrown away.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import trio

from higgins.groups.classic import ClassicGroup
from higgins.groups.events import Event, Instruction, Persist, Question, Reply, Result, Stalled, Tick, Wake, refusal
from higgins.groups.rebalance import GroupState
from higgins.ledger.committer import Done, Outcome
from higgins.ledger.state.base import Proposal
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.sessions import Session
from higgins.ledger.state.state import State
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

STALL_MS_MIN = 100
"""A commit that took this long is taken off the members' sessions: they begin when the answer leaves."""


class LedgerPort(Protocol):
    """What groups need of the ledger."""

    @property
    def state(self) -> State: ...

    @property
    def session(self) -> Session | None: ...

    def in_touch(self) -> bool: ...

    async def barrier(self) -> None: ...

    def submit(self, proposal: Proposal[Any], done: Done) -> None: ...


class Waiter:
    """A question that the machine has not answered yet."""

    __slots__ = ("_answered", "question", "result")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.result: Result | None = None
        self._answered: trio.Event | None = None

    def answer(self, result: Result) -> None:
        assert self.result is None, f"{self.question} was answered twice"
        self.result = result
        if self._answered is not None:
            self._answered.set()

    async def wait(self) -> Result:
        if self.result is None:
            self._answered = trio.Event()
            await self._answered.wait()
        assert self.result is not None
        return self.result


class Seat:
    """Drives one machine under one lease."""

    def __init__(
        self,
        *,
        group: ClassicGroup,
        epoch: int,
        lease_epoch: int,
        runtime: Runtime,
        ledger: LedgerPort,
        wake: Callable[["Seat", int], None],
        closed: Callable[["Seat"], None],
    ) -> None:
        self.group = group
        self.epoch = epoch
        self.lease_epoch = lease_epoch
        self.wake_ms: int | None = None
        self.asked_ms = 0
        self.is_known = False
        """Whether it is a group though nothing of it is on record: what it committed may have been taken back."""
        self._runtime = runtime
        self._ledger = ledger
        self._wake = wake
        self._closed = closed
        self._is_closed = False
        self.saving_since_ms: int | None = None
        self._has_held_tick = False
        self._outbox: deque[Instruction] = deque()
        self._waiters: dict[int, Waiter] = {}

    def __repr__(self) -> str:
        saving = "" if self.saving_since_ms is None else " saving"
        return f"<Seat {self.group!r} lease={self.lease_epoch} waiting={len(self._waiters)}{saving}>"

    @property
    def is_idle(self) -> bool:
        """Nothing would be forgotten with it that is not on record."""
        is_empty = self.group.state is GroupState.EMPTY and not self.group.roster.pending
        return is_empty and not self._waiters and self.saving_since_ms is None

    def ask(self, question: Question, now_ms: int) -> Result | Waiter:
        """The answer, if it can be given at once, or whoever will have it."""
        self.asked_ms = now_ms
        waiter = Waiter(question)
        self._waiters[question.token] = waiter
        self.tell(question, now_ms)
        return waiter if waiter.result is None else waiter.result

    def tell(self, event: Event, now_ms: int) -> None:
        """Let the machine advance, and carry out what it says."""
        assert not self._is_closed, self
        if isinstance(event, Tick) and self.saving_since_ms is not None:
            # Members cannot heartbeat before they hear what is being saved; nobody is removed for that silence.
            self._has_held_tick = True
            return
        for instruction in self.group.handle(event, now_ms):
            if isinstance(instruction, Wake):
                self._wake(self, instruction.at_ms)
            else:
                self._outbox.append(instruction)
        self._carry_out()

    def close(self, error: ErrorCode) -> None:
        """Give the group up: nothing held back will be said, everyone who waits is told why."""
        if self._is_closed:
            return
        self._is_closed = True
        self._outbox.clear()
        self._closed(self)
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            waiter.answer(refusal(waiter.question, error))

    def _carry_out(self) -> None:
        while self._outbox and self.saving_since_ms is None:
            instruction = self._outbox.popleft()
            if isinstance(instruction, Persist):
                self._save(instruction.record, with_offsets=instruction.with_offsets)
            elif isinstance(instruction, Reply):
                waiter = self._waiters.pop(instruction.token, None)
                if waiter is not None:
                    waiter.answer(instruction.result)
        if self.group.state is GroupState.DEAD and not self._outbox and self.saving_since_ms is None:
            self.close(ErrorCode.NOT_COORDINATOR)

    def _save(self, record: ClassicGroupRecord | None, *, with_offsets: bool) -> None:
        if record is not None:
            record = msgspec.structs.replace(record, changed_ms=self._runtime.now_ms())
        self.saving_since_ms = int(self._runtime.monotonic() * 1_000)
        proposal = SaveGroup(
            self.group.group_id, self.lease_epoch, record, forgets=record is None, with_offsets=with_offsets
        )
        self._ledger.submit(proposal, self._saved)

    def _saved(self, outcome: Outcome) -> None:
        since_ms, self.saving_since_ms = self.saving_since_ms, None
        if self._is_closed:
            return
        if outcome.error is not None:
            # Refused, fenced or unknown: what this machine believes may not be what is on record.
            self.close(ErrorCode.NOT_COORDINATOR)
            return
        now_ms = int(self._runtime.monotonic() * 1_000)
        if since_ms is not None and now_ms - since_ms >= STALL_MS_MIN:
            self.tell(Stalled(now_ms - since_ms), now_ms)
        if self._has_held_tick and not self._is_closed:
            self._has_held_tick = False
            self.tell(Tick(), now_ms)
        if not self._is_closed:
            self._carry_out()
