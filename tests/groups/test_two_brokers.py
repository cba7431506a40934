"""Groups on whole brokers over one store: found, moved and restarted, as a client sees it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple

import pytest
import trio
from trio.testing import MockClock

from higgins.broker import Broker
from higgins.groups.settings import GroupSettings
from higgins.runtime import Runtime
from higgins.server.settings import Listener, ServerSettings
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from higgins_protocol.messages.find_coordinator import FindCoordinatorRequest
from higgins_protocol.messages.heartbeat import HeartbeatRequest
from higgins_protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from higgins_protocol.messages.leave_group import LeaveGroupRequest
from higgins_protocol.messages.metadata import MetadataRequest
from higgins_protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from higgins_protocol.messages.offset_fetch import OffsetFetchRequest
from higgins_protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from higgins_protocol.registry import decode_response, encode_request

FIND, JOIN, SYNC, HEARTBEAT, LEAVE, COMMIT, FETCH, CREATE_TOPICS = 10, 11, 14, 12, 13, 8, 9, 19
METADATA = 3
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ThreadlessRuntime(Runtime):
    """For a clock that jumps whenever all tasks sleep: a thread would be outrun by it."""

    async def offload(self, limiter: str, function: Callable[[*Ts], T], *args: *Ts) -> T:
        await trio.lowlevel.checkpoint()
        return function(*args)


class Client:
    """One connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def ask(self, key: int, version: int, request: Any) -> Any:
        await self._stream.send_all(b"".join(encode_request(key, version, 1, "c", request)))
        length = int.from_bytes(await self._read(4), "big")
        return decode_response(key, version, memoryview(await self._read(length)))[1]

    async def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = await self._stream.receive_some(length - len(data))
            assert piece, "the broker closed the connection"
            data += piece
        return data

    async def join(self, member_id: str = "") -> Any:
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=30_000,
            rebalance_timeout_ms=30_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"topics")],
        )
        return await self.ask(JOIN, 3, request)

    async def sync(self, member_id: str, generation: int, assignments: dict[str, bytes] | None = None) -> Any:
        parts = [
            SyncGroupRequestAssignment(member_id=member, assignment=part)
            for member, part in (assignments or {}).items()
        ]
        request = SyncGroupRequest(group_id="g", generation_id=generation, member_id=member_id, assignments=parts)
        return await self.ask(SYNC, 2, request)

    async def heartbeat(self, member_id: str, generation: int) -> int:
        request = HeartbeatRequest(group_id="g", generation_id=generation, member_id=member_id)
        return int((await self.ask(HEARTBEAT, 2, request)).error_code)

    async def commit(self, member_id: str, generation: int, offset: int) -> int:
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
        request = OffsetCommitRequest(
            group_id="g",
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            topics=[OffsetCommitRequestTopic(name="orders", partitions=[partition])],
        )
        return int((await self.ask(COMMIT, 5, request)).topics[0].partitions[0].error_code)

    async def committed(self) -> int:
        fetched = await self.ask(FETCH, 5, OffsetFetchRequest(group_id="g", topics=None))
        return int(fetched.topics[0].partitions[0].committed_offset)

    async def coordinator(self) -> int:
        return int((await self.ask(FIND, 2, FindCoordinatorRequest(key="g"))).port)

    async def create_topic(self) -> None:
        topic = CreatableTopic(name="orders", num_partitions=1, replication_factor=1)
        await self.ask(CREATE_TOPICS, 4, CreateTopicsRequest(topics=[topic], timeout_ms=10_000))


def new_store() -> Store:
    return memory_store(ThreadlessRuntime(), StoreSettings(url="memory://"))


@asynccontextmanager
async def running(store: Store, port: int, *, in_good_order: bool = True) -> AsyncIterator[Broker]:
    """A broker over the store; on leaving it is stopped, or killed where it stands."""
    listener = Listener(name="PLAIN", host="h", port=port, advertised_host="h", advertised_port=port)
    settings = Settings(
        server=ServerSettings(listeners=(listener,)),
        groups=GroupSettings(initial_rebalance_delay_ms=0),
    )
    broker = Broker(ThreadlessRuntime(), settings, store=store)
    async with trio.open_nursery() as nursery:
        await nursery.start(broker.run)
        yield broker
        if in_good_order:
            broker.stop()
        else:
            nursery.cancel_scope.cancel()


async def enter_alone(client: Client) -> str:
    """One member in generation 1, assigned `all`, with offset 42 committed; its id."""
    await client.create_topic()
    joined = await client.join()
    assert (joined.error_code, joined.generation_id) == (0, 1)
    member_id = str(joined.member_id)
    assert (await client.sync(member_id, 1, {member_id: b"all"})).assignment == b"all"
    assert await client.commit(member_id, 1, 42) == ErrorCode.NONE
    return member_id


