"""The committer against a bucket that loses races, answers and minds: each proposal once, each refusal at the tip."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from higgins.ledger.commit import commit_key
from higgins.ledger.committer import Outcome
from higgins.ledger.state.runs import RunAppended
from higgins.ledger.state.topics import CreateTopic, DeleteTopic, TopicCreated
from higgins.model.errors import ObjectExists, Refused, StorageUnavailable
from higgins.model.names import TopicId
from higgins_protocol.errors import ErrorCode
from tests.ledger.nodes import TOPIC, beside, commits, facts, make_topic, put, running
from tests.storage.fakes import FakeStore


def once(action: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
    """A hook that acts at its first call."""
    calls: list[str] = []

    async def hook(key: str) -> None:
        calls.append(key)
        if len(calls) == 1:
            await action(key)

    return hook


async def lost(key: str) -> None:
    raise StorageUnavailable("the answer was lost")


async def conflict(key: str) -> None:
    raise ObjectExists("409 conflict")


async def test_what_arrives_while_a_commit_is_in_flight_forms_the_next(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        before = len(commits(store))

        async def slow(key: str) -> None:
            await trio.sleep(1)

        store.before_create = slow
        offsets: list[int] = []

        async def one() -> None:
            offsets.append(await put(ledger))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
                await trio.sleep(0.01)
        assert sorted(offsets) == list(range(20))
        assert len(commits(store)) == before + 2


async def test_one_commit_takes_only_so_much(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store, proposals_per_commit_max=8) as ledger:
        await make_topic(ledger)
        before = len(commits(store))
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(put, ledger)
        sizes = [len(commit.head.parts[0].resolved) for commit in commits(store)[before:]]
        assert max(sizes) <= 8 and sum(sizes) == 20


async def test_a_queue_that_is_full_turns_away(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store, queue_max=3) as ledger:
        await make_topic(ledger)
        outcomes: list[Outcome] = []
        for i in range(5):
            ledger.submit(CreateTopic(f"t{i}", TopicId(bytes([i + 1]) * 16), 1), outcomes.append)
        assert [type(outcome.error) for outcome in outcomes] == [StorageUnavailable] * 2
        # Each is answered once, and what was turned away is never committed.
        await trio.sleep(10)
        assert [type(outcome.error) for outcome in outcomes] == [StorageUnavailable] * 2 + [type(None)] * 3
        assert list(ledger.state.topics.by_name)[1:] == ["t0", "t1", "t2"]


@pytest.mark.parametrize("answer", [lost, conflict], ids=["timeout", "409"])
@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
async def test_an_answer_lost_is_found_out_and_nothing_happens_twice(
    autojump_clock: MockClock, answer: Callable[[str], Awaitable[None]], applied: bool
) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        if applied:
            store.after_create = once(answer)
        else:
            store.before_create = once(answer)
        assert [await put(ledger), await put(ledger)] == [0, 1]
        assert len(facts(store, RunAppended)) == 2


@pytest.mark.parametrize("late_s", [0.01, 0.04, 0.2, 5.0])
async def test_an_effect_that_comes_late_is_the_same_commit(autojump_clock: MockClock, late_s: float) -> None:
    store = FakeStore()
    async with running(store) as ledger, trio.open_nursery() as nursery:
        await make_topic(ledger)
        real = store.create

        async def apply_later(key: str, pieces: list[bytes]) -> None:
            await trio.sleep(late_s)
            try:
                await real(key, pieces)  # type: ignore[arg-type]
            except ObjectExists:
                return

        tried: list[bytes] = []

        async def create(key: str, pieces: list[bytes]) -> None:
            tried.append(b"".join(pieces))
            if len(tried) == 1:
                nursery.start_soon(apply_later, key, pieces)
                raise StorageUnavailable("no answer in time")
            await real(key, pieces)  # type: ignore[arg-type]

        store.create = create  # type: ignore[method-assign,assignment]
        assert await put(ledger) == 0
        assert len(set(tried)) == 1, "another commit was tried under a number whose outcome was not known"
        assert await put(ledger) == 1
        await trio.sleep(10)
    assert [fact.run.base_offset for fact in facts(store, RunAppended)] == [0, 1]


async def test_a_race_lost_is_judged_again_behind_the_winner(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093) as rival:
        await ledger.barrier()
        await make_topic(ledger)
        await rival.barrier()

        async def overtake(key: str) -> None:
            assert await put(rival, count=7) == 0

        store.before_create = once(overtake)
        assert await put(ledger) == 7
        assert ledger.state.runs.high_watermark(TOPIC, 0) == 8


async def test_a_foreign_commit_that_looks_the_same_is_still_foreign(autojump_clock: MockClock) -> None:
    # Both nodes append an equal batch; contents and offsets are equal, only the nonce tells whose commit it is.
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093) as rival:
        await make_topic(ledger)
        await rival.barrier()
        mine: list[int] = []

        async def overtake_and_lose(key: str) -> None:
            mine.append(await put(rival))
            raise StorageUnavailable("the answer was lost")

        store.before_create = once(overtake_and_lose)
        assert await put(ledger) == 1
        assert mine == [0]
        assert ledger.state.runs.high_watermark(TOPIC, 0) == 2


async def test_a_refusal_is_given_at_the_tip_not_from_memory(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger, running(beside(store), 9093) as rival:
        await make_topic(ledger)
        await rival.barrier()
        await rival.propose(DeleteTopic(TOPIC))
        assert "t" in ledger.state.topics.by_name, "this node should not know yet"
        await ledger.propose(CreateTopic("t", TopicId(b"n" * 16), 1))
        assert [fact.topic_id for fact in facts(store, TopicCreated)] == [TOPIC, b"n" * 16]


async def test_a_refusal_waits_for_a_store_that_does_not_answer(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        down_until = trio.current_time() + 5

        async def down(key: str) -> None:
            if trio.current_time() < down_until:
                raise StorageUnavailable("down")

        store.before_read = down
        with pytest.raises(Refused) as refusal:
            await make_topic(ledger)
        assert refusal.value.code == ErrorCode.TOPIC_ALREADY_EXISTS
        assert trio.current_time() >= down_until


async def test_nothing_but_refusals_writes_nothing(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        before = len(commits(store))
        for _ in range(3):
            with pytest.raises(Refused):
                await make_topic(ledger)
        assert len(commits(store)) == before


async def test_accepted_and_refused_of_one_commit_each_get_their_own_answer(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        outcomes = await ledger.propose_all([CreateTopic("t", TOPIC, 1), CreateTopic("t", TopicId(b"n" * 16), 1)])
        assert outcomes[0].error is None and isinstance(outcomes[1].error, Refused)


async def test_a_refused_appends_payload_is_left_out_of_the_commit(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:
        await make_topic(ledger)
        await ledger.propose(DeleteTopic(TOPIC))
        other = TopicId(b"n" * 16)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.propose, CreateTopic("n", other, 1))
            nursery.start_soon(put, ledger)
        assert [commit.head.payload_length for commit in commits(store)][-1] == 0


async def test_who_leaves_early_undoes_nothing(autojump_clock: MockClock) -> None:
    store = FakeStore()
    async with running(store) as ledger:

        async def slow(key: str) -> None:
            await trio.sleep(1)

        store.before_create = slow
        with trio.move_on_after(0.5):
            await make_topic(ledger)
        assert commit_key(len(commits(store)) + 1) not in store.objects
        await trio.sleep(1)
        assert "t" in ledger.state.topics.by_name


@pytest.mark.parametrize("failure", [lost, conflict])
async def test_a_node_stops_at_once_while_the_outcome_of_a_commit_is_read(
    autojump_clock: MockClock, failure: Callable[[str], Awaitable[None]]
) -> None:
    """A store that never answers must not keep a node from stopping. What was committed is found at the next start."""
    store = FakeStore()
    reading = trio.Event()

    async def answer_much_later(key: str) -> None:
        reading.set()
        await trio.sleep(1_000)

    async with running(store) as ledger:
        await make_topic(ledger)
        store.before_create, store.before_read = failure, answer_much_later
        ledger.submit(CreateTopic("n", TopicId(b"n" * 16), 1), lambda outcome: None)
        await reading.wait()
        stopped_at = trio.current_time()
    assert trio.current_time() == stopped_at
