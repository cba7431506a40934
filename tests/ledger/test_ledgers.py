"""Whole ledgers over one bucket: barriers, sessions that end, and nodes that come to the same State."""

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

from higgins.ledger.committer import Outcome
from higgins.ledger.ledger import Ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.snapshot import digest
from higgins.ledger.state.sessions import FenceSession, SessionEnded, SessionJoined, SignalLiveness, TakeLease
from higgins.ledger.state.topics import CreateTopic, DeleteTopic
from higgins.model.errors import Fenced, StorageUnavailable
from higgins.model.names import TopicId
from higgins.storage.memory import memory_store
from higgins.storage.settings import StoreSettings
from tests.ledger.nodes import TOPIC, StillRuntime, beside, commits, facts, make_topic, put, running, until
from tests.storage.fakes import FakeStore

SHORTEST_MEMBER_SESSION_S = 6


async def test_after_a_barrier_a_node_knows_what_was_committed_before_it(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as one, running(beside(store), 9093) as other:
        await make_topic(one)
        for i in range(5):
            assert await put(one) == i
        assert other.state.runs.high_watermark(TOPIC, 0) < 5
        await other.barrier()
        assert other.state.runs.high_watermark(TOPIC, 0) == 5
        assert digest(one.state) == digest(other.state)


async def test_all_who_wait_for_a_barrier_share_one_look(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        before = store.count("get")
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ledger.barrier)
        assert store.count("get") - before <= 2


async def test_who_asks_while_a_look_is_under_way_gets_the_next(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as one, running(beside(store), 9093) as other:
        await make_topic(one)
        await other.barrier()
        seen: list[int] = []
        looking, go_on = trio.Event(), trio.Event()

        async def hold(key: str) -> None:
            looking.set()
            await go_on.wait()

        async def ask() -> None:
            await one.barrier()
            seen.append(one.state.runs.high_watermark(TOPIC, 0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            store.before_read = hold
            nursery.start_soon(ask)
            await looking.wait()
            await put(other)
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
        assert seen[-1] == 1


async def test_a_store_out_of_reach_is_no_answer(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:

        async def down(key: str) -> None:
            raise StorageUnavailable("down")

        store.before_read = down
        with pytest.raises(StorageUnavailable):
            await ledger.barrier()


async def test_nodes_that_race_for_every_commit_agree_on_all_of_them(autojump_clock: MockClock) -> None:
    store = FakeStore()
    stores = [store, beside(store), beside(store)]
    offsets: list[int] = []

    async def jitter(key: str) -> None:
        await trio.sleep(hash(key) % 7 / 1000)

    async with running(stores[0]) as a, running(stores[1], 9093) as b, running(stores[2], 9094) as c:
        await make_topic(a)
        await b.barrier()
        await c.barrier()
        for one in stores:
            one.before_create = one.after_create = jitter

        async def produce(ledger: object, times: int) -> None:
            for _ in range(times):
                offsets.append(await put(ledger))  # type: ignore[arg-type]

        async with trio.open_nursery() as nursery:
            for ledger in (a, b, c):
                for _ in range(3):
                    nursery.start_soon(produce, ledger, 15)
        for ledger in (a, b, c):
            await ledger.barrier()
        assert sorted(offsets) == list(range(135))
        assert len({digest(ledger.state) for ledger in (a, b, c)}) == 1
        assert [commit.head.number for commit in commits(store)] == list(range(1, len(commits(store)) + 1))


async def test_nodes_over_a_store_that_never_waits_agree_too(autojump_clock: MockClock) -> None:
    # Commits there are made where they are submitted, without a trip through the scheduler.
    store = memory_store(StillRuntime(), StoreSettings(url="memory://"))
    async with running(store) as a, running(store, 9093) as b:
        await make_topic(a)
        await b.barrier()
        offsets: list[int] = []

        async def produce(ledger: Ledger) -> None:
            for _ in range(40):
                offsets.append(await put(ledger))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            for ledger in (a, b, a, b):
                nursery.start_soon(produce, ledger)
        await a.barrier()
        await b.barrier()
        assert sorted(offsets) == list(range(160))
        assert digest(a.state) == digest(b.state)
        await b.propose(DeleteTopic(TOPIC))
        await a.propose(CreateTopic("t", TopicId(b"n" * 16), 1))


async def test_what_a_callback_submits_is_the_next_commit(autojump_clock: MockClock) -> None:
    store = memory_store(StillRuntime(), StoreSettings(url="memory://"))
    async with running(store) as ledger:
        made: list[str] = []
        all_made = trio.Event()

        def create(i: int) -> None:
            def done(outcome: Outcome) -> None:
                assert outcome.error is None
                made.append(f"t{i}")
                if i < 9:
                    create(i + 1)
                else:
                    all_made.set()

            ledger.submit(CreateTopic(f"t{i}", TopicId(bytes([i + 1]) * 16), 1), done)

        create(0)
        with trio.fail_after(5):
            await all_made.wait()
        assert made == list(ledger.state.topics.by_name) and len(made) == 10


async def test_two_nodes_that_begin_at_once_form_one_cluster(autojump_clock: MockClock) -> None:
    store = FakeStore()
    other = beside(store)

    async def slow(key: str) -> None:
        await trio.sleep(0.1)

    store.before_create = other.before_create = slow
    nodes: list[str] = []

    async def live(one: FakeStore, port: int) -> None:
        async with running(one, port) as ledger:
            await trio.sleep(5)
            nodes.append(ledger.state.cluster_id + str(len(ledger.state.sessions.live)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(live, store, 9092)
        nursery.start_soon(live, other, 9093)
    assert nodes == ["cluster2", "cluster2"]


async def test_a_lone_idle_node_puts_nothing(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store):
        before = dict(store.objects)
        await trio.sleep(3600)
        assert store.objects == before


async def test_with_company_an_idle_node_gives_signs_and_lives_on(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store), running(beside(store), 9093):
        before = len(commits(store))
        await trio.sleep(300)
        sign_interval_s = LedgerSettings().sign_interval_ms / 1000
        assert 2 * 200 / sign_interval_s <= len(commits(store)) - before <= 2 * 300 / sign_interval_s + 2
        assert facts(store, SessionEnded) == []


async def test_a_node_that_died_is_fenced_after_its_timeout_and_its_leases_go(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as survivor:
        async with running(beside(store), 9093) as dead:
            assert dead.session is not None
            epoch = dead.session.epoch
            resource = next(f"r{i}" for i in range(99) if dead.state.sessions.owner(f"r{i}") == dead.session)
            await dead.propose(TakeLease(resource))
        await survivor.barrier()
        died_at = trio.current_time()
        await until(lambda: epoch not in survivor.state.sessions.live)
        assert LedgerSettings().session_timeout_ms / 1000 <= trio.current_time() - died_at <= SHORTEST_MEMBER_SESSION_S
        assert resource not in survivor.state.sessions.leases
        assert facts(store, SessionEnded) == [SessionEnded(epoch, "expired")]


async def test_a_node_that_was_away_commits_nothing_of_its_old_life_and_joins_again(autojump_clock: MockClock) -> None:
    store = FakeStore()
    asleep = beside(store)
    async with running(store) as survivor, running(asleep, 9093) as sleeper:
        await make_topic(survivor)
        await sleeper.barrier()
        assert sleeper.session is not None
        old = sleeper.session.epoch
        assert await put(sleeper) == 0
        awake = trio.Event()

        async def sleep(key: str) -> None:
            await awake.wait()

        asleep.before_read = asleep.before_create = sleep
        outcomes: list[object] = []

        async def produce() -> None:
            try:
                outcomes.append(await put(sleeper))
            except Fenced:
                outcomes.append("fenced")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(produce)
            await until(lambda: old not in survivor.state.sessions.live)
            assert not sleeper.in_touch()
            await put(survivor)
            awake.set()
        await until(lambda: sleeper.session is not None and sleeper.session.epoch > old)
        assert outcomes == ["fenced"]
        heads = [commit.head for commit in commits(store)]
        (ended_in,) = [head.number for head in heads if SessionEnded(old, "expired") in head.facts]
        assert max(head.number for head in heads if head.writer == old) < ended_in
        assert await put(sleeper) == 2


async def test_a_node_whose_id_was_taken_stops_and_says_so(autojump_clock: MockClock) -> None:
    store = FakeStore()
    with pytest.RaisesGroup(pytest.RaisesExc(Fenced, match="id or address"), flatten_subgroups=True):
        async with running(store, 9092), running(beside(store), 9092) as heir:
            assert heir.session is not None
            # The heir's traffic is what the replaced node notices it by.
            await trio.sleep(5)


async def test_a_restart_after_a_kill_does_not_wait_for_its_former_self(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store):
        pass
    started = trio.current_time()
    async with running(beside(store)) as again:
        assert trio.current_time() - started < 1
        assert len(again.state.sessions.live) == 1
    assert [fact.node_id for fact in facts(store, SessionJoined)] == [1, 1]


async def test_leaving_in_good_order_ends_the_session_at_once_and_is_no_failure(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as staying, running(beside(store), 9093) as leaving:
        assert leaving.session is not None
        epoch = leaving.session.epoch
        await leaving.leave()
        assert leaving.session is None
        await staying.barrier()
        assert epoch not in staying.state.sessions.live
        await trio.sleep(5)
        with pytest.raises(Fenced):
            await leaving.propose(CreateTopic("x", TopicId(b"x" * 16), 1))


async def test_a_lively_session_cannot_be_fenced(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as one, running(beside(store), 9093) as other:
        assert other.session is not None
        await one.barrier()
        seen = one.state.sessions.signs[other.session.epoch]
        await other.propose(CreateTopic("x", TopicId(b"x" * 16), 1))
        outcome = (await one.propose_all([FenceSession(other.session.epoch, seen), SignalLiveness()]))[0]
        assert outcome.error is not None
        assert other.session.epoch in one.state.sessions.live
