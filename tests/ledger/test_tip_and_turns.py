"""The tip under load: when it was seen, whose turn it is, what is put back; and snapshots that cannot be used."""

import hashlib
from functools import partial

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from higgins.ledger.commit import commit_key, decode_commit
from higgins.ledger.committer import Outcome
from higgins.ledger.ledger import Ledger, open_ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import (
    FOLDER,
    MAGIC,
    PARTS_FOLDER,
    digest,
    encode_snapshot,
    freeze,
    load_newest,
    save,
    snapshot_key,
)
from higgins.ledger.state.runs import IndexRow, RunAppended
from higgins.ledger.state.sessions import SessionEnded, TakeLease
from higgins.ledger.state.state import State
from higgins.ledger.state.topics import CreateTopic, TopicCreated
from higgins.ledger.tip import READ_AHEAD, Tip
from higgins.model.errors import Corrupt, Refused, StorageUnavailable
from higgins.model.names import TopicId
from higgins.model.pointer import inline_payload
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from tests.ledger.nodes import BATCH, TOPIC, StillRuntime, beside, commits, facts, make_topic, put, running, until
from tests.storage.fakes import FakeStore


def topic(name: str, mark: int) -> CreateTopic:
    return CreateTopic(name, TopicId(bytes([mark]) * 16), 1)


# ---- the short way of a commit --------------------------------------------------------------------------------------


async def test_proposals_that_could_not_go_the_short_way_keep_their_order(autojump_clock: MockClock) -> None:
    # A store that never waits; this node does not know of the other's last commit, so its first attempt must fail.
    store = memory_store(StillRuntime(), StoreSettings(url="memory://"))
    async with running(store) as ledger, running(store, 9093) as rival:
        await ledger.barrier()
        await rival.barrier()
        await rival.propose(topic("rival", 1))
        outcomes = await ledger.propose_all([topic("t", 2), topic("t", 3), topic("u", 4), topic("t", 5)])
        assert [type(outcome.error) for outcome in outcomes] == [type(None), Refused, type(None), Refused]
        assert ledger.state.topics.by_name["t"].id == bytes([2]) * 16
        assert list(ledger.state.topics.by_name) == ["rival", "t", "u"]


async def test_proposals_are_judged_in_the_order_in_which_they_came(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store, proposals_per_commit_max=2) as ledger:
        outcomes = await ledger.propose_all([topic("t", mark) for mark in range(1, 6)])
        assert [outcome.error is None for outcome in outcomes] == [True, False, False, False, False]
        assert [fact.topic_id for fact in facts(store, TopicCreated)] == [bytes([1]) * 16]


# ---- seeing the tip -------------------------------------------------------------------------------------------------


async def test_the_tip_was_seen_when_the_read_began(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093):
        await ledger.barrier()

        async def slow(key: str) -> None:
            await trio.sleep(3)

        async def never(key: str) -> None:
            await trio.sleep_forever()

        # A third of the session timeout is 3.3 s; what a read of 3 s shows is out of date soon after its end.
        store.before_read, store.before_create = slow, never
        await trio.sleep(4)
        touch = []
        for _ in range(90):
            await trio.sleep(0.1)
            touch.append(ledger.in_touch())
        assert touch.count(False) > len(touch) // 2


async def test_a_node_that_reads_the_tip_in_time_is_in_touch(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093):
        await ledger.barrier()
        for _ in range(100):
            await trio.sleep(0.1)
            assert ledger.in_touch()


