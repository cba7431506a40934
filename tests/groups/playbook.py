"""A story about a group's machine: `>>` tells it something, `<<` says what it must do next.

Everything the machine says is expected, in order, except Wake, which the story's clock obeys by itself: `>> At(ms)`
sends every tick that was asked for up to then.
"""

from typing import Any, NamedTuple

import msgspec

from higgins.groups.classic import ClassicGroup
from higgins.groups.events import (
    AuthoriseCommit,
    Departure,
    Heartbeat,
    Instruction,
    Join,
    Leave,
    MemberProtocol,
    Persist,
    Reply,
    Sync,
    Tick,
    Wake,
)
from higgins.groups.settings import GroupSettings

NO_DELAY = GroupSettings(initial_rebalance_delay_ms=0, min_session_timeout_ms=1_000)
SESSION_MS = 10_000
REBALANCE_MS = 60_000


class At(NamedTuple):
    """Let time pass until then."""

    ms: int


class Saved(NamedTuple):
    """What a Persist is expected to hold; None is not compared."""

    generation: int | None = None
    members: list[str] | None = None
    assignments: dict[str, bytes] | None = None


class Told(NamedTuple):
    """What a Reply is expected to hold: its token, and those fields of its result that are named."""

    token: int
    fields: dict[str, Any]


def told(token: int, **fields: Any) -> Told:
    return Told(token, fields)


class Playbook:
    """One machine, one clock, and what it has said so far."""

    def __init__(self, group: ClassicGroup | None = None, settings: GroupSettings = NO_DELAY) -> None:
        self.group = group or ClassicGroup("g", settings)
        self.now_ms = 0
        self.wake_ms: int | None = None
        self.said: list[Instruction] = []

    def __rshift__(self, event: Any) -> "Playbook":
        assert not self.said, f"nobody expected {self.said}"
        if isinstance(event, At):
            self._pass_time(event.ms)
        else:
            self._tell(event)
        return self

    def __lshift__(self, expected: Any) -> "Playbook":
        assert self.said, f"{self.group!r} said nothing, not {expected}"
        said = self.said.pop(0)
        if isinstance(expected, Saved):
            assert isinstance(said, Persist), f"{said} instead of {expected}"
            _compare_record(said, expected)
        elif isinstance(expected, Told):
            assert isinstance(said, Reply), f"{said} instead of {expected}"
            assert said.token == expected.token, f"{said} instead of {expected}"
            _compare_result(said.result, expected.fields)
        else:
            assert said == expected
        return self

    def __bool__(self) -> bool:
        assert not self.said, f"nobody expected {self.said}"
        return True

    def _tell(self, event: Any) -> None:
        for instruction in self.group.handle(event, self.now_ms):
            if isinstance(instruction, Wake):
                self.wake_ms = instruction.at_ms
            else:
                self.said.append(instruction)

    def _pass_time(self, until_ms: int) -> None:
        while self.wake_ms is not None and self.wake_ms <= until_ms:
            self.now_ms, self.wake_ms = max(self.wake_ms, self.now_ms), None
            self._tell(Tick())
        self.now_ms = until_ms


def join(token: int, fresh: str = "", **fields: Any) -> Join:
    """A consumer's JoinGroup; `fresh` is the id it would be given."""
    protocols = fields.pop("protocols", [("range", b"topics")])
    defaults: dict[str, Any] = {
        "fresh_member_id": fresh,
        "session_timeout_ms": SESSION_MS,
        "rebalance_timeout_ms": REBALANCE_MS,
        "protocol_type": "consumer",
        "client_id": "client",
        "client_host": "/10.0.0.1",
    }
    offers = tuple(MemberProtocol(name, metadata) for name, metadata in protocols)
    return Join(token=token, protocols=offers, **(defaults | fields))


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
    return Leave(token, tuple(Departure(member_id) for member_id in member_ids))


def stable_pair() -> Playbook:
    """Members a (leader) and b, stable in generation 2, assigned A and B, at time 0."""
    story = Playbook()
    assert (
        story
        >> join(1, "a") << Saved(generation=1, members=["a"]) << told(1, member_id="a", leader="a", generation=1)
        >> join(2, "b")
        >> rejoin(3, "a")
        << Saved(generation=2, members=["a", "b"])
        << told(3, member_id="a", leader="a", generation=2)
        << told(2, member_id="b", leader="a", members=())
        >> sync(4, "b", 2)
        >> sync(5, "a", 2, assignments={"a": b"A", "b": b"B"})
        << Saved(generation=2, assignments={"a": b"A", "b": b"B"})
        << told(5, assignment=b"A")
        << told(4, assignment=b"B")
    )
    return story


def _compare_record(said: Persist, expected: Saved) -> None:
    record = said.record
    assert record is not None
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
    found = {name: values[name] for name in fields}
    assert found == fields, result
