"""Snapshots and restarts: State comes back as it was, whatever of them is damaged."""

import random

import msgspec
import pytest
import trio
from trio.testing import MockClock

from higgins.ledger.commit import commit_key, encode_commit
from higgins.ledger.ledger import open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import (
    FOLDER,
    KEPT,
    PARTS_FOLDER,
    decode_snapshot,
    digest,
    freeze,
    freeze_at_tip,
    load_newest,
    restore_blocks,
    save,
    snapshot_key,
)
from higgins.ledger.state.group_records import ClassicGroupRecord
from higgins.ledger.state.groups import SaveGroup
from higgins.ledger.state.offsets import CommitOffsets, OffsetToCommit, group_resource
from higgins.ledger.state.producers import GrantProducerIds
from higgins.ledger.state.state import State
from higgins.ledger.state.tasks import ApplyTopography, AttachTasks, InputPosition, InputRange, TaskStep, task_resource
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.errors import Corrupt, StorageUnavailable
from higgins.model.names import TopicId
from higgins.model.pointer import ObjectKey, Pointer, data_object
from tests.ledger.chronicle import Chronicle, append, idempotent, plain, snapshot_of
from tests.ledger.nodes import StillRuntime, beside, commits, make_topic, put, running
from tests.storage.fakes import FakeStore


def history(seed: int) -> Chronicle:
    """A State in which every facet holds something, grown at random."""
    chance, chronicle = random.Random(seed), Chronicle()
    source, other, out = chronicle.topic("in", 3), chronicle.topic("other"), TopicId(b"out".ljust(16, b"."))
    creation = CreateTopic("out", out, 3, {"cleanup.policy": "delete"}, "", 2)
    positions = tuple((InputPosition(source, partition, 0),) for partition in range(3))
    attach = AttachTasks("op", 1, (source,), (out,), b"spec", positions)
    chronicle.one(ApplyTopography(0, (creation,), (attach,), (), b"text"))
    chronicle.join(9093)
    producer = chronicle.one(GrantProducerIds(5))
    for n in range(chance.randint(5, 40)):
        chronicle.now_ms += chance.randint(0, 1000)
        shared = data_object(chronicle.epoch, n + 1)
        chronicle.one(append(source, plain(chance.randint(1, 5)), plain(2), object_id=shared, length=200))
        chronicle.one(append(other, idempotent(producer, n), partition=0))
    for name in ("g", "h"):
        owner = chronicle.state.sessions.owner(group_resource(name))
        assert owner is not None
        chronicle.epoch = owner.epoch
        lease = chronicle.lease(group_resource(name))
        record = ClassicGroupRecord(0, "consumer", 1, None, None, ())
        chronicle.one(SaveGroup(name, lease, record))
        chronicle.one(CommitOffsets(name, lease, (OffsetToCommit(other, 0, 3, -1, "note"),)))
    owner = chronicle.state.sessions.owner(task_resource("op", 1))
    assert owner is not None
    chronicle.epoch = owner.epoch
    lease = chronicle.lease(task_resource("op", 1))
    chronicle.one(
        TaskStep(
            name="op",
            generation=1,
            task=1,
            lease_epoch=lease,
            inputs=(InputRange(source, 1, 0, 7),),
            appends=(append(out, plain(3)),),
            counters=(("kept", 3),),
            progress=b"watermark",
            state_added=(Pointer(data_object(9, 9), 0, 40),),
            object_length=40,
        )
    )
    if chance.random() < 0.5:
        chronicle.one(DeleteTopic(other))
    return chronicle


@pytest.mark.parametrize("seed", range(8))
def test_state_is_restored_as_it_was_and_goes_on_alike(seed: int) -> None:
    here = history(seed)
    there = here.restored()
    assert digest(there.state) == digest(here.state)
    for chronicle in (here, there):
        topic_id = chronicle.state.topics.by_name["in"].id
        assert chronicle.one(append(topic_id, plain(1), object_id=data_object(99, 1), length=100))[0] > 0
        chronicle.one(ApplyTopography(1, (), (), ("op",), b""))
        chronicle.one(DeleteTopic(topic_id))
    assert digest(there.state) == digest(here.state)


def test_an_empty_state_is_restored_too() -> None:
    chronicle = Chronicle()
    chronicle.state = State()
    assert digest(chronicle.restored().state) == digest(State())


