"""A request sees everything that earlier requests of its connection wrote, though all are sent in one write.

The pairs are generated from the rows: every API that writes, followed by every API that reads what it writes. For each
pair three clusters are built alike. In the first the reading request is sent alone; in the second after the response to
the writing one; in the third both are sent together. The answers of the second and third must be equal. That a write
can be seen at all is a test of its own, so that no pair passes because nothing happened.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from higgins.broker import Broker
from higgins.kafka.apis import ROWS
from higgins.model.pointer import Buffer, ObjectKey
from higgins.server.order import RequestOrder
from higgins.settings import Settings
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from higgins.storage.store import Store
from higgins_protocol.errors import ErrorCode
from higgins_protocol.messages import find_coordinator, heartbeat
from higgins_protocol.messages.create_partitions import CreatePartitionsRequest
from higgins_protocol.messages.create_topics import CreateTopicsRequest
from higgins_protocol.messages.delete_groups import DeleteGroupsRequest
from higgins_protocol.messages.delete_records import DeleteRecordsRequest
from higgins_protocol.messages.describe_configs import DescribeConfigsRequest
from higgins_protocol.messages.describe_quorum import DescribeQuorumRequest
from higgins_protocol.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from higgins_protocol.messages.list_groups import ListGroupsRequest
from higgins_protocol.messages.list_offsets import ListOffsetsRequest
from higgins_protocol.messages.metadata import MetadataRequest
from higgins_protocol.messages.offset_delete import OffsetDeleteRequest
from higgins_protocol.messages.offset_fetch import OffsetFetchRequest
from higgins_protocol.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest
from higgins_protocol.messages.produce import ProduceRequest
from higgins_protocol.registry import encode_request
from higgins_protocol.schema import Message
from tests.broker import order_recipes
from tests.broker.order_recipes import World, build, comparable
from tests.broker.peer import KEYS, NEWEST, Peer, StoryRuntime, batch, fetch_request, produce_request

PLACEHOLDER = World()
"""Only the types and names of requests are needed to list the pairs."""
UNDECIDED = {("apply", DescribeQuorumRequest)}
"""The tasks of a new operator commit their leases in the background, so that a count of commits decides nothing."""
BY_REQUEST = {row.api.request: row for row in ROWS.values()}
WRITES = {kind: [name for name, _ in each] for kind, each in order_recipes.writes(PLACEHOLDER).items()}
READS = {kind: [name for name, _ in each] for kind, each in order_recipes.reads(PLACEHOLDER).items()}


def pairs() -> list[tuple[type[Message], str, type[Message], str]]:
    """(writing request, which of them, reading request, which of them)."""
    return [
        (writer, write, reader, read)
        for writer, names in WRITES.items()
        for write in names
        for reader, others in READS.items()
        for read in others
        if sees(writer, reader) and (write, reader) not in UNDECIDED
    ]


def sees(writer: type[Message], reader: type[Message]) -> bool:
    later, earlier = BY_REQUEST[reader], BY_REQUEST[writer]
    return bool(earlier.writes & later.reads) and reader not in earlier.overtaken_by


def name_of(value: Any) -> str:
    return value.__name__.removesuffix("Request") if isinstance(value, type) else value


class SlowStore:
    """A store as far away as a bucket, once `delay_s` is set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.traits = msgspec.structs.replace(store.traits, reads_are_direct=False)
        self.delay_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create_nowait(self, key: str, pieces: Sequence[Buffer]) -> bool:
        return False

    def get_range_nowait(self, key: str, position: int, length: int) -> None:
        return None

    async def create(self, key: ObjectKey, pieces: Sequence[Buffer]) -> None:
        await trio.sleep(self.delay_s)
        await self._store.create(key, pieces)

    async def get(self, key: ObjectKey, *, durable: bool = False) -> memoryview:
        await trio.sleep(self.delay_s / 10)
        return await self._store.get(key, durable=durable)


async def ask(
    first: tuple[type[Message], str] | None, second: tuple[type[Message], str], *, together: bool, is_slow: bool
) -> Any:
    """The answer to the second request, in a cluster of its own."""
    direct = memory_store(StoryRuntime(), StoreSettings(url="memory://"))
    slow = SlowStore(direct) if is_slow else None
    broker = Broker(StoryRuntime(), Settings(), store=slow or direct)
    async with trio.open_nursery() as nursery:
        await nursery.start(broker.run)
        peer = Peer(broker.connect())
        world = await build(peer)
        if slow is not None:
            slow.delay_s = 0.05
        requests = [dict(order_recipes.reads(world)[second[0]])[second[1]]]
        if first is not None:
            requests.insert(0, dict(order_recipes.writes(world)[first[0]])[first[1]])
        answers = await exchange(peer, requests, together=together)
        nursery.cancel_scope.cancel()
    return comparable(answers[-1])


