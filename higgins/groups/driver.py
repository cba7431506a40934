"""Drives one group's machine under one lease: commits what the machine persists, then sends the replies.

The machine answers at once and in order. The driver holds back every reply that follows a Persist until that is
committed, so that no member learns of a generation or an epoch that could still be lost. When a commit is refused, or
the lease has moved, the driver is closed: every request that still waits is answered with an error that makes its
client look for the coordinator, and the machine is discarded.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, assert_never

from higgins.groups.ledger_access import (
    GroupMemberRecord,
    GroupRecord,
    Lease,
    LedgerPort,
    forget_group,
    group_record,
    save_group,
)
from higgins.groups.machine import (
    Event,
    Forget,
    GroupMachine,
    GroupProtocol,
    Instruction,
    Persist,
    Reply,
    RequestEvent,
    Stalled,
    Tick,
    Wake,
)
from higgins.groups.timers import Timers, monotonic_ms
from higgins.ledger.committer import Outcome
from higgins.ledger.state.base import Proposal
from higgins.model.future import Future
from higgins.runtime import Runtime
from higgins_protocol.errors import ErrorCode

R = TypeVar("R")

STALL_MS_MIN = 100
"""A commit that takes at least this long is reported to the machine as a stall.

Members cannot send heartbeats while they wait for the answer, so their sessions begin when it is sent.
"""


class GroupDriver:
    """One group on this node."""

    def __init__(
        self,
        group_id: str,
        *,
        protocol: GroupProtocol,
        machine: GroupMachine,
        lease: Lease,
        runtime: Runtime,
        ledger: LedgerPort,
        timers: "Timers[GroupDriver]",
        on_changed: "Callable[[GroupDriver], None]",
        on_closed: "Callable[[GroupDriver], None]",
    ) -> None:
        self.group_id = group_id
        self.protocol = protocol
        self.machine = machine
        self.lease = lease
        self.wake_ms: int | None = None
        self.last_request_ms = monotonic_ms(runtime)
        self.saving_since_ms: int | None = None
        """When the commit that is in flight was submitted."""
        self.is_known = False
        """Whether the group exists for clients even while the ledger has nothing of it.

        A group whose only offsets were deleted again still exists; one that only refused a request never did.
        """
        self._runtime = runtime
        self._ledger = ledger
        self._timers = timers
        self._on_changed = on_changed
        self._on_closed = on_closed
        self._is_closed = False
        self._is_forgotten = False
        self._has_deferred_tick = False
        self._outbox: deque[Persist | Forget | Reply] = deque()
        self._unanswered: dict[int, tuple[RequestEvent[Any], Future[Any]]] = {}
        self.counted_bytes = 0
        """What the node has counted for the members of this group."""

    def __repr__(self) -> str:
        saving = "" if self.saving_since_ms is None else " saving"
        return f"<GroupDriver {self.machine!r} lease={self.lease} unanswered={len(self._unanswered)}{saving}>"

    @property
    def is_idle(self) -> bool:
        """Whether the driver can be closed without loss: everything it knows is committed."""
        return self.machine.is_idle and not self._unanswered and self.saving_since_ms is None

    def request(self, request: RequestEvent[R], now_ms: int) -> Future[R]:
        """Pass a request to the machine. The future has the answer, often at once."""
        self.last_request_ms = now_ms
        answer: Future[R] = Future()
        self._unanswered[request.token] = (request, answer)
        self.handle(request, now_ms)
        return answer

    def handle(self, event: Event, now_ms: int) -> None:
        """Advance the machine and carry out its instructions."""
        assert not self._is_closed, self
        if self.saving_since_ms is not None and isinstance(event, Tick):
            # Members cannot send heartbeats before they learn what is being saved, so no deadline expires until then.
            self._has_deferred_tick = True
            return
        self._carry_out(self.machine.handle(event, now_ms))
        self._on_changed(self)

    def restore(self, record: GroupRecord, members: Mapping[str, GroupMemberRecord]) -> None:
        """Continue from what was committed."""
        self._carry_out(self.machine.restore(record, members, monotonic_ms(self._runtime)))
        self._on_changed(self)

    def change_protocol(self, protocol: GroupProtocol, machine: GroupMachine) -> None:
        """Replace the machine of an idle group with one of another protocol. Committed offsets stay (KIP-848)."""
        assert self.is_idle, self
        self._timers.cancel(self)
        self.protocol = protocol
        self.machine = machine

    def close(self, error: ErrorCode) -> None:
        """Give the group up: replies that were held back are dropped, every request is answered with `error`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._outbox.clear()
        self._timers.cancel(self)
        self._on_closed(self)
        unanswered, self._unanswered = self._unanswered, {}
        for request, answer in unanswered.values():
            answer.set_result(request.refusal(error))

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Wake):
                # Not held back: a Wake is not visible to clients.
                self._timers.set(self, instruction.at_ms)
            else:
                self._outbox.append(instruction)
        self._send_outbox()

    def _send_outbox(self) -> None:
        """Carry out what is queued, up to and including the next Persist or Forget."""
        while self._outbox and self.saving_since_ms is None:
            instruction = self._outbox.popleft()
            match instruction:
                case Reply():
                    unanswered = self._unanswered.pop(instruction.token, None)
                    if unanswered is not None:
                        unanswered[1].set_result(instruction.result)
                case Persist():
                    self._save(self._proposal(instruction))
                case Forget():
                    self._is_forgotten = True
                    self._save(forget_group(self.group_id, self.lease, with_offsets=instruction.with_offsets))
                case _:
                    assert_never(instruction)
        if self._is_forgotten and not self._outbox and self.saving_since_ms is None:
            self.close(ErrorCode.NOT_COORDINATOR)

    def _proposal(self, persist: Persist) -> Proposal[None]:
        has_record = persist.record is not None or group_record(self._ledger.state, self.group_id) is not None
        assert has_record, f"{self.machine!r} persists members of a group without a record"
        return save_group(
            self.group_id,
            self.lease,
            record=persist.record,
            members_saved=persist.members_saved,
            members_removed=persist.members_removed,
            now_ms=self._runtime.now_ms(),
        )

    def _save(self, proposal: Proposal[None]) -> None:
        self.saving_since_ms = monotonic_ms(self._runtime)
        self._ledger.submit(proposal, self._saved)

    def _saved(self, outcome: Outcome) -> None:
        since_ms, self.saving_since_ms = self.saving_since_ms, None
        if self._is_closed:
            return
        if outcome.error is not None:
            # Refused, fenced or unknown: the machine may be ahead of what is committed, and cannot go back.
            self.close(ErrorCode.NOT_COORDINATOR)
            return
        now_ms = monotonic_ms(self._runtime)
        if since_ms is not None and now_ms - since_ms >= STALL_MS_MIN:
            self.handle(Stalled(now_ms - since_ms), now_ms)
        if self._has_deferred_tick and not self._is_closed:
            self._has_deferred_tick = False
            self.handle(Tick(), now_ms)
        if not self._is_closed:
            self._send_outbox()