def test_every_flipped_byte_of_a_snapshot_is_noticed() -> None:
    data = snapshot_of(Chronicle().state)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        with pytest.raises(Corrupt):
            decode_snapshot(memoryview(damaged))


async def test_a_restart_reads_snapshot_and_tail_and_comes_to_the_same_state(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        for i in range(12):
            if i == 5:
                await save(StillRuntime(), store, freeze(ledger.state))
            await put(ledger)
        expected = digest(ledger.state)
    again = beside(store)
    ledger = await open_ledger(StillRuntime(), again, LedgerSettings())
    assert digest(ledger.state) == expected
    read = {key for call, key in again.calls if call == "get"}
    assert commit_key(1) not in read and snapshot_key(8) in read


async def test_the_newest_two_are_kept(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(4):
            await put(ledger)
            await save(StillRuntime(), store, freeze(ledger.state))
        numbers = [int(row.key.removeprefix(FOLDER)) for row in await store.list(FOLDER)]
        assert numbers == [ledger.state.number - 1, ledger.state.number] and len(numbers) == KEPT
        await save(StillRuntime(), store, freeze(ledger.state))
        assert len(await store.list(FOLDER)) == KEPT


@pytest.mark.parametrize("damaged", [1, 2])
async def test_a_damaged_snapshot_costs_a_longer_tail_and_nothing_else(autojump_clock: MockClock, damaged: int) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(2):
            await put(ledger)
            await save(StillRuntime(), store, freeze(ledger.state))
        expected = digest(ledger.state)
    for row in (await store.list(FOLDER))[-damaged:]:
        store.objects[row.key] = store.objects[row.key][:-1] + b"?"
    state = await load_newest(StillRuntime(), store)
    assert (state.number > 0) == (damaged < 2)
    assert digest((await open_ledger(StillRuntime(), store, LedgerSettings())).state) == expected


async def test_snapshots_are_made_when_the_tail_has_grown_by_one_node_only(autojump_clock: MockClock) -> None:
    store = FakeStore()
    other = beside(store)
    settings = {"snapshot_commits_min": 10, "snapshot_interval_min_s": 1.0}
    async with running(store, 9092, **settings) as ledger, running(other, 9093, **settings):
        await make_topic(ledger)
        await trio.sleep(2)
        assert await store.list(FOLDER) == []
        for _ in range(40):
            await put(ledger)
            await trio.sleep(0.3)
    made = [key for one in (store, other) for call, key in one.calls if call == "create" and key.startswith(FOLDER)]
    assert len(made) == len(set(made)) and 2 <= len(made) <= 5


async def test_a_tail_over_several_folders_is_read_whole(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        while ledger.state.number < 2005:
            await put(ledger)
        expected = digest(ledger.state)
    again = await open_ledger(StillRuntime(), beside(store), LedgerSettings())
    assert again.state.number == 2005 and digest(again.state) == expected


async def short_ledger(store: FakeStore) -> None:
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(5):
            await put(ledger)


async def test_reads_that_fail_now_and_then_delay_a_start_and_prevent_none(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(30):
            await put(ledger)
        expected = digest(ledger.state)
    chance, failed = random.Random(1), 0

    async def fail_often(key: str) -> None:
        nonlocal failed
        if chance.random() < 0.1:
            failed += 1
            raise StorageUnavailable(f"The store failed on {key}.")

    again = beside(store)
    again.before_read = fail_often
    assert digest((await open_ledger(StillRuntime(), again, LedgerSettings())).state) == expected
    assert failed


async def test_a_broken_chain_is_noticed(autojump_clock: MockClock) -> None:
    store = FakeStore()
    await short_ledger(store)
    third, fourth = commits(store)[2:4]
    forged = msgspec.structs.replace(third.head, nonce=b"another")
    store.objects[commit_key(3)] = b"".join(encode_commit(forged, third.payload)[1])
    assert fourth.head.previous == third.hash
    with pytest.raises(Corrupt, match="hash chain"):
        await open_ledger(StillRuntime(), store, LedgerSettings())


async def test_a_commit_in_the_wrong_place_is_noticed(autojump_clock: MockClock) -> None:
    store = FakeStore()
    await short_ledger(store)
    store.objects[commit_key(4)] = store.objects[commit_key(3)]
    with pytest.raises(Corrupt, match="its number is 3"):
        await open_ledger(StillRuntime(), store, LedgerSettings())


async def test_a_damaged_commit_is_noticed(autojump_clock: MockClock) -> None:
    store = FakeStore()
    await short_ledger(store)
    store.objects[commit_key(4)] = store.objects[commit_key(4)][:-1] + b"?"
    with pytest.raises(Corrupt, match="CRC"):
        await open_ledger(StillRuntime(), store, LedgerSettings())


async def test_a_ledger_whose_beginning_is_gone_is_not_taken_for_an_empty_one(autojump_clock: MockClock) -> None:
    store = FakeStore()
    await short_ledger(store)
    del store.objects[commit_key(1)]
    with pytest.raises(Corrupt):
        await open_ledger(StillRuntime(), store, LedgerSettings())


# ---- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part_bytes_max", [1, 100, 1000])
async def test_a_large_snapshot_lies_in_parts_and_is_loaded_from_them(
    autojump_clock: MockClock, part_bytes_max: int
) -> None:
    chronicle, store = history(3), FakeStore()
    await save(StillRuntime(), store, freeze(chronicle.state), part_bytes_max)
    parts = await store.list(PARTS_FOLDER)
    assert len(parts) > 1
    assert digest(await load_newest(StillRuntime(), store)) == digest(chronicle.state)


async def test_a_small_snapshot_is_one_object(autojump_clock: MockClock) -> None:
    store = FakeStore()
    await save(StillRuntime(), store, freeze(history(3).state))
    assert [row.key for row in await store.list("ledger/")] == [snapshot_key(history(3).state.number)]


@pytest.mark.parametrize("damage", ["missing", "flipped", "short"])
async def test_a_snapshot_with_a_bad_part_falls_back_to_the_one_before(autojump_clock: MockClock, damage: str) -> None:
    chronicle, store = history(3), FakeStore()
    await save(StillRuntime(), store, freeze(chronicle.state))
    older = digest(chronicle.state)
    chronicle.topic("newer")
    await save(StillRuntime(), store, freeze(chronicle.state), 100)
    key = (await store.list(PARTS_FOLDER))[1].key
    data = store.objects[key]
    if damage == "missing":
        del store.objects[key]
    else:
        store.objects[key] = data[:-1] if damage == "short" else bytes([data[0] ^ 1]) + data[1:]
    assert digest(await load_newest(StillRuntime(), store)) == older


async def test_parts_go_with_their_snapshot_and_parts_of_a_failed_one_too(autojump_clock: MockClock) -> None:
    chronicle, store = history(3), FakeStore()
    runtime = StillRuntime()
    await store.put(ObjectKey(f"{PARTS_FOLDER}{1:012d}/failed-000000"), [b"of a node that died"])
    numbers = []
    for i in range(4):
        chronicle.topic(f"more-{i}")
        numbers.append(chronicle.state.number)
        await save(runtime, store, freeze(chronicle.state), 100)
    kept = {int(row.key.removeprefix(PARTS_FOLDER).split("/")[0]) for row in await store.list(PARTS_FOLDER)}
    assert kept == set(numbers[-KEPT:])
    assert digest(await load_newest(runtime, store)) == digest(chronicle.state)


async def test_two_nodes_that_snapshot_the_same_commit_do_not_disturb_each_other(autojump_clock: MockClock) -> None:
    chronicle, store = history(3), FakeStore()
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(save, StillRuntime(), store, freeze(chronicle.state), 100)
    assert digest(await load_newest(StillRuntime(), store)) == digest(chronicle.state)


async def test_folding_waits_while_state_is_copied_and_goes_on_after(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        await put(ledger)
        at_freeze, number = digest(ledger.state), ledger.state.number
        frozen = []

        async def copy() -> None:
            frozen.append(await freeze_at_tip(ledger._tip))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(copy)
            nursery.start_soon(put, ledger)
        assert frozen[0].number == number and ledger.state.number == number + 1
        await save(StillRuntime(), store, frozen[0])
    assert digest(await load_newest(StillRuntime(), store)) == at_freeze


def test_a_facet_that_this_version_does_not_know_is_not_skipped() -> None:
    unknown = msgspec.msgpack.encode(("unheard", 1, [1]))
    newer = msgspec.msgpack.encode(("topics", 2, []))
    for block in (unknown, newer):
        with pytest.raises(Corrupt, match="newer Higgins"):
            restore_blocks(State(), len(block).to_bytes(4, "big") + block)
