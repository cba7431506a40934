"""Several nodes share one sequence of commits: who waits for whom, and what a node costs that does nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from higgins.ledger.ledger import Ledger
from higgins.ledger.settings import LedgerSettings
from higgins.ledger.state.sessions import SessionEnded
from higgins.model.errors import StorageUnavailable
from tests.ledger.nodes import commits, facts, make_topic, put, running, until
from tests.storage.fakes import TRAITS, FakeStore

TIMEOUT_S = LedgerSettings().session_timeout_ms / 1000


def at_distance(objects: dict[str, bytes], latency_s: float, follow_ms: int = 5) -> FakeStore:
    """The bucket as a node sees it that waits this long for each request and for each response."""
    store = FakeStore(msgspec.structs.replace(TRAITS, follow_ms=follow_ms), objects)

    async def delay(key: str) -> None:
        await trio.sleep(latency_s)

    store.before_create = store.after_create = store.before_read = delay
    return store


@asynccontextmanager
async def two_nodes(near_s: float, far_s: float, follow_ms: int) -> AsyncIterator[tuple[Ledger, Ledger]]:
    objects: dict[str, bytes] = {}
    async with (
        running(at_distance(objects, near_s, follow_ms)) as near,
        running(at_distance(objects, far_s, follow_ms), 9093) as far,
    ):
        await make_topic(near, 2)
        await far.barrier()
        yield near, far


async def keep_putting(ledger: Ledger, partition: int = 0) -> None:
    while True:
        await put(ledger, partition=partition)


async def commits_in(seconds: float, ledger: Ledger) -> int:
    """How many commits a node that always has something to commit makes in this time."""
    before = ledger.counts.won
    with trio.move_on_after(seconds):
        await keep_putting(ledger)
    return ledger.counts.won - before


@pytest.mark.parametrize(("latency_s", "follow_ms"), [(0.001, 5), (0.05, 100)])
async def test_an_idle_node_costs_a_busy_one_nothing(
    autojump_clock: MockClock, latency_s: float, follow_ms: int
) -> None:
    async with running(at_distance({}, latency_s, follow_ms)) as single:
        await make_topic(single)
        await trio.sleep(10)
        alone = await commits_in(6, single)
    async with two_nodes(latency_s, latency_s, follow_ms) as (busy, _):
        await trio.sleep(10)
        beside_idle = await commits_in(6, busy)
    assert beside_idle > 0.93 * alone


@pytest.mark.parametrize("farther", [1.0, 2.0])
@pytest.mark.parametrize(
    ("latency_s", "follow_ms", "pause_s"),
    [(0.001, 5, 0.0), (0.001, 5, 0.1), (0.01, 40, 0.0), (0.01, 40, 0.7), (0.05, 100, 0.0), (0.05, 100, 0.7)],
)
async def test_a_node_that_is_farther_from_the_store_loses_few_races(
    autojump_clock: MockClock, latency_s: float, follow_ms: int, farther: float, pause_s: float
) -> None:
    async with two_nodes(latency_s, farther * latency_s, follow_ms) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(keep_putting, near)
        longest_s, most_lost = 0.0, 0
        for number in range(15):
            begun, lost = trio.current_time(), far.counts.lost_races
            await put(far, partition=1)
            if number:
                # Before the first one, the other node has committed nothing for long; see the next test.
                longest_s = max(longest_s, trio.current_time() - begun)
                most_lost = max(most_lost, far.counts.lost_races - lost)
            await trio.sleep(pause_s)
        nursery.cancel_scope.cancel()
    # After a pause, a window opens within half of it; meanwhile each request loses a race.
    races_in_pause = pause_s / 2 / (2 * latency_s)
    assert most_lost <= 4 + races_in_pause
    assert longest_s <= pause_s / 2 + 30 * farther * latency_s + 4 * follow_ms / 1000


@pytest.mark.parametrize("farther", [1.0, 2.0])
@pytest.mark.parametrize(("latency_s", "follow_ms"), [(0.005, 5), (0.05, 100)])
async def test_a_node_that_only_signals_its_life_gets_through_to_a_busy_ledger(
    autojump_clock: MockClock, latency_s: float, follow_ms: int, farther: float
) -> None:
    async with two_nodes(latency_s, farther * latency_s, follow_ms) as (near, far), trio.open_nursery() as nursery:
        assert far.session is not None
        nursery.start_soon(keep_putting, near)
        longest_s, since = 0.0, trio.current_time()
        sign = near.state.sessions.signs[far.session.epoch]
        while trio.current_time() < 20:
            await trio.sleep(0.05)
            newest = near.state.sessions.signs[far.session.epoch]
            if newest != sign:
                sign, since = newest, trio.current_time()
            longest_s = max(longest_s, trio.current_time() - since)
        nursery.cancel_scope.cancel()
    assert longest_s < 0.75 * TIMEOUT_S


async def test_a_third_busy_node_gets_its_turns(autojump_clock: MockClock) -> None:
    objects: dict[str, bytes] = {}
    async with (
        running(at_distance(objects, 0.010, 100)) as one,
        running(at_distance(objects, 0.012, 100), 9093) as two,
        running(at_distance(objects, 0.020, 100), 9094) as three,
        trio.open_nursery() as nursery,
    ):
        await make_topic(one, 3)
        for ledger in (two, three):
            await ledger.barrier()
        for partition, ledger in enumerate((one, two, three)):
            nursery.start_soon(keep_putting, ledger, partition)
        await trio.sleep(20)
        shares = [ledger.counts.won for ledger in (one, two, three)]
        nursery.cancel_scope.cancel()
    assert min(shares) >= max(shares) / 5


# ---- what a node costs that does nothing


@pytest.mark.parametrize("watchers", [1, 50])
@pytest.mark.parametrize(("follow_ms", "reads_max"), [(5, 15), (100, 6)])
async def test_an_idle_node_asks_the_store_rarely_however_many_wait(
    autojump_clock: MockClock, follow_ms: int, reads_max: float, watchers: int
) -> None:
    objects: dict[str, bytes] = {}
    store = at_distance(objects, 0.001, follow_ms)
    async with running(store) as ledger, running(at_distance(objects, 0.001, follow_ms), 9093):
        for _ in range(watchers):
            ledger.watch()
        await trio.sleep(60)
        before = len(store.calls)
        await trio.sleep(60)
        assert (len(store.calls) - before) / 60 <= reads_max


async def test_while_others_commit_a_waiting_node_hears_of_it_at_once(autojump_clock: MockClock) -> None:
    async with two_nodes(0.001, 0.001, 5) as (waiting, writing):
        waiting.watch()
        for _ in range(50):
            await trio.sleep(0.1)
            await put(writing)
            committed_at, number = trio.current_time(), writing.state.number
            while waiting.state.number < number:
                await trio.sleep(0.001)
            assert trio.current_time() - committed_at < 0.02


async def test_a_node_that_begins_to_wait_is_not_left_with_a_long_pause(autojump_clock: MockClock) -> None:
    async with two_nodes(0.001, 0.001, 5) as (waiting, writing):
        await trio.sleep(60.1)
        await put(writing)
        number = writing.state.number
        waiting.watch()
        begun = trio.current_time()
        await until(lambda: waiting.state.number >= number)
        assert trio.current_time() - begun < 0.1


# ---- who is fenced, and when


async def test_nodes_that_were_cut_off_together_do_not_fence_each_other(autojump_clock: MockClock) -> None:
    objects: dict[str, bytes] = {}
    stores = [FakeStore(TRAITS, objects), FakeStore(TRAITS, objects)]
    for away_s in (1.0, TIMEOUT_S - 0.5, TIMEOUT_S + 0.5, 60.0):
        async with running(stores[0]) as one, running(stores[1], 9093) as other:
            await one.barrier()
            await trio.sleep(1.3)

            async def away(key: str) -> None:
                await trio.sleep(0.2)
                raise StorageUnavailable("away")

            hooks = stores[0].before_create
            for store in stores:
                store.before_create = store.before_read = away
            await trio.sleep(away_s)
            for store in stores:
                store.before_create = store.before_read = hooks
            epochs = {session.epoch for session in (one.session, other.session) if session is not None}
            await trio.sleep(20)
            ended = {fact.epoch for fact in facts(stores[0], SessionEnded) if fact.reason == "expired"}
            assert not ended & epochs, away_s


async def test_a_session_is_reported_as_fenced_only_once_that_is_committed(autojump_clock: MockClock) -> None:
    store = FakeStore()
    other = FakeStore(TRAITS, store.objects)
    with capture_logs() as logs:
        async with running(store) as survivor:
            async with running(other, 9093):
                await survivor.barrier()

            async def refuse(key: str) -> None:
                raise StorageUnavailable("full")

            hook, store.before_create = store.before_create, refuse
            await trio.sleep(2 * TIMEOUT_S)
            assert not [entry for entry in logs if entry["event"] == "session.fenced"]
            store.before_create = hook
            await until(lambda: bool([fact for fact in facts(store, SessionEnded) if fact.reason == "expired"]))
            await trio.sleep(1)
    assert [entry["event"] for entry in logs].count("session.fenced") == 1
    assert commits(store)
