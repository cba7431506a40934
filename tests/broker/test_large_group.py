"""A group of five hundred members: it settles, and settles again when some leave and others come."""

import trio

from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.heartbeat import HeartbeatRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.broker.conftest import House
from tests.broker.peer import Peer

MEMBERS = 500
HEARTBEAT_S = 3
OFTEN_ENOUGH = 60


class Member:
    """A client that joins until it is settled, and then heartbeats until it is told to join again."""

    def __init__(self, peer: Peer, number: int) -> None:
        self.peer = peer
        self.number = number
        self.member_id = ""
        self.settled: tuple[int, bytes] | None = None
        """The generation and what was assigned in it."""
        self.joins = 0

    async def run(self) -> None:
        while True:
            await self.settle()
            while await self.beat() == ErrorCode.NONE:
                await trio.sleep(HEARTBEAT_S)

    async def settle(self) -> None:
        self.settled = None
        while self.settled is None:
            self.joins += 1
            joined = await self.peer.ask(
                JoinGroupRequest(
                    group_id="g",
                    session_timeout_ms=45_000,
                    rebalance_timeout_ms=60_000,
                    member_id=self.member_id,
                    protocol_type="consumer",
                    protocols=[JoinGroupRequestProtocol("range", b"m%d" % self.number)],
                ),
                5,
            )
            self.member_id = joined.member_id
            if joined.error_code:
                continue
            given = [SyncGroupRequestAssignment(row.member_id, row.metadata) for row in joined.members]
            synced = await self.peer.ask(
                SyncGroupRequest("g", joined.generation_id, self.member_id, None, None, None, given), 3
            )
            if not synced.error_code:
                self.settled = joined.generation_id, bytes(synced.assignment)

    async def beat(self) -> int:
        assert self.settled is not None
        answer = await self.peer.ask(HeartbeatRequest("g", self.settled[0], self.member_id), 3)
        return int(answer.error_code)

    async def leave(self) -> None:
        answer = await self.peer.ask(LeaveGroupRequest("g", members=[MemberIdentity(self.member_id)]), 3)
        assert answer.error_code == 0


async def until_settled(members: list[Member], generation_after: int) -> int:
    """Wait until all members are in one generation newer than that, each with what is its own."""
    with trio.fail_after(600):
        while True:
            found = {member.settled[0] if member.settled else -1 for member in members}
            if len(found) == 1 and min(found) > generation_after:
                break
            await trio.sleep(1)
    for member in members:
        assert member.settled == (min(found), b"m%d" % member.number)
    return min(found)


async def test_a_group_of_five_hundred_settles_and_settles_again(autojump_clock, nursery, start):
    house: House = await start()
    members = [Member(house.connect(), number) for number in range(MEMBERS)]
    scopes = {}

    def begin(member: Member) -> None:
        scopes[member] = trio.CancelScope()

        async def live() -> None:
            with scopes[member]:
                await member.run()

        nursery.start_soon(live)

    for member in members:
        begin(member)
    first = await until_settled(members, 0)
    leaving, staying = members[:50], members[50:]
    for member in leaving:
        scopes[member].cancel()
        # A connection that was cancelled in the middle of an answer is of no use to say good-bye on.
        goodbye = Member(house.connect(), member.number)
        goodbye.member_id = member.member_id
        await goodbye.leave()
    coming = [Member(house.connect(), MEMBERS + number) for number in range(20)]
    for member in coming:
        begin(member)
    await until_settled(staying + coming, first)
    assert max(member.joins for member in staying) < OFTEN_ENOUGH
    nursery.cancel_scope.cancel()