async def exchange(peer: Peer, requests: Sequence[Message], *, together: bool) -> list[Any]:
    """The answers to requests that are sent in one write, or one after the other."""
    if not together:
        answers = []
        for request in requests:
            if wants_no_answer(request):
                await peer.send(request, answered=False)
                await trio.sleep(5)
            else:
                answers.append(await peer.ask(request))
        return answers
    frames = [encode_request(KEYS[type(one)], NEWEST[type(one)], i, "c", one) for i, one in enumerate(requests)]
    await peer.send_bytes(b"".join(b"".join(pieces) for pieces in frames))
    for i, request in enumerate(requests):
        if not wants_no_answer(request):
            peer.expect(request, i)
    return [await peer.receive() for request in requests if not wants_no_answer(request)]


def wants_no_answer(request: Message) -> bool:
    return isinstance(request, ProduceRequest) and not request.acks


@pytest.mark.parametrize(("writer", "write", "reader", "read"), pairs(), ids=name_of)
async def test_a_request_sees_what_the_one_before_it_wrote(autojump_clock, writer, write, reader, read) -> None:
    for is_slow in (True, False):
        after = await ask((writer, write), (reader, read), together=False, is_slow=is_slow)
        assert await ask((writer, write), (reader, read), together=True, is_slow=is_slow) == after


async def is_visible(writer: type[Message], write: str, reader: type[Message], read: str) -> bool:
    """Whether the answer to a reading request differs after a write."""
    alone = await ask(None, (reader, read), together=False, is_slow=True)
    return bool(await ask((writer, write), (reader, read), together=False, is_slow=True) != alone)


@pytest.mark.parametrize(("writer", "write"), dict.fromkeys(pair[:2] for pair in pairs()), ids=name_of)
async def test_what_a_recipe_writes_can_be_seen(autojump_clock, writer, write) -> None:
    for pair in pairs():
        if pair[:2] == (writer, write) and await is_visible(*pair):
            return
    pytest.fail(f"No reading request notices what {name_of(writer)} {write} does: let its recipe change something.")


@pytest.mark.parametrize(("reader", "read"), dict.fromkeys(pair[2:] for pair in pairs()), ids=name_of)
async def test_what_a_recipe_reads_is_changed_by_some_write(autojump_clock, reader, read) -> None:
    for pair in pairs():
        if pair[2:] == (reader, read) and await is_visible(*pair):
            return
    pytest.fail(f"No write changes the answer to {name_of(reader)} {read}: let its recipe read what is written.")


def test_every_api_has_a_recipe() -> None:
    written = functools.reduce(operator.or_, (row.writes for row in ROWS.values()))
    for kind, row in BY_REQUEST.items():
        if row.writes:
            assert kind in WRITES, (
                f"{row.api.name} writes {row.writes!r}: add a request of it that changes something to `writes` in "
                "tests/broker/order_recipes.py."
            )
        if row.reads & written:
            assert kind in READS, (
                f"{row.api.name} reads {row.reads!r}: add a request of it that reads what others change to `reads` in "
                "tests/broker/order_recipes.py."
            )


@pytest.mark.parametrize(
    ("writer", "reader", "read"),
    [
        (DeleteRecordsRequest, ListOffsetsRequest, ""),
        (CreateTopicsRequest, MetadataRequest, "by name"),
        (CreatePartitionsRequest, OffsetForLeaderEpochRequest, ""),
        (OffsetDeleteRequest, OffsetFetchRequest, ""),
        (IncrementalAlterConfigsRequest, DescribeConfigsRequest, ""),
        (DeleteGroupsRequest, ListGroupsRequest, ""),
    ],
    ids=name_of,
)
async def test_without_the_order_a_pair_is_told_apart(autojump_clock, monkeypatch, writer, reader, read) -> None:
    # The test of the tests above.
    after = await ask((writer, ""), (reader, read), together=False, is_slow=True)
    monkeypatch.setattr(RequestOrder, "blocks", lambda order, access: False)
    assert await ask((writer, ""), (reader, read), together=True, is_slow=True) != after


# ---- what may overlap ------------------------------------------------------------------------------------------------