async def test_a_watcher_shortens_the_pause_between_two_looks(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as one, running(beside(store), 9093) as other:
        await make_topic(one)
        await other.barrier()
        for watched in (True, False, True):
            if watched:
                other.watch()
            await trio.sleep(2.5)
            await put(one)
            committed_s, number = trio.current_time(), one.state.number

            def caught_up(number: int = number) -> bool:
                return other.state.number >= number

            await until(caught_up)
            seconds = trio.current_time() - committed_s
            assert seconds < 0.1 if watched else seconds < 1.5
            if watched:
                other.unwatch()
        assert other.watchers == 0


async def test_a_watcher_that_arrives_ends_a_long_pause(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as one, running(beside(store), 9093) as other:
        await make_topic(one)
        await other.barrier()
        await trio.sleep(5.3)
        await put(one)
        other.watch()
        started_s = trio.current_time()
        await until(lambda: other.state.number >= one.state.number)
        assert trio.current_time() - started_s < 0.1


async def test_a_node_far_behind_catches_up_with_one_look(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(3 * READ_AHEAD):
            await put(ledger)
        behind = Tip(StillRuntime(), beside(store), State())
        await behind.check()
        assert behind.state.number == ledger.state.number and digest(behind.state) == digest(ledger.state)


async def test_reads_that_fail_in_the_middle_do_not_look_like_the_tip(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(20):
            await put(ledger)
        failing = beside(store)
        behind = Tip(StillRuntime(), failing, State())
        failed: list[str] = []

        async def fail_once(key: str) -> None:
            if key == commit_key(9) and not failed:
                failed.append(key)
                raise StorageUnavailable("not now")

        failing.before_read = fail_once
        await behind.check(ahead=16)
        assert failed and behind.state.number == ledger.state.number
        seen = behind.seen_at

        async def fail(key: str) -> None:
            raise StorageUnavailable("not now")

        failing.before_read = fail
        await trio.sleep(1)
        with pytest.raises(StorageUnavailable):
            await behind.check()
        assert behind.seen_at == seen


async def test_turns_are_given_to_one_task_at_a_time_in_order(autojump_clock: MockClock) -> None:
    tip = Tip(StillRuntime(), FakeStore(), State())
    holders: list[int] = []

    async def work(i: int) -> None:
        await tip.take_turn()
        try:
            holders.append(i)
            assert not tip.take_turn_nowait()
            await trio.sleep(1)
        finally:
            tip.give_turn()

    async with trio.open_nursery() as nursery:
        for i in range(5):
            nursery.start_soon(work, i)
            await wait_all_tasks_blocked()
    assert holders == list(range(5)) and tip.take_turn_nowait()


async def test_a_commit_with_another_number_or_of_another_cluster_stops_the_node(autojump_clock: MockClock) -> None:
    store, other = FakeStore(), FakeStore()
    for one, cluster in ((store, 3), (other, 5)):
        async with running(one) as ledger:
            for i in range(cluster):
                await ledger.propose(topic(f"t{i}", i + 1))
    for number, key in ((5, commit_key(4)), (4, commit_key(4))):
        damaged = FakeStore(objects=dict(store.objects))
        damaged.objects[key] = (store if number == 5 else other).objects[commit_key(number)]
        with pytest.raises(Corrupt):
            await open_ledger(StillRuntime(), damaged, LedgerSettings())


async def test_a_commit_that_is_missing_from_the_middle_stops_the_node(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        for i in range(6):
            await ledger.propose(topic(f"t{i}", i + 1))
        newest = ledger.state.number
    for gone in range(2, newest):
        damaged = FakeStore(objects={key: data for key, data in store.objects.items() if key != commit_key(gone)})
        with pytest.raises(Corrupt, match="missing"):
            await open_ledger(StillRuntime(), damaged, LedgerSettings())


async def test_what_is_read_back_after_a_lost_answer_is_read_again_until_it_is_known(
    autojump_clock: MockClock,
) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        lost: list[str] = []
        unread: list[str] = []

        async def lose(key: str) -> None:
            if not lost:
                lost.append(key)
                raise StorageUnavailable("the answer was lost")

        async def fail(key: str) -> None:
            if key in lost and len(unread) < 3:
                unread.append(key)
                raise StorageUnavailable("not now")

        store.after_create, store.before_read = lose, fail
        assert await put(ledger) == 0
        assert await put(ledger) == 1
        assert len(unread) == 3
        assert [fact.run.base_offset for fact in facts(store, RunAppended)] == [0, 1]


# ---- barriers -------------------------------------------------------------------------------------------------------


async def test_after_a_failure_the_next_barrier_looks_again(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:

        async def down(key: str) -> None:
            await trio.sleep(0.1)
            raise StorageUnavailable("down")

        async def nothing(key: str) -> None:
            return

        for _ in range(3):
            store.before_read = down
            failed: list[str] = []

            async def ask(failed: list[str] = failed) -> None:
                try:
                    await ledger.barrier()
                except StorageUnavailable as error:
                    failed.append(str(error))

            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(ask)
            assert len(failed) == 4
            store.before_read = nothing
            with trio.fail_after(5):
                await ledger.barrier()


# ---- sessions -------------------------------------------------------------------------------------------------------


async def test_only_the_one_that_is_silent_is_fenced(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as one, running(beside(store), 9093) as two:
        async with running(beside(store), 9094) as dead:
            assert dead.session is not None
            epoch = dead.session.epoch
        await trio.sleep(60)
        assert facts(store, SessionEnded) == [SessionEnded(epoch, "expired")]
        for ledger in (one, two):
            await ledger.barrier()
            assert len(ledger.state.sessions.live) == 2 and not ledger.alone
        resource = next(f"r{i}" for i in range(99) if one.state.sessions.owner(f"r{i}") == one.session)
        lease = await one.propose(TakeLease(resource))
        assert await one.propose(TakeLease(resource)) == lease


# ---- snapshots ------------------------------------------------------------------------------------------------------


async def two_snapshots(store: FakeStore, **settings: int) -> tuple[list[int], str]:
    """A ledger with two snapshots: their numbers, and the digest of State at the end."""
    numbers: list[int] = []
    async with running(store) as ledger:
        await make_topic(ledger)
        for _ in range(2):
            await put(ledger)
            await save(StillRuntime(), store, freeze(ledger.state), **settings)
            numbers.append(ledger.state.number)
        await put(ledger)
        return numbers, digest(ledger.state)


async def test_the_newest_snapshot_is_loaded(autojump_clock: MockClock) -> None:
    for settings in ({}, {"part_bytes_max": 1}):
        store = FakeStore()
        numbers, _ = await two_snapshots(store, **settings)
        assert (await load_newest(StillRuntime(), store)).number == numbers[-1]
        assert any(key.startswith(PARTS_FOLDER) for key in store.objects) == bool(settings)


def signed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "what", ["magic", "head", "format", "block", "cut block", "unknown facet", "index of nothing", "short"]
)
async def test_a_snapshot_with_the_right_digest_and_wrong_contents_is_passed_over(
    autojump_clock: MockClock, what: str
) -> None:
    store = FakeStore()
    numbers, expected = await two_snapshots(store)
    key = snapshot_key(numbers[-1])
    body = store.objects[key][:-32]
    frozen = freeze(State())
    frozen.number = numbers[-1]
    empty = encode_snapshot(frozen, (), b"")[:-32]
    # A row that belongs to a partition of which there is no row before it.
    index = msgspec.msgpack.encode(("runs", 1, [IndexRow(TOPIC, 0, [memoryview(bytes(8))] * 6)]))
    store.objects[key] = {
        "magic": signed(b"HGX2" + body[4:]),
        "head": signed(body[:8] + b"\xc1" + body[9:]),
        "format": signed(body[:9] + b"\x63" + body[10:]),
        "block": signed(empty + (4).to_bytes(4, "big") + b"\xc1\xc1\xc1\xc1"),
        "cut block": signed(empty + b"\x00\x00\x00"),
        "unknown facet": signed(empty + (8).to_bytes(4, "big") + b"\x93\xa4what\x01\x90"),
        "index of nothing": signed(empty + len(index).to_bytes(4, "big") + index),
        "short": MAGIC,
    }[what]
    assert (await load_newest(StillRuntime(), store)).number == numbers[0]
    assert digest((await open_ledger(StillRuntime(), store, LedgerSettings())).state) == expected


@pytest.mark.parametrize("damage", ["missing", "another byte", "shorter"])
async def test_a_snapshot_with_a_damaged_part_is_passed_over(autojump_clock: MockClock, damage: str) -> None:
    store = FakeStore()
    numbers, expected = await two_snapshots(store, part_bytes_max=1)
    parts = sorted(key for key in store.objects if key.startswith(f"{PARTS_FOLDER}{numbers[-1]:012d}/"))
    assert len(parts) > 3
    data = store.objects.pop(parts[-1])
    if damage != "missing":
        store.objects[parts[-1]] = data[:-1] + (b"" if damage == "shorter" else bytes([data[-1] ^ 1]))
    assert (await load_newest(StillRuntime(), store)).number == numbers[0]
    assert digest((await open_ledger(StillRuntime(), store, LedgerSettings())).state) == expected


async def test_parts_go_with_their_snapshots_and_those_that_are_kept_stay_whole(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        made: list[int] = []
        for _ in range(5):
            await put(ledger)
            await save(StillRuntime(), store, freeze(ledger.state), part_bytes_max=1)
            made.append(ledger.state.number)
        folders = {int(key.split("/")[2]) for key in store.objects if key.startswith(PARTS_FOLDER)}
        assert folders == set(made[-2:])
        assert {int(row.key.removeprefix(FOLDER)) for row in await store.list(FOLDER)} == set(made[-2:])
        del store.objects[snapshot_key(made[-1])]
        assert (await load_newest(StillRuntime(), store)).number == made[-2]


async def test_a_snapshot_that_fails_is_made_at_the_next_occasion(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store, snapshot_commits_min=5, snapshot_interval_min_s=1.0) as ledger:
        await make_topic(ledger)
        await trio.sleep(1)

        async def fail(key: str) -> None:
            if key.startswith(FOLDER):
                raise StorageUnavailable("no")

        async def nothing(key: str) -> None:
            return

        store.before_create = fail
        for _ in range(10):
            await put(ledger)
        await trio.sleep(10)
        assert await store.list(FOLDER) == [] and ledger.snapshot is None
        store.before_create = nothing
        await trio.sleep(3)
        (row,) = await store.list(FOLDER)
        number = int(row.key.removeprefix(FOLDER))
        assert number == ledger.state.number and ledger.snapshot == (number, ledger.state.time_ms)
        # Nothing is committed, so none is made.
        creates = store.count("create")
        await trio.sleep(60)
        assert store.count("create") == creates
        for _ in range(4):
            await put(ledger)
        await trio.sleep(10)
        assert len(await store.list(FOLDER)) == 1, "the tail has not grown enough"
        await put(ledger)
        await trio.sleep(10)
        assert len(await store.list(FOLDER)) == 2


async def test_an_outcome_is_reported_once_and_in_order(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        reported: list[tuple[int, Outcome]] = []

        def report(i: int, outcome: Outcome) -> None:
            reported.append((i, outcome))

        for i in range(6):
            ledger.submit(topic(f"t{i // 2}", i + 1), partial(report, i))
        await until(lambda: len(reported) >= 6)
        await trio.sleep(10)
        assert [i for i, _ in reported] == list(range(6))
        assert [outcome.error is None for _, outcome in reported] == [True, False] * 3
        counts = ledger.counts
        assert counts.refusals == 3 and counts.lost_races == 0
        assert TOPIC in ledger.state.topics.by_id
        numbers = [decode_commit(memoryview(store.objects[commit_key(i + 1)]), i + 1).head.number for i in range(3)]
        assert numbers == [1, 2, 3] and len(commits(store)) == ledger.state.number
        assert {commit.head.era for commit in commits(store)} == {1}
        await put(ledger)
        payload = ledger.state.objects.get(inline_payload(ledger.state.number))
        assert payload is not None and (payload.length, payload.live) == (len(BATCH), 1)


# ---- pauses ---------------------------------------------------------------------------------------------------------


async def seconds_of(ledger: Ledger, count: int) -> float:
    """How long a number of commits, one after another, takes."""
    started_s = trio.current_time()
    for _ in range(count):
        await put(ledger)
    return trio.current_time() - started_s


async def test_a_node_pauses_after_its_commits_only_while_others_work(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        await trio.sleep(10)
        assert await seconds_of(ledger, 200) < 0.02, "now and then, in case a node wants to join"
        async with running(beside(store), 9093) as other:
            await ledger.barrier()
            await trio.sleep(10)
            assert await seconds_of(ledger, 100) < 0.02, "an idle node costs nothing"
            await put(other)
            await ledger.barrier()
            # Twice the 5 ms in which the other one looks for commits, times 1.0 to 1.5.
            assert await seconds_of(ledger, 100) > 0.01


async def test_the_pause_grows_with_a_slow_store_up_to_its_bound(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093):
        await make_topic(ledger)

        def slow(seconds: float) -> None:
            async def wait(key: str) -> None:
                await trio.sleep(seconds)

            store.before_create = wait

        for create_s, pause_s in ((0.1, 0.5), (1.0, 0.75)):
            slow(create_s)
            await put(ledger)
            pauses = [ledger._committer._turns._window_s() for _ in range(40)]
            assert pause_s <= min(pauses) < max(pauses) <= 1.5 * pause_s, "random, 1.0 to 1.5 times this"
