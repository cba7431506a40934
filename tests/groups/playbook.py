"""A story about a group's machine: `>>` passes it an event, `<<` says which instruction must come next.

Every instruction must be expected, in order, except Wake, which the story's clock obeys by itself: `>> At(ms)` sends
every tick that was asked for up to then.
"""

from typing import Any, NamedTuple

import msgspec

from higgins.groups.classic.machine import ClassicGroup
from higgins.groups.classic.requests import Heartbeat, Join, Leave, LeavingMember, MemberProtocol, Sync
from higgins.groups.ledger_access import ClassicGroupRecord
from higgins.groups.machine import AuthoriseCommit, Instruction, Persist, Reply, Tick, Wake
from higgins.groups.settings import GroupSettings

NO_DELAY = GroupSettings(initial_rebalance_delay_ms=0, min_session_timeout_ms=1_000)
SESSION_MS = 10_000
REBALANCE_MS = 60_000


class At(NamedTuple):
    """Let time pass until then."""

    ms: int


class Restore(NamedTuple):
    """Take the group over, as last committed."""

    record: ClassicGroupRecord


class Saved(NamedTuple):
    """What a Persist is expected to hold; None is not compared."""

    generation: int | None = None
    members: list[str] | None = None
    assignments: dict[str, bytes] | None = None


class Replied(NamedTuple):
    """What a Reply is expected to hold: its token, and those fields of its result that are named."""

    token: int
    fields: dict[str, Any]


def replied(token: int, **fields: Any) -> Replied:
    """An expected Reply; `code` stands for a result that is only an error code."""
    return Replied(token, fields)


class Playbook:
    """One machine, one clock, and the instructions that are not accounted for yet."""

    def __init__(self, group: ClassicGroup | None = None, settings: GroupSettings = NO_DELAY) -> None:
        self.group = group or ClassicGroup("g", settings)
        self.now_ms = 0
        self.wake_ms: int | None = None
        self.instructions: list[Instruction] = []

    def __rshift__(self, event: Any) -> "Playbook":
        assert not self.instructions, f"unexpected: {self.instructions}"
        if isinstance(event, At):
            self._pass_time(event.ms)
        elif isinstance(event, Restore):
            self._take(self.group.restore(event.record, {}, self.now_ms))
        else:
            self._take(self.group.handle(event, self.now_ms))
        return self

    def __lshift__(self, expected: Any) -> "Playbook":
        assert self.instructions, f"{self.group!r} gave no instruction, not {expected}"
        instruction = self.instructions.pop(0)
        if isinstance(expected, Saved):
            assert isinstance(instruction, Persist), f"{instruction} instead of {expected}"
            _compare_record(instruction, expected)
        elif isinstance(expected, Replied):
            assert isinstance(instruction, Reply), f"{instruction} instead of {expected}"
            assert instruction.token == expected.token, f"{instruction} instead of {expected}"
            _compare_result(instruction.result, expected.fields)
        else:
            assert instruction == expected
        return self

    def __bool__(self) -> bool:
        assert not self.instructions, f"unexpected: {self.instructions}"
        return True

    def _take(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Wake):
                self.wake_ms = instruction.at_ms
            else:
                self.instructions.append(instruction)

    def _pass_time(self, until_ms: int) -> None:
        while self.wake_ms is not None and self.wake_ms <= until_ms:
            self.now_ms, self.wake_ms = max(self.wake_ms, self.now_ms), None
            self._take(self.group.handle(Tick(), self.now_ms))
        self.now_ms = until_ms


def join(token: int, new_member_id: str = "", **fields: Any) -> Join:
    """A consumer's JoinGroup; `new_member_id` is the id it would be given."""
    protocols = fields.pop("protocols", [("range", b"topics")])
    defaults: dict[str, Any] = {
        "new_member_id": new_member_id,
        "session_timeout_ms": SESSION_MS,
        "rebalance_timeout_ms": REBALANCE_MS,
        "protocol_type": "consumer",
        "client_id": "client",
        "client_host": "/10.0.0.1",
    }
    supported = tuple(MemberProtocol(name, metadata) for name, metadata in protocols)
    return Join(token=token, protocols=supported, **(defaults | fields))


def rejoin(token: int, member_id: str, **fields: Any) -> Join:
    return join(token, member_id=member_id, **fields)


def sync(token: int, member_id: str, generation: int, **fields: Any) -> Sync:
    assignments = tuple(fields.pop("assignments", {}).items())
    return Sync(token=token, member_id=member_id, generation=generation, assignments=assignments, **fields)


def heartbeat(token: int, member_id: str, generation: int, instance_id: str | None = None) -> Heartbeat:
    return Heartbeat(token, member_id, generation, instance_id)


def commit(token: int, member_id: str, generation: int, instance_id: str | None = None) -> AuthoriseCommit:
    return AuthoriseCommit(token, member_id, generation, instance_id)


def leave(token: int, *member_ids: str) -> Leave:
    return Leave(token, tuple(LeavingMember(member_id) for member_id in member_ids))


def stable_pair() -> Playbook:
    """Members a (leader) and b, stable in generation 2, assigned A and B, at time 0."""
    story = Playbook()
    assert (
        story
        >> join(1, "a") << Saved(generation=1, members=["a"]) << replied(1, member_id="a", leader="a", generation=1)
        >> join(2, "b")
        >> rejoin(3, "a")
        << Saved(generation=2, members=["a", "b"])
        << replied(3, member_id="a", leader="a", generation=2)
        << replied(2, member_id="b", leader="a", members=())
        >> sync(4, "b", 2)
        >> sync(5, "a", 2, assignments={"a": b"A", "b": b"B"})
        << Saved(generation=2, assignments={"a": b"A", "b": b"B"})
        << replied(5, assignment=b"A")
        << replied(4, assignment=b"B")
    )
    return story


def _compare_record(persist: Persist, expected: Saved) -> None:
    record = persist.record
    assert isinstance(record, ClassicGroupRecord)
    if expected.generation is not None:
        assert record.generation == expected.generation
    if expected.members is not None:
        assert [member.member_id for member in record.members] == expected.members
    if expected.assignments is not None:
        assert {member.member_id: member.assignment for member in record.members} == expected.assignments


def _compare_result(result: Any, fields: dict[str, Any]) -> None:
    if not fields:
        return
    if "code" in fields:
        assert result == fields["code"], result
        return
    values = msgspec.structs.asdict(result)
    assert {name: values[name] for name in fields} == fields, result