OVERLAPPED_S = 10
"""One after the other, twenty requests would take twenty commits of a second. A few commits are enough if they overlap;
after some of them the node waits up to another second, so that other nodes can commit."""


@pytest.fixture
def distant() -> SlowStore:
    return SlowStore(memory_store(StoryRuntime(), StoreSettings(url="memory://")))


@pytest.fixture
async def slow(autojump_clock, nursery, distant: SlowStore) -> Peer:
    """A connection to a broker whose commits take a second; there is a topic `t`."""
    broker = Broker(StoryRuntime(), Settings(), store=distant)
    await nursery.start(broker.run)
    peer = Peer(broker.connect())
    await peer.create("t")
    distant.delay_s = 1.0
    return peer


async def test_produces_overlap_and_keep_their_order(slow: Peer) -> None:
    begun = trio.current_time()
    for n in range(20):
        await slow.send(produce_request("t", batch(b"%d" % n)))
    offsets = [(await slow.receive()).responses[0].partition_responses[0].base_offset for _ in range(20)]
    assert offsets == list(range(20))
    assert trio.current_time() - begun < OVERLAPPED_S


async def test_offset_commits_overlap(slow: Peer) -> None:
    await slow.ask(order_recipes.commit("g", 0))
    begun = trio.current_time()
    for offset in range(1, 21):
        await slow.send(order_recipes.commit("g", offset))
    for _ in range(20):
        await slow.receive()
    assert trio.current_time() - begun < OVERLAPPED_S


async def test_metadata_does_not_wait_for_a_produce(slow: Peer) -> None:
    begun = trio.current_time()
    await slow.send(produce_request("t", batch(b"a"), acks=0), answered=False)
    assert (await slow.ask(order_recipes.metadata_of("t"))).topics[0].error_code == 0
    assert trio.current_time() - begun < 0.1


async def test_a_write_does_not_wait_for_a_long_poll(slow: Peer) -> None:
    begun = trio.current_time()
    await slow.send(fetch_request([("t", 0, 0)], max_wait_ms=60_000, min_bytes=1))
    await slow.send(produce_request("t", batch(b"a")))
    assert (await slow.receive()).responses[0].partitions[0].high_watermark == 1
    assert (await slow.receive()).responses[0].partition_responses[0].error_code == 0
    assert trio.current_time() - begun < 5


async def test_a_member_is_heard_while_a_join_waits(slow: Peer) -> None:
    member_id = await order_recipes.join(slow, "g")
    # A second member's join waits until the first has joined again; both use this connection.
    await slow.send(order_recipes.join_request("g", "second"), 5)
    await trio.sleep(2)
    await slow.send(heartbeat.HeartbeatRequest("g", 1, member_id))
    await slow.send(order_recipes.commit("g", 5))
    await slow.send(msgspec.structs.replace(order_recipes.join_request("g"), member_id=member_id), 5)
    begun = trio.current_time()
    joined, beat, committed, again = [await slow.receive() for _ in range(4)]
    assert trio.current_time() - begun < 10
    assert joined.generation_id == again.generation_id == 2
    assert ErrorCode(beat.error_code).name == "REBALANCE_IN_PROGRESS"
    assert committed.topics[0].partitions[0].error_code


async def test_all_requests_behind_one_that_waits_keep_their_places(slow: Peer) -> None:
    await slow.send(produce_request("t", batch(b"a"), acks=0), answered=False)
    for request in (fetch_request([("t", 0, 0)], max_wait_ms=0), produce_request("t", batch(b"b"))):
        await slow.send(request)
    await slow.send(fetch_request([("t", 0, 0)], max_wait_ms=0))
    first, second, third = [await slow.receive() for _ in range(3)]
    assert first.responses[0].partitions[0].high_watermark == 1
    assert second.responses[0].partition_responses[0].base_offset == 1
    assert third.responses[0].partitions[0].high_watermark == 2


async def test_the_offsets_topic_keeps_nobody_waiting_for_a_store_that_is_away(slow: Peer, distant: SlowStore) -> None:
    await slow.ask(order_recipes.metadata_of("t"))
    distant.delay_s = 1_000.0
    begun = trio.current_time()
    await slow.send(find_coordinator.FindCoordinatorRequest(coordinator_keys=["g"]))
    await slow.send(order_recipes.metadata_of("t"))
    assert (await slow.receive()).coordinators[0].error_code == 0
    assert (await slow.receive()).topics[0].error_code == 0
    assert trio.current_time() - begun < 2