async def test_a_group_survives_a_restart_of_its_only_broker(autojump_clock: MockClock) -> None:
    store = new_store()
    async with running(store, 9001) as broker:
        member_id = await enter_alone(Client(broker.connect()))
    async with running(store, 9001) as broker:
        client = Client(broker.connect())
        assert await client.heartbeat(member_id, 1) == ErrorCode.NONE
        assert (await client.sync(member_id, 1)).assignment == b"all"
        assert await client.committed() == 42
        assert await client.commit(member_id, 1, 43) == ErrorCode.NONE
        assert (await client.join(member_id)).generation_id == 2


@pytest.mark.parametrize("in_good_order", [True, False], ids=["stopped", "killed"])
async def test_a_group_continues_on_another_broker(autojump_clock: MockClock, in_good_order: bool) -> None:
    store = new_store()
    async with running(store, 9001) as first:
        assert await Client(first.connect()).coordinator() == 9001
        for port in range(9002, 9100):
            # Whichever address makes this node the group's coordinator.
            async with running(store, port, in_good_order=in_good_order) as second:
                client = Client(second.connect())
                if await client.coordinator() == 9001:
                    continue
                assert await Client(first.connect()).heartbeat("anyone", 1) == ErrorCode.NOT_COORDINATOR
                member_id = await enter_alone(client)
            break
        survivor = Client(first.connect())
        with trio.fail_after(30):
            while await survivor.heartbeat(member_id, 1) != ErrorCode.NONE:
                await trio.sleep(0.5)
        assert await survivor.coordinator() == 9001
        assert (await survivor.sync(member_id, 1)).assignment == b"all"
        assert await survivor.committed() == 42


async def test_members_share_a_group_until_they_leave(autojump_clock: MockClock) -> None:
    store = new_store()
    async with running(store, 9001) as broker:
        clients = [Client(broker.connect()) for _ in range(3)]
        first = (await clients[0].join()).member_id
        joined: dict[int, Any] = {}

        async def join(index: int, member_id: str = "") -> None:
            joined[index] = await clients[index].join(member_id)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(join, 1)
            nursery.start_soon(join, 2)
            await trio.sleep(1)
            assert not joined
            assert await clients[0].heartbeat(first, 1) == ErrorCode.REBALANCE_IN_PROGRESS
            nursery.start_soon(join, 0, first)
        assert {answer.generation_id for answer in joined.values()} == {2}
        assert {answer.leader for answer in joined.values()} == {first}
        members = [member.member_id for member in joined[0].members]
        assert sorted(members) == sorted(answer.member_id for answer in joined.values())
        parts = {member: member.encode() for member in members}
        synced: dict[str, bytes] = {}

        async def sync(index: int) -> None:
            member_id = joined[index].member_id
            answer = await clients[index].sync(member_id, 2, parts if member_id == first else None)
            synced[member_id] = answer.assignment

        async with trio.open_nursery() as nursery:
            for index in range(3):
                nursery.start_soon(sync, index)
        assert synced == parts
        leaver = joined[1].member_id
        left = await clients[1].ask(LEAVE, 1, LeaveGroupRequest(group_id="g", member_id=leaver))
        assert left.error_code == ErrorCode.NONE
        assert await clients[2].heartbeat(joined[2].member_id, 2) == ErrorCode.REBALANCE_IN_PROGRESS


async def test_the_controller_changes_only_when_its_node_ends(autojump_clock: MockClock) -> None:
    store = new_store()
    async with running(store, 9001) as first:
        client = Client(first.connect())
        controller = (await client.ask(METADATA, 9, MetadataRequest())).controller_id
        for port in range(9002, 9008):
            async with running(store, port) as other:
                for asked in (client, Client(other.connect())):
                    assert (await asked.ask(METADATA, 9, MetadataRequest())).controller_id == controller


async def test_a_stopping_node_names_the_next_coordinator_before_closing_connections(autojump_clock: MockClock) -> None:
    store = new_store()
    async with running(store, 9001) as first:
        client = Client(first.connect())
        member_id = await enter_alone(client)
        async with running(store, 9002) as second:
            staying = Client(second.connect())
            first.stop()
            with trio.fail_after(10):
                while await client.heartbeat(member_id, 1) == ErrorCode.NONE:
                    await trio.sleep(0.1)
            assert await client.heartbeat(member_id, 1) == ErrorCode.NOT_COORDINATOR
            assert await client.coordinator() == 9002
            with trio.fail_after(1):
                while await staying.coordinator() != 9002:
                    await trio.sleep(0.01)
            brokers = (await client.ask(METADATA, 9, MetadataRequest())).brokers
            assert [broker.port for broker in brokers] == [9002]
            assert await staying.heartbeat(member_id, 1) == ErrorCode.NONE
