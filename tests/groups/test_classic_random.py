"""Crowds of members that do anything at any time, and coordinators that die: what must hold whatever happens."""

import random
from typing import Any

import pytest

from higgins.groups.classic.machine import ClassicGroup
from higgins.groups.classic.requests import (
    Heartbeat,
    Join,
    JoinResult,
    Leave,
    LeavingMember,
    MemberProtocol,
    Sync,
    SyncResult,
)
from higgins.groups.ledger_access import ClassicGroupRecord
from higgins.groups.machine import AuthoriseCommit, Instruction, Persist, Reply, Tick, Wake
from higgins.groups.settings import GroupSettings
from higgins_protocol.errors import ErrorCode

CLIENTS = 6
STEPS = 1_300


class Client:
    """Something that knows a little of the protocol and does not always keep to it."""

    def __init__(self, name: str, *, is_static: bool) -> None:
        self.name = name
        self.instance_id = name if is_static else None
        self.member_id = ""
        self.generation = -1
        self.waiting_token: int | None = None
        self.leads: tuple[str, ...] = ()
        self.should_join = True


class Crowd:
    """Clients around one machine, and the checks of every instruction."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        delay_ms = self.chance.choice([0, 2_000])
        self.settings = GroupSettings(initial_rebalance_delay_ms=delay_ms, min_session_timeout_ms=1_000)
        self.clients = [Client(f"c{i}", is_static=self.chance.random() < 0.3) for i in range(CLIENTS)]
        self.group = ClassicGroup("g", self.settings)
        self.now_ms = 0
        self.wake_ms: int | None = None
        self.tokens = 0
        self.open: dict[int, tuple[Client, Any]] = {}
        self.record: ClassicGroupRecord | None = None
        self.members: dict[int, frozenset[str]] = {}
        self.assigned = 0

    def step(self) -> None:
        common = [self.join, self.sync, self.heartbeat, self.pass_time]
        rare = [self.leave, self.commit, self.restart, self.take_over]
        action = self.chance.choices(common + rare, [20] * len(common) + [1] * len(rare))[0]
        action(self.chance.choice(self.clients))

    # ---- what clients do

    def join(self, client: Client) -> None:
        is_needless = client.waiting_token is not None or not client.should_join
        # Now and then a client joins for no reason, or a second time.
        if is_needless and self.chance.random() < 0.95:
            return
        names = self.chance.choice([["range"], ["range", "sticky"], ["sticky", "range"]])
        self.ask(
            client,
            Join(
                token=self.token(),
                new_member_id=f"{client.name}-{self.tokens}",
                session_timeout_ms=self.chance.choice([3_000, 9_000]),
                rebalance_timeout_ms=self.chance.choice([2_000, 20_000]),
                protocol_type="consumer",
                protocols=tuple(MemberProtocol(name, client.name.encode()) for name in names),
                member_id=client.member_id,
                instance_id=client.instance_id,
                requires_member_id=self.chance.random() < 0.5,
                supports_skipping_assignment=self.chance.random() < 0.5,
            ),
        )

    def sync(self, client: Client) -> None:
        if client.waiting_token is not None or not client.member_id:
            return
        assignments = tuple((member_id, f"for {member_id}".encode()) for member_id in client.leads)
        request = Sync(
            token=self.token(),
            member_id=client.member_id,
            generation=client.generation,
            instance_id=client.instance_id,
            assignments=assignments,
        )
        self.ask(client, request)

    def heartbeat(self, client: Client) -> None:
        self.ask(client, Heartbeat(self.token(), client.member_id, client.generation, client.instance_id))

    def commit(self, client: Client) -> None:
        self.ask(client, AuthoriseCommit(self.token(), client.member_id, client.generation, client.instance_id))

    def leave(self, client: Client) -> None:
        self.ask(client, Leave(self.token(), (LeavingMember(client.member_id, client.instance_id),)))

    def restart(self, client: Client) -> None:
        client.member_id, client.generation, client.waiting_token, client.leads = "", -1, None, ()
        client.should_join = True

    def pass_time(self, client: Client) -> None:
        self.pass_until(self.now_ms + self.chance.randrange(1_500))

    def pass_until(self, until_ms: int) -> None:
        while self.wake_ms is not None and self.wake_ms <= until_ms:
            self.now_ms, self.wake_ms = max(self.now_ms, self.wake_ms), None
            self.handle(Tick())
        self.now_ms = until_ms

    def take_over(self, client: Client) -> None:
        """The coordinator dies with all it has not committed; clients see their connections close."""
        self.group, self.wake_ms = ClassicGroup("g", self.settings), None
        for asker, _ in self.open.values():
            asker.waiting_token = None
        self.open.clear()
        if self.record is not None:
            self.carry_out(self.group.restore(self.record, {}, self.now_ms))

    def token(self) -> int:
        self.tokens += 1
        return self.tokens

    def ask(self, client: Client, request: Any) -> None:
        self.open[request.token] = (client, request)
        if isinstance(request, Join | Sync):
            client.waiting_token = request.token
        self.handle(request)

    # ---- what the machine may do

    def handle(self, event: Any) -> None:
        self.carry_out(self.group.handle(event, self.now_ms))

    def carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Wake():
                    assert self.wake_ms is None or instruction.at_ms < self.wake_ms
                    self.wake_ms = instruction.at_ms
                case Persist():
                    assert isinstance(instruction.record, ClassicGroupRecord)
                    self.check_record(instruction.record)
                case Reply():
                    client, request = self.open.pop(instruction.token)
                    self.check_reply(client, request, instruction.result)

    def check_record(self, record: ClassicGroupRecord) -> None:
        before = self.record.generation if self.record is not None else 0
        assert record.generation in {before, before + 1}, "generations only grow, one by one"
        if record.generation != before:
            assert not any(member.assignment for member in record.members), "a generation begins unassigned"
        members = frozenset(member.instance_id or member.member_id for member in record.members)
        assert self.members.setdefault(record.generation, members) == members, "one generation has one set of members"
        ids = {member.member_id for member in record.members}
        assert len(ids) == len(record.members)
        assert record.leader in ids if ids else record.leader is None
        self.record = record

    def check_reply(self, client: Client, request: Any, result: Any) -> None:
        is_current = client.waiting_token == request.token
        error = result if isinstance(result, ErrorCode) else result.error
        if error in {ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION}:
            client.should_join = True
        if is_current:
            client.waiting_token = None
        match result:
            case JoinResult():
                self.check_join(client if is_current else None, result)
            case SyncResult():
                self.check_sync(request, result)
            case ErrorCode() if result is ErrorCode.UNKNOWN_MEMBER_ID and self.chance.random() < 0.8:
                self.restart(client)

    def check_join(self, client: Client | None, result: JoinResult) -> None:
        if result.error is ErrorCode.NONE:
            assert self.record is not None
            assert result.generation == self.record.generation, "only a committed generation is answered"
            assert result.member_id in {member.member_id for member in self.record.members}
            is_leader = result.member_id == result.leader
            assert not result.members or is_leader, "only the leader gets the members"
            assert not result.skip_assignment or is_leader
        if client is None:
            return
        if result.error is ErrorCode.NONE:
            client.member_id, client.generation, client.should_join = result.member_id, result.generation, False
            client.leads = () if result.skip_assignment else tuple(each.member_id for each in result.members)
        elif result.error is ErrorCode.MEMBER_ID_REQUIRED:
            client.member_id = result.member_id
        elif result.error is not ErrorCode.REBALANCE_IN_PROGRESS:
            self.restart(client)

    def check_sync(self, request: Sync, result: SyncResult) -> None:
        if result.error is not ErrorCode.NONE:
            return
        assert self.record is not None
        assert request.generation == self.record.generation, "an assignment is for its generation's members"
        committed = {member.member_id: member.assignment for member in self.record.members}
        assert committed[request.member_id] == result.assignment, "only a committed assignment is answered"
        self.assigned += bool(result.assignment)


@pytest.mark.parametrize("seed", range(150))
def test_the_invariants_of_a_group_hold_whatever_members_do(seed: int) -> None:
    crowd = Crowd(seed)
    for _ in range(STEPS):
        crowd.step()
    assert len(crowd.members) > 3, "a crowd that never rebalances shows nothing"
    assert crowd.assigned > 0, "nor does one that never works"
    crowd.pass_until(crowd.now_ms + 3_600_000)
    assert not crowd.open, "every request has been answered, once"
    assert not len(crowd.group.members), "members that fell silent are gone"
    assert crowd.wake_ms is None, "an empty group asks for nothing"
